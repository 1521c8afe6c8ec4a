from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from pytest_httpserver import HTTPServer

from routing import access, deliveries, failing, pipeline
from routing.models import Alert, Delivery, Sink, Token
from tests import build
from tests.build import NOW, owed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("that_day")]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def sink() -> Sink:
    """One that is owed a message and fails since ten minutes."""
    ill = build.sink(name="Slack #sec", failures=7, failing_since=NOW - failing.AFTER, last_error="It is down (503)")
    owed(ill)
    return ill


def test_a_sink_that_fails_for_ten_minutes_is_told_of_once_an_hour(sink: Sink) -> None:
    told = [failing.tell(NOW + after) for after in (-MINUTE, 0 * MINUTE, MINUTE, 59 * MINUTE, 60 * MINUTE)]
    assert told == [0, 1, 0, 0, 1]
    first = Alert.objects.earliest("time")
    assert (first.rule, first.source, first.own_node) == ("Sink is failing", "sensorapp", False)
    assert first.output == "The sink Slack #sec has been failing for 10 min: It is down (503)"
    assert first.output_fields["sink.name"] == "Slack #sec"
    assert first.time == NOW
    assert Alert.objects.values("fingerprint").distinct().count() == 1


def test_the_alert_goes_another_sinks_way(sink: Sink) -> None:
    other = build.sink("slack", name="the other")
    build.route(condition="alert.source = sensorapp").sinks.add(other)
    failing.tell(NOW)
    pipeline.route_pending(NOW, 10)
    pipeline.flush_due(NOW)
    assert Delivery.objects.get(sink=other).group.title == "Sink is failing"


def test_two_sinks_are_told_of_apart(sink: Sink) -> None:
    owed(build.sink(name="another", failing_since=NOW - failing.AFTER))
    assert failing.tell(NOW) == 2
    assert {alert.output_fields["sink.name"] for alert in Alert.objects.all()} == {"Slack #sec", "another"}
    assert Token.objects.get().revoked_at is not None
    assert access.role_of(Token.objects.get()) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"failing_since": None}, 0),
        ({"enabled": False}, 0),
        ({"enabled": False, "disabled_reason": "410"}, 1),
        ({"enabled": False, "disabled_reason": "410", "failing_since": None}, 1),
    ],
)
def test_one_that_works_or_that_a_person_paused_is_not_told_of(sink: Sink, changes: dict, told: int) -> None:
    Sink.objects.update(**changes)
    assert failing.tell(NOW) == told


def test_two_workers_tell_of_a_sink_once(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    other = build.sink(name="another", failing_since=NOW - failing.AFTER)
    owed(other)
    raised = []

    def meanwhile(told: Sink, now: datetime) -> None:
        raised.append(told)
        Sink.objects.update(told_failing_at=now)

    monkeypatch.setattr(failing, "_raise_alert", meanwhile)
    assert (failing.tell(NOW), raised) == (1, [sink])


def test_one_that_is_owed_nothing_is_not_told_of(sink: Sink) -> None:
    Delivery.objects.update(state="failed")
    assert failing.tell(NOW) == 0


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"settled_at": NOW - MINUTE}, 1),
        ({"settled_at": NOW - MINUTE, "state": "unknown"}, 1),
        ({"settled_at": NOW - MINUTE, "event": "test"}, 0),
        ({"settled_at": NOW - failing.AFTER - MINUTE}, 0),
        ({"settled_at": NOW - 2 * failing.AGAIN}, 0),
        ({"settled_at": NOW - MINUTE, "state": "discarded"}, 0),
    ],
)
def test_one_that_lost_messages_of_late_is_told_of(sink: Sink, fields: dict, told: int) -> None:
    Delivery.objects.update(**{"state": "failed", **fields})
    assert failing.tell(NOW) == told


def test_what_it_lost_hours_ago_is_not_told_of_again(sink: Sink) -> None:
    Sink.objects.update(failing_since=NOW - 3 * failing.AGAIN)
    Delivery.objects.update(state="failed", settled_at=NOW - 2 * failing.AGAIN)
    assert failing.tell(NOW) == 0


def test_a_failure_after_a_success_of_the_same_claim_begins_anew(httpserver: HTTPServer) -> None:
    sink = build.sink(secrets={"url": httpserver.url_for("/hook")}, failures=1, failing_since=NOW - 60 * MINUTE)
    owed(sink), owed(sink)
    for status in (200, 503):
        httpserver.expect_ordered_request("/hook").respond_with_data("", status)
    assert len(deliveries.send_next(sink.pk, 2, NOW)) == 2
    sink.refresh_from_db()
    assert sink.failing_since is not None
    assert sink.failing_since >= NOW


def test_one_that_rejects_everything_is_told_of_and_one_odd_message_among_others_is_not(
    httpserver: HTTPServer,
) -> None:
    sink = build.sink(secrets={"url": httpserver.url_for("/hook")})
    for minute, status in enumerate((200, 400, 200, 400, 400)):
        owed(sink)
        httpserver.clear()
        httpserver.expect_request("/hook").respond_with_data("no such field", status)
        deliveries.send_next(sink.pk, 1, NOW + minute * MINUTE)
    assert failing.tell(NOW + MINUTE + failing.AFTER + MINUTE) == 0
    assert failing.tell(NOW + 4 * MINUTE + failing.AFTER) == 1
    assert "does not accept the message (400)" in Alert.objects.get().output


def test_the_alert_reaches_the_other_sinks_of_a_route_that_leads_to_the_failing_one(
    sink: Sink, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/hook").respond_with_data("")
    other = build.sink(name="the other", secrets={"url": httpserver.url_for("/hook")})
    build.route().sinks.add(sink, other)
    failing.tell(NOW)
    pipeline.route_pending(NOW, 10)
    pipeline.flush_due(NOW)
    assert deliveries.due(NOW) == [sink.pk, other.pk]
    deliveries.send_next(other.pk, 1, NOW)
    (told,) = httpserver.log[0][0].get_json()["data"]["alerts"]
    assert told["rule"] == "Sink is failing"


def test_it_fails_from_its_first_failure_until_it_works_or_is_mended(httpserver: HTTPServer, erin: User) -> None:
    sink = build.sink(secrets={"url": httpserver.url_for("/hook")})
    owed(sink)
    httpserver.expect_request("/hook").respond_with_data("", 503)
    since = []
    for hours in (0, 1):
        deliveries.send_next(sink.pk, 1, NOW + timedelta(hours=hours))
        sink.refresh_from_db()
        since.append(sink.failing_since)
    assert since[0] == since[1]
    assert since[0] is not None
    assert NOW <= since[0] < NOW + MINUTE
    deliveries.revive(sink, NOW)
    sink.refresh_from_db()
    assert sink.failing_since is None
    deliveries.send_next(sink.pk, 1, NOW + timedelta(hours=2))
    httpserver.clear()
    httpserver.expect_request("/hook").respond_with_data("", 200)
    deliveries.send_next(sink.pk, 1, NOW + timedelta(hours=3))
    sink.refresh_from_db()
    assert (sink.failing_since, sink.last_sent_at is not None) == (None, True)
