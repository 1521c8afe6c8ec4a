"""A sensor that is killed: what was on disk arrives, and the gap is told."""

import gzip
import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

ROOT = Path(__file__).parents[2]
RULE = """
- rule: Secret opened
  desc: A test.
  condition: evt.type = openat and fd.name = /secret
  output: opened (file=%fd.name)
  priority: WARNING
"""
EVENTS = [{"evt.type": "openat", "evt.time": 1795435200000000000 + at, "fd.name": "/secret"} for at in range(5)]


class Life:
    """Starts the real program again and again on one spool."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = folder / "spool.db"
        self.running: subprocess.Popen[str] | None = None
        (folder / "rules.yaml").write_text(RULE)
        (folder / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in EVENTS))

    def start(self, url: str) -> None:
        self.running = subprocess.Popen(
            [sys.executable, "-m", "sensor", "run", "--replay", str(self.folder / "events.jsonl")],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "SENSOR_SERVER_URL": url,
                "SENSOR_SERVER_TOKEN": "sa_test",
                "SENSOR_RULES_FILES": str(self.folder / "rules.yaml"),
                "SENSOR_SPOOL_PATH": str(self.spool),
            },
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def kill(self) -> None:
        assert self.running is not None
        self.running.send_signal(signal.SIGKILL)
        self.running.wait()

    def spooled(self, sql: str) -> int:
        try:
            connection = sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True)
        except sqlite3.OperationalError:
            return 0
        try:
            return int(connection.execute(sql).fetchone()[0])
        except sqlite3.OperationalError:
            return 0
        finally:
            connection.close()

    def wait_for(self, sql: str, number: int) -> None:
        until = time.monotonic() + 20
        while self.spooled(sql) < number:
            assert time.monotonic() < until
            time.sleep(0.01)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    made = Life(tmp_path)
    yield made
    if made.running is not None and made.running.poll() is None:
        made.kill()


@pytest.fixture
def arrived(httpserver: HTTPServer) -> "queue.Queue[dict[str, object]]":
    alerts: queue.Queue[dict[str, object]] = queue.Queue()

    def take(request: Request) -> Response:
        posted = json.loads(gzip.decompress(request.data))
        for alert in posted:
            alerts.put(alert)
        body = json.dumps({"accepted": len(posted), "duplicates": 0, "rejected": []})
        return Response(body, status=202, content_type="application/json")

    httpserver.expect_request("/api/v1/alerts").respond_with_handler(take)
    httpserver.expect_request("/api/v1/sensors/hello").respond_with_json({"sensor": "x", "ruleset": 0})
    return alerts


def test_what_was_spooled_before_kill_9_arrives_after_it_and_the_gap_is_told(
    life: Life, httpserver: HTTPServer, arrived: "queue.Queue[dict[str, object]]"
) -> None:
    life.start("http://127.0.0.1:1")
    life.wait_for("SELECT count(*) FROM alert", len(EVENTS))
    life.wait_for("SELECT count(*) FROM mark", 1)
    life.kill()
    (life.folder / "events.jsonl").write_text(json.dumps({**EVENTS[0], "fd.name": "/other"}) + "\n")
    life.start(httpserver.url_for("/"))
    alerts = [arrived.get(timeout=20) for _ in range(len(EVENTS) + 1)]
    assert [alert["rule"] for alert in alerts] == ["Secret opened"] * len(EVENTS) + ["Sensor was blind"]
    assert len({str(alert["uuid"]) for alert in alerts}) == len(alerts)
    life.wait_for("SELECT count(*) = 0 FROM alert", 1)
