"""What `make chaos` runs: kill -9 of every part at random under load, and then a look whether anything was lost.

PostgreSQL with fsync, Redis with an append-only file, web, two workers and beat run as in production. While sensors
post alerts and receivers answer 200, 429, 500, nothing or a reset at random, parts are killed and started again. Then
all may finish, and every acknowledged alert must be stored once, routed once and told. Exit status 1 says it is not so.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import django

from tests.chaos import stack as stacks

RATE = 350
"""Alerts a second on average: 100,000 in five minutes."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long parts are killed at least")
    parser.add_argument("--alerts", type=int, help=f"acknowledged alerts to reach (default {RATE} a second)")
    parser.add_argument("--seed", type=int, help="what the victims follow from")
    parser.add_argument(
        "--keep", type=Path, help="an empty directory for logs and findings, kept also where all went well"
    )
    chosen = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if chosen.seed is None else chosen.seed
    wanted = int(chosen.seconds * RATE) if chosen.alerts is None else chosen.alerts
    directory = chosen.keep or Path(tempfile.mkdtemp(prefix="sensorapp-chaos-"))
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {line}", flush=True)

    print(f"seed {seed}, logs and findings in {directory}", flush=True)
    with stacks.running(directory) as stack:
        os.environ.update(stack.env)
        django.setup()
        # Its modules need Django's models, and those the address of the database that was started just now.
        from tests.chaos.run import run

        status = run(stack, chosen.seconds, wanted, seed, say)
    if status == 0 and chosen.keep is None:
        shutil.rmtree(directory)
    return status


if __name__ == "__main__":
    sys.exit(main())
