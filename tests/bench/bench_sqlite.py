"""SQLite under web, worker and beat at once: posts at a steady rate, every one of them answered, stored and routed."""

import os
import re
import sqlite3
import time
from pathlib import Path

from tests.bench import load
from tests.bench.installation import installation

Figure = tuple[str, float, str, str]
SECONDS = float(os.environ.get("BENCH_SECONDS", "8"))
RATE = 300.0
CONNECTIONS = 32
DRAIN_SECONDS = 120.0


def run() -> list[Figure]:
    with installation(sqlite=True) as house:
        token = house.token()
        house.web()
        house.worker()
        house.beat()
        house.routes()
        done = load.run(house.port, token, 1, CONNECTIONS, SECONDS, RATE)
        database = sqlite3.connect(house.env["DATABASE_URL"].removeprefix("sqlite:///"), timeout=20)
        until = time.monotonic() + DRAIN_SECONDS
        while _count(database, "routing_unrouted") and time.monotonic() < until:
            time.sleep(0.1)
        stored, routed = _count(database, "routing_alert"), _count(database, "routing_groupedalert")
        log = "".join(path.read_text(errors="replace") for path in Path(house.directory).glob("*.log"))
        locked = len(re.findall("database is locked", log))
    lost = done.alerts - stored + sum(count for status, count in done.statuses.items() if status != "202")
    return [
        ("sqlite_posts", done.rate, "alerts/s", f"of {RATE:.0f} asked for, for {done.seconds:.0f} s"),
        ("sqlite_p99", 1000 * done.percentile(0.99), "ms", "of a post"),
        ("sqlite_locked", float(locked), "errors", "in the logs of web, worker and beat"),
        ("sqlite_lost", float(lost), "alerts", f"{stored:,} stored, {routed:,} places in groups"),
    ]


def _count(database: sqlite3.Connection, table: str) -> int:
    [count] = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - names from above
    return int(count)
