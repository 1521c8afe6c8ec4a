"""Ingest over HTTP from the wire to the commit, while two workers route what was stored.

PostgreSQL with its default durability and all indexes; the load generator shares the machine with all of it. The
baseline is an application that parses the same posts and stores nothing. BENCH_SECONDS is how long each load lasts.
"""

import os
import time

import psycopg

from tests.bench import load
from tests.bench.installation import Installation, installation, memory

Figure = tuple[str, float, str, str]
SECONDS = float(os.environ.get("BENCH_SECONDS", "8"))
DRAIN_SECONDS = 300.0
# Name, alerts in a post, connections.
LOADS = (("batch", 100, 64), ("single", 1, 128))
BASELINE = "tests.bench.parse_only:application"


def run() -> list[Figure]:
    figures: list[Figure] = []
    for name, size, connections in LOADS:
        with installation() as house:
            token = house.token()
            house.web(BASELINE)
            parsed = load.run(house.port, token, size, connections, min(SECONDS, 10.0))
            web = house.web()
            for number in (1, 2):
                house.worker(number)
            house.beat()
            house.routes()
            load.run(house.port, token, size, connections, 1.0)  # The first posts make connections and days.
            before = memory(web)
            stored = load.run(house.port, token, size, connections, SECONDS)
            after = memory(web)
            backlog, drained = drain(house)
            half = load.run(house.port, token, size, connections, min(SECONDS, 20.0), stored.rate / size / 2)
            figures += [
                (f"ingest_{name}", stored.rate, "alerts/s", f"{stored.rate / parsed.rate:.2f} of parsing only"),
                (
                    f"ingest_{name}_p99",
                    1000 * half.percentile(0.99),
                    "ms",
                    f"at half of that load; {connections} connections",
                ),
                (f"ingest_{name}_backlog", backlog, "alerts", f"not routed at the end of {stored.seconds:.0f} s"),
                (f"ingest_{name}_drain", drained, "s", "until two workers had routed them"),
                (f"ingest_{name}_memory", after - before, "MB", f"more than before, with {after:.0f} MB in all"),
            ]
            assert set(stored.statuses) == {"202"}, stored.statuses
    return figures


def drain(house: Installation) -> tuple[int, float]:
    """How many alerts are not routed, and the seconds until all are."""
    began = time.monotonic()
    with psycopg.connect(house.env["DATABASE_URL"], autocommit=True) as connection:
        backlog = left = _unrouted(connection)
        while left and time.monotonic() - began < DRAIN_SECONDS:
            time.sleep(0.1)
            left = _unrouted(connection)
    return backlog, time.monotonic() - began if not left else float("inf")


def _unrouted(connection: "psycopg.Connection[tuple[int]]") -> int:
    row = connection.execute("SELECT count(*) FROM routing_unrouted").fetchone()
    assert row is not None
    return row[0]
