"""The doorbells: each calls one service, and a broker that is away loses nothing."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import redis
import structlog
from celery import Celery
from django.conf import settings
from django.core.cache import cache
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from pytest_httpserver import HTTPServer
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from routing import auditor, days, deliveries, metrics, pipeline, signs, tasks
from routing.models import ActionRun, AlertDay, AlertGroup, Delivery, Sink, Unrouted
from routing.pipeline import Planned
from routing.signs import Part
from sensorapp.celery import app
from tests import build
from tests.tallied import tallied

pytestmark = pytest.mark.django_db

Queued = Callable[[str], int]


@pytest.fixture
def queued() -> Queued:
    """`queued("deliver")`: messages waiting in the broker's queue."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    return client.llen  # type: ignore[return-value]


@pytest.fixture
def now() -> Any:
    return timezone.now()


def test_routing_rings_for_every_planned_delivery(queued: Queued, now: Any) -> None:
    route = build.route()
    for name in ("one", "two"):
        route.sinks.add(build.sink(name=name))
    build.alert(time=now)
    tasks.route_pending()
    assert queued("deliver") == 2
    tasks.route_pending()
    assert queued("deliver") == 2


def test_a_ring_for_a_sink_stands_until_a_worker_takes_it(queued: Queued, now: Any) -> None:
    route = build.route(group_by=["..."])
    sink = build.sink()
    route.sinks.add(sink)
    for _ in range(3):
        build.alert(time=now)
        tasks.route_pending()
    assert queued("deliver") == 1
    tasks.deliver(sink.pk)
    build.alert(time=now)
    tasks.route_pending()
    assert queued("deliver") == 2


def test_days_are_made_and_what_is_too_old_goes(queued: Queued, now: Any) -> None:
    old = AlertDay.objects.create(day=(now - timedelta(days=31)).date(), made_at=now)
    AlertDay.objects.create(day=(now - timedelta(days=29)).date(), made_at=now)
    tasks.keep_days()
    assert set(AlertDay.objects.exclude(dropped_at=None)) == {old}
    assert AlertDay.objects.filter(day=now.date()).exists()


