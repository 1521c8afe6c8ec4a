import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django.db import OperationalError

from routing import metrics as numbers
from routing import readings
from routing.api import metrics
from routing.api.entry import Entry
from routing.patience import OutOfTime
from tests import asgi, build
from tests.asgi import Client
from tests.tallied import tallied


@pytest.fixture(autouse=True)
def fresh_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FRESH_SECONDS", 0.0)


def lines(server: Client) -> list[str]:
    answer = server.get("/metrics")
    assert answer.status == 200
    return [line for line in answer.body.decode().splitlines() if not line.startswith("#")]


def value(server: Client, start: str) -> float:
    (line,) = [line for line in lines(server) if line.startswith(start)]
    return float(line.rpartition(" ")[2])


def test_posts_are_counted_by_what_became_of_them(server: Client) -> None:
    build.token()
    labels = [("accepted", ""), ("duplicate", ""), ("rejected", "priority"), ("rejected", "not an alert")]
    before = [tallied(numbers.ALERTS, *of) for of in labels]
    commits, answered = tallied(numbers.COMMIT), tallied(numbers.REQUESTS, "/api/v1/alerts", "202")
    alert = build.posted()
    posted = [alert, alert, {**alert, "priority": "loud"}, 7]
    assert server.post("/api/v1/alerts", posted, "sa_test").status == 202
    assert [tallied(numbers.ALERTS, *of) - was for of, was in zip(labels, before, strict=True)] == [1, 1, 1, 1]
    assert tallied(numbers.COMMIT) == commits + 1
    assert tallied(numbers.REQUESTS, "/api/v1/alerts", "202") == answered + 1
    assert 'sensorapp_alerts_total{outcome="accepted",reason=""}' in "\n".join(lines(server))
    assert value(server, "sensorapp_unrouted_alerts ") == 1


def test_a_token_in_a_path_is_no_label(server: Client) -> None:
    server.post("/ingest/sa_secretsecret/", build.posted())
    server.post("/ingest/sa_secret%0Asecret/", build.posted())
    assert "sa_secret" not in "\n".join(lines(server))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"x-forwarded-for": "203.0.113.7"}, 403),
        ({"forwarded": "for=203.0.113.7"}, 403),
        ({"x-real-ip": "203.0.113.7"}, 403),
    ],
)
def test_without_a_token_only_this_machine_may_ask_and_for_itself(
    server: Client, headers: dict[str, str], status: int
) -> None:
    assert server.get("/metrics", **headers).status == status


@pytest.mark.parametrize("client", [("203.0.113.7", 1), ("", 0), None])
def test_without_a_token_no_other_machine_may(server: Client, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = asgi._scope
    monkeypatch.setattr(asgi, "_scope", lambda *args: {**made(*args), "client": client})
    assert server.get("/metrics").status == 403


@pytest.mark.parametrize(
    ("authorization", "status"), [("Bearer right", 200), ("Bearer wrong", 401), ("right", 401), ("", 401)]
)
def test_with_a_token_everybody_needs_it(server: Client, settings: Any, authorization: str, status: int) -> None:
    settings.METRICS_TOKEN = "right"
    answer = server.get("/metrics", **{"authorization": authorization, "x-forwarded-for": "203.0.113.7"})
    assert answer.status == status


def test_what_was_read_is_told_again_for_a_while(server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FRESH_SECONDS", 60.0)
    assert value(server, "sensorapp_unrouted_alerts ") == 0
    build.alert()
    assert value(server, "sensorapp_unrouted_alerts ") == 0
    monkeypatch.setattr(metrics, "FRESH_SECONDS", 0.0)
    assert value(server, "sensorapp_unrouted_alerts ") == 1


@pytest.mark.parametrize("error", [OperationalError, OutOfTime, KeyError])
def test_one_part_that_fails_takes_nothing_from_the_others(
    error: type[Exception], server: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(now: Any) -> Iterator[Any]:
        raise error("no")
        yield

    monkeypatch.setitem(readings.PARTS, "backlog", refuse)
    for _ in range(2):
        told = "\n".join(lines(server))
    assert 'sensorapp_scrape_part_up{part="backlog"} 0.0' in told
    assert 'sensorapp_scrape_part_up{part="owed"} 1.0' in told
    assert "sensorapp_unrouted_alerts" not in told
    assert 'sensorapp_groups{state="firing"} 0.0' in told
    assert "metrics_part_not_read" in caplog.text


def test_a_part_that_fails_later_is_told_as_it_was_until_that_is_too_old(
    server: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(now: Any) -> Iterator[Any]:
        raise OperationalError("no")
        yield

    assert value(server, "sensorapp_unrouted_alerts ") == 0
    monkeypatch.setitem(readings.PARTS, "backlog", refuse)
    assert value(server, "sensorapp_unrouted_alerts ") == 0
    monkeypatch.setattr(metrics, "STALE_SECONDS", 0.0)
    assert "sensorapp_unrouted_alerts" not in "\n".join(lines(server))


def test_a_part_that_hangs_delays_a_scrape_by_less_than_a_second_and_holds_one_thread(
    server: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, reading = threading.Event(), []

    def hang(now: Any) -> Iterator[Any]:
        reading.append(threading.get_ident())
        go_on.wait(30)
        yield from ()

    assert value(server, "sensorapp_unrouted_alerts ") == 0
    monkeypatch.setitem(readings.PARTS, "owed", hang)
    try:
        for _ in range(2):
            began = time.monotonic()
            assert value(server, "sensorapp_unrouted_alerts ") == 0
            assert time.monotonic() - began < 1.0
        assert len(reading) == 1
    finally:
        go_on.set()


def test_without_a_broker_what_rows_say_is_told(server: Client, settings: Any, tmp_path: Any) -> None:
    there = settings.REDIS_URL
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    told = "\n".join(lines(server))
    settings.REDIS_URL = there
    assert 'sensorapp_scrape_part_up{part="tallies"} 0.0' in told
    assert 'sensorapp_scrape_part_up{part="queues"} 0.0' in told
    assert 'sensorapp_groups{state="firing"} 0.0' in told


def test_a_broker_that_hangs_delays_a_scrape_by_less_than_a_second(settings: Any, transactional_db: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = settings.REDIS_URL
        with asgi.serving(Entry(get_asgi_application())) as server:
            settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
            began = time.monotonic()
            told = "\n".join(lines(server))
            assert time.monotonic() - began < 1.0
            settings.REDIS_URL = there
    assert 'sensorapp_scrape_part_up{part="tallies"} 0.0' in told


def test_a_scrape_is_counted_as_every_request_is(server: Client) -> None:
    before = tallied(numbers.REQUESTS, "/metrics", "200")
    lines(server)
    assert tallied(numbers.REQUESTS, "/metrics", "200") == before + 1
