"""Whether ingest and routing keep their rates when very many alerts are stored. BENCH_STORED is how many."""

import os
import time

from tests.bench import load
from tests.bench.bench_ingest import drain
from tests.bench.filled import fill
from tests.bench.installation import installation

Figure = tuple[str, float, str, str]
SECONDS = min(float(os.environ.get("BENCH_SECONDS", "8")), 20.0)
FEW = 10_000
MANY = int(os.environ.get("BENCH_STORED", "200000"))
SIZE = 100
CONNECTIONS = 64


def run() -> list[Figure]:
    few, many = _rates(FEW), _rates(MANY)
    return [
        (f"{name}_stored", many[name], "alerts/s", f"{many[name] / few[name]:.2f} of the rate with {FEW:,} stored")
        for name in ("ingest", "routing")
    ]


def _rates(count: int) -> dict[str, float]:
    """Alerts a second: stored while nobody routes, then routed by two workers."""
    with installation() as house:
        token = house.token()
        house.make_days()
        fill(house.env["DATABASE_URL"], count, time.time_ns())
        house.routes()
        house.web()
        load.run(house.port, token, SIZE, CONNECTIONS, 1.0)
        stored = load.run(house.port, token, SIZE, CONNECTIONS, SECONDS)
        for number in (1, 2):
            house.worker(number)
        house.beat()
        waiting, seconds = drain(house)
    return {"ingest": stored.rate, "routing": waiting / seconds}
