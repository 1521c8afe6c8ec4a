import socket
import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.utils import timezone

from routing import signs
from routing.api.health import ask_workers
from routing.signs import Part
from tests.asgi import Client


@pytest.fixture(autouse=True)
def nobody_heard() -> None:
    cache.clear()


def heard(part: Part, seconds_ago: float) -> None:
    signs.leave(part, timezone.now() - timedelta(seconds=seconds_ago))


def test_a_server_that_answers_is_healthy(server: Client):
    answer = server.get("/healthz")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(("age", "status"), [(0, 200), (14, 200), (16, 503), (None, 503)])
@pytest.mark.parametrize(
    ("part", "other", "missing"), [(Part.WORKER, Part.BEAT, "no worker"), (Part.BEAT, Part.WORKER, "beat has not")]
)
def test_it_is_ready_while_beat_and_a_worker_were_seen_lately(
    server: Client, part: Part, other: Part, missing: str, age: int | None, status: int
):
    heard(other, 0)
    if age is not None:
        heard(part, age)
    answer = server.get("/readyz")
    assert answer.status == status
    assert status == 200 or missing in answer.json()["detail"]


def test_without_a_broker_it_is_healthy_but_not_ready(server: Client, settings, tmp_path):
    location = f"unix://{tmp_path}/nothing.sock"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}}
    assert server.get("/healthz").status == 200
    assert "broker" in server.get("/readyz").json()["detail"]


def test_a_broker_that_hangs_holds_no_thread_for_long(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        location = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": location}}
        began = time.monotonic()
        assert ask_workers() == "the broker cannot be reached"
    assert time.monotonic() - began < 10


def test_without_a_database_it_is_healthy_but_not_ready(server: Client, monkeypatch):
    """Else whoever restarts it would do so for as long as the database is away."""

    def refuse(*args: object) -> None:
        raise OperationalError("no")

    with monkeypatch.context() as patch:
        patch.setattr("django.db.backends.utils.CursorWrapper.execute", refuse)
        assert server.get("/healthz").status == 200
        answer = server.get("/readyz")
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "the database cannot be reached" in answer.json()["detail"]


def test_a_process_that_can_store_no_more_alerts_is_to_be_started_again(server: Client, monkeypatch):
    monkeypatch.setattr("routing.groupcommit.Writer.well", False)
    answer = server.get("/healthz")
    assert (answer.status, answer.json()["detail"]) == (503, "Not well: a thread that stores alerts has ended.")
