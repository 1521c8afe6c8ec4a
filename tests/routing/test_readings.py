from datetime import timedelta
from typing import Any

import pytest
import redis
from django.core.cache import cache
from django.utils import timezone

from routing import auditor, metrics, readings, signs
from routing.metrics import Gauge
from routing.models import Delivery
from tests import build

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def read(part: str, gauge: Gauge) -> dict[tuple[str, ...], float]:
    """A gauge's values by their labels."""
    told = [(labels, value) for which, labels, value in readings.PARTS[part](NOW) if which is gauge]
    assert len(dict(told)) == len(told), "one value for each set of labels"
    assert all(len(labels) == len(gauge.labels) for labels, _ in told)
    return dict(told)


def owe(state: str, **fields: Any) -> Delivery:
    return Delivery.objects.create(state=state, reason="r", created_at=NOW, **{"next_attempt_at": NOW, **fields})


def test_the_backlog_is_counted_and_as_old_as_its_oldest() -> None:
    assert read("backlog", metrics.UNROUTED) == {(): 0}
    assert read("backlog", metrics.UNROUTED_AGE) == {(): 0}
    build.alert(received_at=NOW - timedelta(seconds=90))
    build.alert(received_at=NOW - timedelta(seconds=10))
    assert read("backlog", metrics.UNROUTED) == {(): 2}
    assert read("backlog", metrics.UNROUTED_AGE) == {(): 90}


def test_deliveries_are_counted_by_sink_and_state() -> None:
    slack, page = build.sink(name="Slack"), build.sink(name="Page")
    owe("queued", sink=slack, next_attempt_at=NOW - timedelta(seconds=30))
    owe("queued", sink=slack, next_attempt_at=NOW + timedelta(seconds=30))
    owe("sending", sink=slack)
    owe("queued", sink=page, next_attempt_at=NOW + timedelta(seconds=30))
    owe("failed", sink=page)
    owe("sent", sink=page)
    assert read("owed", metrics.OPEN_DELIVERIES) == {
        ("Slack", "queued"): 2,
        ("Slack", "sending"): 1,
        ("Page", "queued"): 1,
    }
    assert read("owed", metrics.DELIVERY_OVERDUE) == {("Slack",): 30, ("Page",): 0}
    assert read("owed", metrics.DEAD_DELIVERIES) == {("failed",): 1, ("unknown",): 0}


def test_sinks_say_how_they_do() -> None:
    build.sink(name="well", last_sent_at=NOW)
    build.sink(name="shut", open_until=NOW + timedelta(minutes=1), failures=5)
    build.sink(name="off", enabled=False, open_until=NOW - timedelta(minutes=1))
    assert read("sinks", metrics.SINK_ENABLED) == {
        ("well", "webhook"): 1,
        ("shut", "webhook"): 1,
        ("off", "webhook"): 0,
    }
    assert read("sinks", metrics.SINK_SHUT) == {("well",): 0, ("shut",): 1, ("off",): 0}
    assert read("sinks", metrics.SINK_FAILURES)[("shut",)] == 5
    assert read("sinks", metrics.SINK_SENT) == {("well",): NOW.timestamp()}


def test_a_sinks_secrets_are_not_even_read(django_assert_num_queries: Any) -> None:
    build.sink(secrets={"url": "https://hooks.example.com/secret"})
    with django_assert_num_queries(1) as asked:
        list(readings.sinks(NOW))
    assert "secrets" not in asked.captured_queries[0]["sql"]


def test_groups_and_runs_are_told_in_every_state() -> None:
    build.group(build.route())
    assert read("groups", metrics.GROUPS) == {("firing",): 1, ("acknowledged",): 0, ("resolved",): 0}
    assert read("runs", metrics.RUNS)[("awaiting_approval",)] == 0
    assert len(read("runs", metrics.RUNS)) == 15


def test_sensors_say_what_they_lost() -> None:
    stats = {"lost": 7, "held_back": 3, "dropped": 2, "spooled": 1, "rule_errors": {"a": 1}}
    build.sensor(hostname="node-1", name="node-1", last_seen_at=NOW, stats=stats)
    silent = NOW - timedelta(minutes=5)
    build.sensor(hostname="node-2", name="node-2", last_seen_at=silent, token=build.token(secret="sa_2"))
    build.sensor(hostname="falco", name="falco", last_seen_at=silent, token=build.token(secret="sa_3"), native=False)
    assert read("sensors", metrics.SENSORS) == {("online",): 1, ("late",): 1, ("other",): 1}
    assert read("sensors", metrics.SENSOR_SEEN) == {("node-1",): NOW.timestamp(), ("node-2",): silent.timestamp()}
    assert read("sensors", metrics.SENSOR_LOST) == {("node-1",): 7}
    assert read("sensors", metrics.SENSOR_HELD_BACK) == {("node-1",): 3}
    assert read("sensors", metrics.SENSOR_DROPPED) == {("node-1",): 2}
    assert read("sensors", metrics.SENSOR_SPOOLED) == {("node-1",): 1}


def test_of_two_sensors_of_one_name_the_last_heard_speaks_and_nonsense_is_left_out() -> None:
    old = NOW - timedelta(minutes=5)
    build.sensor(token=build.token(secret="sa_2"), last_seen_at=NOW, stats={"lost": "many"})
    build.sensor(token=build.token(secret="sa_3"), last_seen_at=old, stats={"lost": 7})
    assert read("sensors", metrics.SENSOR_SEEN) == {("node-1",): NOW.timestamp()}
    assert read("sensors", metrics.SENSOR_LOST) == {}


def test_only_so_many_are_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "MOST_NAMED", 2)
    for number in range(3):
        build.sink(name=f"sink {number}")
        build.sensor(hostname=f"node-{number}", name=f"node-{number}", token=build.token(secret=f"sa_{number}"))
    assert len(read("sinks", metrics.SINK_ENABLED)) == 2
    assert len(read("sensors", metrics.SENSOR_SEEN)) == 2
    assert read("sensors", metrics.SENSORS)[("late",)] == 3


def test_every_queue_says_how_long_it_is(settings: Any) -> None:
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    client.lpush("deliver", "message")
    assert read("queues", metrics.QUEUE) == {("deliver",): 1, ("maintain",): 0, ("respond",): 0, ("route",): 0}


def test_parts_say_when_they_were_heard_and_the_auditor_what_it_found() -> None:
    cache.clear()
    assert list(readings.PARTS["parts"](NOW)) == []
    signs.leave(signs.Part.BEAT, NOW)
    build.alert(received_at=NOW - timedelta(seconds=100))
    auditor.keep(auditor.look(NOW))
    assert read("parts", metrics.SEEN) == {("beat",): NOW.timestamp()}
    assert read("parts", metrics.FOUND)[("unrouted_alerts",)] == 1
    assert read("parts", metrics.FOUND)[("stuck_runs",)] == 0
    assert read("parts", metrics.FOUND_AGE)[("unrouted_alerts",)] == pytest.approx(100)
    assert 0 < read("parts", metrics.AUDITOR_SECONDS)[()] < 60