def test_what_was_settled_leaves_with_the_days_also_where_no_day_can_be_made(
    now: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.RETENTION_DAYS = 10
    monkeypatch.setattr(days, "ensure", busy := Mock(side_effect=OperationalError("busy")))
    sink = build.sink()
    for age in (9, 12):
        at = now - timedelta(days=age)
        Delivery.objects.create(sink=sink, reason="", state="sent", next_attempt_at=at, created_at=at, settled_at=at)
    tasks.keep_days()
    assert busy.called
    assert "make_days" in caplog.text
    assert [one.settled_at for one in Delivery.objects.all()] == [now - timedelta(days=9)]
    settings.RETENTION_DAYS = 0
    Delivery.objects.update(settled_at=now - timedelta(days=1000))
    tasks.keep_days()
    assert Delivery.objects.count() == 1


def test_routing_goes_on_until_nothing_waits(queued: Queued, now: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "BATCH", 2)
    for lane in [0] * 9 + [1]:
        build.alert(time=now, lane=lane)
    tasks.route_pending()
    assert (Unrouted.objects.count(), queued("route")) == (2, 1)
    # Neither of these batches is full, so that nothing waits behind it.
    tasks.route_pending()
    assert (Unrouted.objects.count(), queued("route")) == (0, 1)


def test_a_sweep_asks_for_a_worker_for_each_lane_that_waits(
    queued: Queued, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "BATCH", 1)
    for seconds, lane in enumerate((0, 2, 1, 3, 0, 1, 3)):
        build.alert(time=now - timedelta(minutes=1, seconds=-seconds), lane=lane)
    tasks.sweep()
    assert queued("route") == len(pipeline.lanes_waiting()) == 3
    # Where nobody comes for them they are not in the way of the next ones.
    [message, *_] = redis.Redis.from_url(settings.REDIS_URL).lrange("route", 0, -1)
    expires = datetime.fromisoformat(json.loads(message)["headers"]["expires"])
    assert expires - timezone.now() <= timedelta(seconds=tasks.ASKED_SECONDS)


def test_a_sweep_does_all_that_nobody_rang_for(queued: Queued, now: Any, httpserver: HTTPServer) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("")
    route = build.route(group_wait=1)
    route.sinks.add(build.sink(secrets={"url": httpserver.url_for("/")}))
    build.alert(time=now)
    tasks.sweep()
    assert not Unrouted.objects.exists()
    AlertGroup.objects.update(next_flush_at=now - timedelta(seconds=1))
    tasks.sweep()
    delivery = Delivery.objects.get()
    assert queued("deliver") >= 1
    tasks.deliver(delivery.sink_id)
    tasks.deliver(delivery.sink_id)
    delivery.refresh_from_db()
    assert (delivery.state, len(httpserver.log)) == ("sent", 1)


def test_a_worker_goes_on_while_the_sink_takes_what_it_is_sent(
    queued: Queued, now: Any, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("")
    sink = build.sink(secrets={"url": httpserver.url_for("/")})
    for _ in range(5):
        Delivery.objects.create(sink=sink, reason="", next_attempt_at=now, created_at=now)
    tasks.deliver(sink.pk)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
    assert len(httpserver.log) == 5


def test_after_a_while_a_worker_lets_other_sinks_have_their_turn(
    queued: Queued, now: Any, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MOST_IN_A_ROW", 2)
    httpserver.expect_request(re.compile(".*")).respond_with_data("")
    sink = build.sink(secrets={"url": httpserver.url_for("/")})
    for _ in range(20):
        Delivery.objects.create(sink=sink, reason="", next_attempt_at=now, created_at=now)
    tasks.deliver(sink.pk)
    assert len(httpserver.log) < 20
    assert queued("deliver") == 2  # Another worker may have joined after the first claim; and there is more.


def test_a_worker_leaves_a_sink_that_does_not_take_it(queued: Queued, now: Any, httpserver: HTTPServer) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("", 503)
    sink = build.sink(secrets={"url": httpserver.url_for("/")})
    for _ in range(5):
        Delivery.objects.create(sink=sink, reason="", next_attempt_at=now, created_at=now)
    tasks.deliver(sink.pk)
    assert len(httpserver.log) == 1


def test_a_sweep_takes_back_what_a_dead_worker_held(queued: Queued, now: Any) -> None:
    past = now - timedelta(minutes=5)
    Delivery.objects.create(
        sink=build.sink(), reason="", state="sending", lease_until=past, next_attempt_at=past, created_at=past
    )
    tasks.sweep()
    assert Delivery.objects.get().state == "queued"
    assert queued("deliver") == 0
    Sink.objects.update(open_until=now)
    tasks.sweep()
    assert queued("deliver") == 1


def test_a_sweep_gives_up_pages_that_are_too_late(queued: Queued, now: Any) -> None:
    long_ago = now - timedelta(hours=5)
    page = build.owed(build.sink("pagerduty"), created_at=long_ago, next_attempt_at=long_ago)
    tasks.sweep()
    page.refresh_from_db()
    assert page.state == "failed"
    assert queued("deliver") == 0


def test_a_sweep_expires_what_nobody_approved(queued: Queued, now: Any) -> None:
    route = build.route()
    build.sensor()
    route.actions.add(build.action(approval_ttl=1))
    build.alert(time=now, own_node=True)
    tasks.sweep()
    ActionRun.objects.update(expires_at=now - timedelta(seconds=1))
    tasks.sweep()
    assert ActionRun.objects.get().state == "expired"


def test_a_sweep_leaves_a_sign_that_a_worker_lives(queued: Queued) -> None:
    cache.clear()
    tasks.sweep()
    assert set(signs.heard()) == {Part.WORKER, Part.SWEEP}


def test_whoever_sends_a_sweep_leaves_the_sign_that_beat_lives(queued: Queued) -> None:
    cache.clear()
    tasks.route_pending.delay()
    assert signs.heard() == {}
    tasks.sweep.delay()
    assert set(signs.heard()) == {Part.BEAT}


def test_one_failing_step_does_not_stop_the_sweep(
    queued: Queued, now: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache.clear()
    failures = tallied(metrics.SWEEP_FAILURES, "route")
    monkeypatch.setattr(tasks, "BATCH", "no number")
    Delivery.objects.create(sink=build.sink(), reason="", next_attempt_at=now, created_at=now)
    build.alert(time=now)
    tasks.sweep()
    assert queued("deliver") == 1
    assert "sweep_step_failed" in caplog.text
    assert Part.SWEEP not in signs.heard()
    assert tallied(metrics.SWEEP_FAILURES, "route") == failures + 1


def test_a_database_that_is_away_is_one_line_of_a_sweep(
    queued: Queued, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object) -> None:
        raise InterfaceError("connection refused")

    for service, name in ((pipeline, "route_pending"), (pipeline, "flush_due"), (deliveries, "take_back")):
        monkeypatch.setattr(service, name, refused)
    tasks.sweep()
    told = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert [(record.levelname, record.exc_info) for record in told] == [("WARNING", None)]
    assert "database_away" in caplog.text
    assert Part.SWEEP not in signs.heard()


def test_what_the_auditor_finds_is_seen_to_and_kept_for_the_pages(queued: Queued, now: Any) -> None:
    route = build.route()
    route.sinks.add(build.sink(name="one"))
    long_ago = now - timedelta(minutes=10)
    build.alert(received_at=long_ago)
    Delivery.objects.create(sink=build.sink(name="two"), reason="", next_attempt_at=long_ago, created_at=long_ago)
    lost = {"state": "sending", "lease_until": long_ago, "next_attempt_at": long_ago, "created_at": long_ago}
    Delivery.objects.create(sink=build.sink(name="three"), reason="", **lost)
    build.group(route, next_flush_at=long_ago)
    tasks.look_for_stuck()
    report = auditor.last_report()
    assert report is not None
    assert {finding.what: finding.count for finding in report.stuck} == {
        "unrouted_alerts": 1,
        "lost_claims": 1,
        "overdue_deliveries": 1,
        "overdue_groups": 1,
    }
    assert Part.AUDITOR in signs.heard()
    assert not Unrouted.objects.exists()
    assert not Delivery.objects.filter(state="sending").exists()
    assert not AlertGroup.objects.filter(next_flush_at__lt=now).exists()
    assert queued("deliver") >= 2
    tasks.look_for_stuck()
    assert [finding.what for finding in auditor.last_report().stuck] == ["overdue_deliveries"]  # Until it is sent.


def test_stuck_runs_are_seen_to(queued: Queued, now: Any) -> None:
    build.sensor()
    route = build.route()
    route.actions.add(build.action())
    build.alert(time=now, own_node=True)
    tasks.sweep()
    ActionRun.objects.update(expires_at=now - timedelta(minutes=1))
    tasks.look_for_stuck()
    assert ActionRun.objects.get().state == "expired"


@pytest.mark.parametrize("stuck", [False, True])
def test_somebody_outside_is_told_while_all_is_well_and_only_then(
    stuck: bool, queued: Queued, now: Any, settings: Any, httpserver: HTTPServer
) -> None:
    cache.clear()
    httpserver.expect_request("/alive").respond_with_data("")
    settings.DEADMAN_URL = httpserver.url_for("/alive")
    tasks.look_for_stuck()
    assert len(httpserver.log) == 0  # Nobody was heard yet.
    tasks.sweep.delay()
    tasks.sweep()
    if stuck:
        build.alert(received_at=now - timedelta(minutes=5))
    tasks.look_for_stuck()
    assert len(httpserver.log) == (0 if stuck else 1)


@pytest.fixture
def no_broker(settings: Any) -> Iterator[None]:
    """Everything that rings finds nobody at the other end."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    away = Celery("away", broker=settings.REDIS_URL)
    away.set_current()
    yield
    app.set_current()


def test_without_a_broker_everything_is_still_decided(
    no_broker: None, now: Any, caplog: pytest.LogCaptureFixture
) -> None:
    route = build.route()
    route.sinks.add(build.sink())
    build.alert(time=now)
    tasks.route_pending()
    assert Delivery.objects.get().state == "queued"
    assert "broker_unreachable" in caplog.text


def test_every_log_line_of_a_task_names_it_and_its_time_is_counted(
    queued: Queued, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tallied(metrics.TASK, "route_pending")

    def route(*args: object) -> Planned:
        structlog.get_logger("test").info("routing")
        return Planned()

    monkeypatch.setattr(tasks.pipeline, "route_pending", route)
    with capture_logs(processors=[merge_contextvars]) as lines:
        tasks.route_pending.apply(task_id="7")
        structlog.get_logger("test").info("afterwards")
    (inside,) = [line for line in lines if line["event"] == "routing"]
    assert (inside["task"], inside["task_id"]) == ("route_pending", "7")
    assert "task" not in next(line for line in lines if line["event"] == "afterwards")
    assert tallied(metrics.TASK, "route_pending") == before + 1
