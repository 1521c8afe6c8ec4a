"""Ingest over HTTP, from the wire to the commit: batches and single posts over kept connections.

On PostgreSQL with its default durability where it is installed, else on SQLite. The load generator shares the
machine with server and database. The baseline is an application that parses the same posts and stores nothing.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import orjson
import requests

from sensor.alert import new_uuid, rfc3339
from tests import services
from tests.bench import load

Figure = tuple[str, float, str, str]
SECONDS = 6.0
BATCH = 100
BATCHES = 2_500
SINGLES = 40_000
OURS = "sensorapp.asgi:application"
BASELINE = "tests.bench.parse_only:application"


def run() -> list[Figure]:
    """Alerts a second and latency; each with its share of the baseline's rate."""
    with _database() as (name, url), tempfile.TemporaryDirectory(prefix="sensorapp-bench-") as directory:
        env = {**os.environ, "DATABASE_URL": url, "DATA_DIR": directory, "LOG_LEVEL": "error"}
        _manage(env, "migrate", "--skip-checks", "--verbosity", "0")
        token = _manage(env, "token", "create", "--role", "sensor", "bench").strip()
        figures = []
        for kind, size, count, connections in (("batch", BATCH, BATCHES, 8), ("single", 1, SINGLES, 64)):
            posts = [load.request("/api/v1/alerts", token, _body(size)) for _ in range(count)]
            baseline = _measure(BASELINE, env, posts, connections)
            ours = _measure(OURS, env, posts, connections)
            rate, base = size * ours.good / ours.seconds, size * baseline.good / baseline.seconds
            compared = f"{rate / base:.2f} of parsing only, {base:.4g} alerts/s; {name}"
            figures.append((f"ingest_{kind}", rate, "alerts/s", compared))
            p99 = (ours.percentile(0.99), baseline.percentile(0.99))
            compared = f"{p99[0] / p99[1]:.1f} of parsing only; {connections} connections, full load"
            figures.append((f"ingest_{kind}_p99", 1000 * p99[0], "ms", compared))
        return figures


@contextmanager
def _database() -> Iterator[tuple[str, str]]:
    """What it is, and its URL."""
    if given := os.environ.get("DATABASE_URL"):
        yield given.partition(":")[0], given
        return
    try:
        cluster = services.postgresql(settings=("fsync=on", "synchronous_commit=on"))
        url = cluster.__enter__()
    except (RuntimeError, KeyError):
        with tempfile.TemporaryDirectory(prefix="sensorapp-bench-") as directory:
            yield "SQLite", f"sqlite:///{directory}/bench.sqlite3"
        return
    try:
        yield "PostgreSQL, fsync on", url
    finally:
        cluster.__exit__(None, None, None)


def _manage(env: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def _measure(app: str, env: dict[str, str], posts: Sequence[bytes], connections: int) -> load.Load:
    port = services.free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port), "--no-ws", "--no-log", app]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait(port)
            return load.run(port, posts, connections, SECONDS)
        finally:
            server.terminate()


def _wait(port: int) -> None:
    session = requests.Session()
    session.trust_env = False
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            session.get(f"http://127.0.0.1:{port}/healthz", timeout=5)
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise RuntimeError("the server did not start")


def _body(size: int) -> bytes:
    alerts = [_alert() for _ in range(size)]
    return orjson.dumps(alerts if size > 1 else alerts[0])


def _alert() -> dict[str, object]:
    """About one kilobyte, of 500 rules on 200 hosts."""
    return {
        "uuid": str(new_uuid()),
        "time": rfc3339(time.time_ns()),
        "rule": f"Rule number {random.randrange(500)} of the bench",
        "priority": random.choice(("Critical", "Error", "Warning", "Notice")),
        "source": "syscall",
        "hostname": f"node-{random.randrange(200)}",
        "output": "Sensitive file opened by a process that has no business with it " + "x" * 200,
        "output_fields": {
            "proc.name": "cat",
            "proc.exepath": "/usr/bin/cat",
            "proc.cmdline": "cat " + "/etc/shadow " * 15,
            "proc.pid": random.randrange(1 << 22),
            "user.name": "root",
            "fd.name": "/etc/shadow",
            "container.image.repository": "docker.io/library/nginx",
            "k8s.ns.name": f"team-{random.randrange(20)}",
            "k8s.pod.name": f"web-{random.randrange(1000)}",
        },
        "tags": ["filesystem", "mitre_credential_access", "T1555"],
    }
