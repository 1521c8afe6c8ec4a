"""How long alerts wait to be routed under a steady load, with two workers. BENCH_SECONDS is how long it lasts."""

import os
import threading

import psycopg

from tests.bench import load
from tests.bench.installation import Installation, installation

Figure = tuple[str, float, str, str]
SECONDS = float(os.environ.get("BENCH_SECONDS", "8"))
RATE = 2_000.0
SIZE = 10
CONNECTIONS = 16
LOOK_SECONDS = 0.2
OLDEST = "SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0) FROM routing_unrouted"


def run() -> list[Figure]:
    with installation() as house:
        token = house.token()
        house.web()
        for number in (1, 2):
            house.worker(number)
        house.beat()
        house.routes()
        ages: list[float] = []
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(house, ages, stop))
        watcher.start()
        done = load.run(house.port, token, SIZE, CONNECTIONS, SECONDS, RATE / SIZE)
        stop.set()
        watcher.join()
    ages.sort()
    return [
        ("backlog_age_p95", ages[int(len(ages) * 0.95)], "s", f"at {done.rate:.0f} alerts/s for {done.seconds:.0f} s"),
        ("backlog_age_max", ages[-1], "s", "the longest that an alert was seen to wait"),
    ]


def _watch(house: Installation, ages: list[float], stop: threading.Event) -> None:
    with psycopg.connect(house.env["DATABASE_URL"], autocommit=True) as connection:
        while not stop.wait(LOOK_SECONDS):
            row = connection.execute(OLDEST).fetchone()
            ages.append(float(row[0]) if row else 0.0)
