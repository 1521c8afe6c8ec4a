"""From stored alerts to groups, and to what is owed because of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from pytest_httpserver import HTTPServer

from routing import acknowledgements, approvals, deliveries, metrics, pipeline
from routing.models import (
    Acknowledgement,
    ActionRun,
    Alert,
    AlertGroup,
    Assignment,
    Delivery,
    GroupedAlert,
    Route,
    Silence,
    Sink,
    Unrouted,
)
from tests import build
from tests.build import NOW
from tests.tallied import tallied

pytestmark = pytest.mark.django_db

FINGERPRINT = "f" * 64


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def sink() -> Sink:
    return build.sink("webhook", secrets={"url": "http://127.0.0.1:9/"})


@pytest.fixture
def route(sink: Sink) -> Route:
    """Waits 30 seconds, speaks every 300, repeats after an hour, ends after two."""
    made = build.route(group_wait=30, group_interval=300, repeat_interval=3600, resolve_after=7200)
    made.sinks.add(sink)
    return made


def told() -> list[tuple[str, str, str, int]]:
    """Everything owed so far: event, reason, state and how many alerts it stands for."""
    return list(Delivery.objects.order_by("pk").values_list("event", "reason", "state", "alert_count"))


def fire(seconds: float, **fields: Any) -> Alert:
    """An alert that is stored and routed at that second."""
    stored = build.alert(time=at(seconds), **fields)
    send_all()
    pipeline.route_pending(at(seconds))
    return stored


def flush(seconds: float) -> None:
    """Groups are looked at at that second."""
    send_all()
    pipeline.flush_due(at(seconds))


def send_all() -> None:
    """What was owed so far has reached its sinks."""
    Delivery.objects.filter(state="queued").update(state="sent")


def test_an_alert_reaches_slack(httpserver: HTTPServer) -> None:
    httpserver.expect_oneshot_request("/services/T/B/xyz", method="POST").respond_with_data("ok")
    route = build.route(condition="alert.priority >= warning")
    route.sinks.add(build.sink("slack", secrets={"webhook_url": httpserver.url_for("/services/T/B/xyz")}))
    build.alert()

    planned = pipeline.route_pending(NOW)
    (attempt,) = deliveries.send_next(planned.sinks[0], 1, NOW)

    assert attempt is not None
    assert (attempt.outcome, attempt.status, attempt.error) == ("sent", 200, "")
    sent = httpserver.log[0][0].get_json()
    assert sent["text"] == "Warning: Read sensitive file on node-1"
    group = AlertGroup.objects.get()
    assert (group.count, group.told_count, group.state, group.title) == (1, 1, "firing", "Read sensitive file")


def test_a_group_collects_speaks_repeats_and_ends(route: Route) -> None:
    fire(0)
    fire(10)
    flush(29)
    assert told() == []
    flush(30)
    assert told() == [("firing", "first alert of the group", "queued", 2)]
    fire(60)
    flush(329)
    assert len(told()) == 1
    flush(330)
    assert told()[1:] == [("firing", "new alerts in the group", "queued", 1)]
    flush(330 + 3599)
    assert len(told()) == 2
    flush(330 + 3600)
    assert [row[1] for row in told()[2:]] == ["repeat interval passed"]
    flush(60 + 7200)
    assert told()[3:] == [("resolved", "no new alert for a while", "queued", 1)]
    group = AlertGroup.objects.get()
    assert (group.state, group.resolved_at, group.next_flush_at) == ("resolved", at(60 + 7200), None)
    flush(10**6)
    assert len(told()) == 4


def test_an_alert_after_the_end_begins_anew(route: Route) -> None:
    fire(0)
    flush(30)
    flush(7200)
    fire(8000)
    group = AlertGroup.objects.get()
    assert (group.state, group.resolved_at, group.count) == ("firing", None, 1)
    flush(8029)
    assert len(told()) == 2
    flush(8030)
    assert told()[2:] == [("firing", "first alert of the group", "queued", 1)]


def test_a_told_group_speaks_at_once_when_its_interval_is_over(route: Route) -> None:
    fire(0)
    flush(30)
    fire(400)
    assert told()[1:] == [("firing", "new alerts in the group", "queued", 1)]


def test_without_a_wait_the_first_alert_is_told_in_the_same_transaction(route: Route, sink: Sink) -> None:
    Route.objects.update(group_wait=0)
    alert = build.alert()
    planned = pipeline.route_pending(NOW)
    delivery = Delivery.objects.get()
    assert planned.sinks == [sink.pk]
    assert planned.alerts == 1
    assert (delivery.alert_ids, delivery.sink, delivery.route) == ([str(alert.pk)], sink, route)


def test_the_first_route_that_takes_an_alert_ends_its_walk() -> None:
    build.route(name="first", position=1, condition="alert.priority >= critical", continues=True)
    build.route(name="second", position=2, condition="alert.rule = nothing")
    build.route(name="third", position=3)
    build.route(name="fourth", position=4)
    fire(0, priority="critical")
    assert set(AlertGroup.objects.values_list("route__name", flat=True)) == {"first", "third"}


def test_a_disabled_route_takes_nothing_and_its_groups_are_not_told(route: Route) -> None:
    fire(0)
    Route.objects.update(enabled=False)
    fire(1)
    flush(30)
    assert told() == []
    assert AlertGroup.objects.get().count == 1


def test_a_route_whose_condition_cannot_be_read_does_not_stop_the_others() -> None:
    build.route(name="broken", position=1, condition="proc.nmae = cat")
    build.route(name="whole", position=2)
    fire(0)
    assert AlertGroup.objects.get().route.name == "whole"


def test_alerts_are_grouped_by_what_the_route_says() -> None:
    build.route(group_by=["alert.hostname", "proc.name"], continues=True)
    build.route(name="alone", position=2, group_by=["..."])
    for hostname, process in (("a", "cat"), ("a", "cat"), ("b", "cat"), ("a", "vi")):
        build.alert(hostname=hostname, output_fields={"proc.name": process})
    pipeline.route_pending(NOW)
    grouped = AlertGroup.objects.filter(route__name="everything")
    assert sorted((group.labels["alert.hostname"], group.labels["proc.name"], group.count) for group in grouped) == [
        ("a", "cat", 2),
        ("a", "vi", 1),
        ("b", "cat", 1),
    ]
    assert AlertGroup.objects.filter(route__name="alone").count() == 4
    assert GroupedAlert.objects.count() == 8


def test_a_group_bears_its_most_severe_priority_and_its_newest_name(route: Route) -> None:
    Route.objects.update(group_by=[])
    fire(0, priority="critical", rule="One")
    fire(1, priority="notice", rule="Two")
    group = AlertGroup.objects.get()
    assert (group.get_priority_display(), group.title) == ("Critical", "Two")


def test_each_alert_is_routed_once(route: Route) -> None:
    build.alert()
    assert pipeline.route_pending(NOW).alerts == 1
    assert pipeline.route_pending(NOW).alerts == 0
    assert GroupedAlert.objects.get().routed_at == NOW
    assert not Unrouted.objects.exists()


def test_a_batch_is_bounded_and_oldest_first(route: Route) -> None:
    alerts = [build.alert() for _ in range(5)]
    assert pipeline.route_pending(NOW, limit=3).alerts == 3
    assert list(Unrouted.objects.order_by("pk").values_list("pk", flat=True)) == [alert.pk for alert in alerts[3:]]


def test_an_alert_that_cannot_be_routed_is_set_aside_and_the_others_go_on(
    route: Route, caplog: pytest.LogCaptureFixture
) -> None:
    Route.objects.update(group_by=["proc.name"])
    alerts = [build.alert() for _ in range(5)]
    Alert.objects.filter(pk=alerts[2].pk).update(output_fields=["not", "fields"])
    while Unrouted.objects.exists():
        pipeline.route_pending(NOW)
    assert GroupedAlert.objects.count() == 4
    assert "alert_not_routable" in caplog.text


def test_where_no_alert_can_be_routed_none_is_set_aside(route: Route) -> None:
    Route.objects.update(group_by=["proc.name"])
    for _ in range(3):
        build.alert(output_fields=["not", "fields"])
    with pytest.raises(AttributeError):
        pipeline.route_pending(NOW)
    assert Unrouted.objects.count() == 3


def test_a_group_that_cannot_be_told_does_not_stop_the_others(route: Route, caplog: pytest.LogCaptureFixture) -> None:
    Route.objects.update(group_by=["alert.hostname"])
    fire(0, hostname="a", rule="One")
    fire(1, hostname="b", rule="Two")
    # Adding anything to the end of time overflows.
    AlertGroup.objects.filter(title="One").update(last_seen_at=datetime.max.replace(tzinfo=UTC))
    flush(40)
    assert [delivery.group.title for delivery in Delivery.objects.all() if delivery.group] == ["Two"]
    assert "group_failed" in caplog.text
    # The others would soon wait behind it, if it was tried again at every sweep.
    assert AlertGroup.objects.get(title="One").next_flush_at == at(40 + 60)


def test_a_group_whose_look_failed_in_the_middle_is_told_at_the_next_one(route: Route) -> None:
    fire(0)
    flush(30)
    # The end of the group is decided, and then its acknowledgement cannot be taken away.
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE routing_acknowledgement RENAME TO elsewhere")
        flush(7300)
        cursor.execute("ALTER TABLE elsewhere RENAME TO routing_acknowledgement")
    assert [event for event, *_ in told()] == ["firing"]
    flush(7400)
    assert [event for event, *_ in told()] == ["firing", "resolved"]


def silence(user: User, condition: str = "", **fields: Any) -> Silence:
    values = {"starts_at": NOW, "ends_at": at(1000), "comment": "we know", "created_at": NOW, **fields}
    return Silence.objects.create(condition=condition, author=user, **values)


def test_a_silenced_group_is_kept_and_not_told_and_the_log_says_why(route: Route, bob: User) -> None:
    silence(bob, "alert.hostname = node-1")
    fire(0)
    flush(30)
    ((event, reason, state, _),) = told()
    assert (event, state) == ("firing", "suppressed")
    assert reason.startswith("silenced until")
    assert deliveries.due(at(60)) == []
    assert AlertGroup.objects.get().count == 1


def test_a_silence_that_begins_while_the_group_waits_holds(route: Route, bob: User) -> None:
    fire(0)
    silence(bob)
    flush(30)
    assert [row[2] for row in told()] == ["suppressed"]


def test_what_was_silenced_is_not_told_when_the_silence_is_over(route: Route, bob: User) -> None:
    silence(bob)
    fire(0)
    flush(30)
    flush(2000)
    assert len(told()) == 1
    fire(2100)
    flush(2130)
    assert told()[1:] == [("firing", "first alert of the group", "queued", 1)]


def test_only_the_silenced_alerts_of_a_group_are_left_out(route: Route, bob: User) -> None:
    silence(bob, "alert.hostname = node-1")
    fire(0)
    other = fire(1, hostname="node-2")
    flush(30)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.alert_ids) == ("queued", [str(other.pk)])


def test_a_group_that_nobody_was_told_of_ends_in_silence(route: Route, bob: User) -> None:
    silence(bob)
    fire(0)
    flush(30)
    flush(7200)
    assert AlertGroup.objects.get().state == "resolved"
    assert [row[0] for row in told()] == ["firing"]


def test_an_acknowledged_group_is_not_repeated_and_not_told_of_more_of_the_same(route: Route, bob: User) -> None:
    fire(0)
    flush(30)
    acknowledgements.acknowledge(FINGERPRINT, bob, at(40))
    flush(41)
    assert told()[1:] == [("acknowledged", "acknowledged by bob", "queued", 1)]
    fire(500)
    flush(501)
    flush(5000)
    assert len(told()) == 2
    assert AlertGroup.objects.get().state == "acknowledged"


def test_an_alert_of_another_fingerprint_makes_an_acknowledged_group_fire(route: Route, bob: User) -> None:
    fire(0)
    flush(30)
    acknowledgements.acknowledge(FINGERPRINT, bob, at(40))
    flush(41)
    fire(400, fingerprint="a" * 64)
    assert AlertGroup.objects.get().state == "firing"
    assert told()[2:] == [("firing", "new alerts in the group", "queued", 1)]


def test_a_new_group_of_an_acknowledged_fingerprint_is_born_acknowledged(route: Route, bob: User) -> None:
    other = build.group(build.route(name="another", position=2))
    acknowledgements.acknowledge(FINGERPRINT, bob, NOW)
    fire(0)
    flush(30)
    assert AlertGroup.objects.exclude(pk=other.pk).get().state == "acknowledged"
    assert told() == []


def test_a_withdrawn_acknowledgement_lets_the_group_repeat(route: Route, bob: User) -> None:
    fire(0)
    flush(30)
    acknowledgements.acknowledge(FINGERPRINT, bob, at(40))
    acknowledgements.withdraw(FINGERPRINT, bob, at(50))
    flush(51)
    assert len(told()) == 1
    flush(3630)
    assert [row[1] for row in told()[1:]] == ["repeat interval passed"]


def test_the_end_of_a_group_ends_its_acknowledgement_and_its_assignment(route: Route, bob: User) -> None:
    fire(0)
    acknowledgements.assign(FINGERPRINT, bob, bob, at(40))
    acknowledgements.acknowledge(FINGERPRINT, bob, at(40))
    flush(7200)
    assert AlertGroup.objects.get().state == "resolved"
    assert not Acknowledgement.objects.exists()
    assert not Assignment.objects.exists()


def test_an_acknowledgement_lives_while_another_group_has_it(route: Route, bob: User) -> None:
    Route.objects.update(continues=True)
    build.route(name="longer", position=2, resolve_after=10_000)
    fire(0)
    acknowledgements.acknowledge(FINGERPRINT, bob, at(40))
    flush(7200)
    assert Acknowledgement.objects.exists()
    flush(10_000)
    assert not Acknowledgement.objects.exists()


def test_a_sink_hears_only_what_it_wants(route: Route) -> None:
    mail = build.sink("email")
    route.sinks.add(mail)
    fire(0)
    flush(30)
    group = AlertGroup.objects.get()
    assert {delivery.sink.kind for delivery in Delivery.objects.all()} == {"webhook", "email"}
    AlertGroup.objects.update(state="acknowledged", next_flush_at=at(40))
    flush(40)
    assert [delivery.sink.kind for delivery in group.deliveries.filter(event="acknowledged")] == ["webhook"]


def test_what_a_disabled_sink_must_hear_waits_until_it_is_back(route: Route, sink: Sink) -> None:
    Sink.objects.update(enabled=False)
    fire(0)
    pipeline.flush_due(at(30))
    build.alert(time=at(400))
    pipeline.route_pending(at(400))
    assert told() == [
        ("firing", "first alert of the group", "folded", 1),
        ("firing", "first alert of the group", "queued", 2),
    ]
    assert deliveries.due(at(500)) == []
    Sink.objects.update(enabled=True)
    deliveries.revive(sink, at(500))
    assert deliveries.due(at(500)) == [sink.pk]


@pytest.fixture
def asked(route: Route) -> Callable[[], list[str]]:
    """The states of the runs that were asked for."""
    build.sensor()
    route.actions.add(build.action())
    return lambda: list(ActionRun.objects.order_by("pk").values_list("state", flat=True))


def test_actions_are_asked_for_at_once_and_for_every_alert(asked: Callable[[], list[str]]) -> None:
    for pid in (4242, 4243):
        build.alert(own_node=True, output_fields={"proc.pid": pid, "proc.pid.ts": pid * 10**9, "proc.name": "cat"})
    planned = pipeline.route_pending(NOW)
    assert asked() == ["awaiting_approval"] * 2
    assert planned.runs == list(ActionRun.objects.order_by("pk").values_list("pk", flat=True))


def test_a_silenced_alert_asks_for_no_action(asked: Callable[[], list[str]], bob: User) -> None:
    silence(bob)
    fire(0, own_node=True)
    assert asked() == []


def test_an_action_that_a_busy_database_could_not_take_is_asked_for_when_the_alert_is_routed_again(
    asked: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*args: Any, **options: Any) -> None:
        raise OperationalError("deadlock detected")

    build.alert(own_node=True)
    with monkeypatch.context() as patched:
        patched.setattr(approvals, "request", busy)
        with pytest.raises(OperationalError):
            pipeline.route_pending(NOW)
    assert Unrouted.objects.exists()
    pipeline.route_pending(NOW)
    assert asked() == ["awaiting_approval"]


def test_what_is_routed_is_counted_once_it_is_committed(django_capture_on_commit_callbacks: Any) -> None:
    route = build.route(name="counted")
    route.sinks.add(build.sink())
    counts = [(metrics.ROUTE_MATCHES, "counted"), (metrics.ROUTING,), (metrics.PLANNED, "queued")]
    before = [tallied(*of) for of in counts]
    build.alert()
    build.alert()
    with django_capture_on_commit_callbacks(execute=True):
        pipeline.route_pending(NOW + timedelta(seconds=2))
        assert [tallied(*of) for of in counts] == before
    assert [tallied(*of) - was for of, was in zip(counts, before, strict=True)] == [2, 2, 1]
