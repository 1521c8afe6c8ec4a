"""What pages cost while very many alerts are stored. BENCH_STORED is how many; the baseline is the same page of few."""

import json
import os
import subprocess
import sys
import time

from tests.bench.filled import fill
from tests.bench.installation import installation

Figure = tuple[str, float, str, str]
FEW = 10_000
MANY = int(os.environ.get("BENCH_STORED", "200000"))


def run() -> list[Figure]:
    few, many = _pages(FEW), _pages(MANY)
    return [
        (f"page_{name}", 1000 * seconds, "ms", f"{seconds / few[name]:.1f}x of {FEW:,} alerts; {MANY:,} are stored")
        for name, seconds in many.items()
    ]


def _pages(count: int) -> dict[str, float]:
    with installation() as house:
        house.token()
        house.make_days()
        fill(house.env["DATABASE_URL"], count, time.time_ns())
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.pages"], env=house.env, check=True, stdout=subprocess.PIPE, text=True
        )
        found: dict[str, float] = json.loads(done.stdout)
        return found
