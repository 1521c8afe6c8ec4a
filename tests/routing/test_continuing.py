"""What Alertmanager says again and what it says has ended, from the post to what sinks are owed."""

from datetime import datetime
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import User

from routing import acknowledgements, metrics, pipeline, routes
from routing.admission import Sender, admit
from routing.api.formats import values
from routing.ingest import Intake, Outcome
from routing.models import (
    Acknowledgement,
    Alert,
    AlertGroup,
    EscalationStep,
    GroupedAlert,
    Inhibition,
    InhibitionSource,
    Route,
    Silence,
    Sink,
    TimeInterval,
    Unrouted,
)
from tests import build
from tests.routing.test_pipeline import at, fire, flush, send_all, told
from tests.tallied import tallied

pytestmark = pytest.mark.django_db

HOUR = 3600
FIRST, NEWS, ENDED = "first alert of the group", "new alerts in the group", "said to have ended"


@pytest.fixture
def sink() -> Sink:
    return build.sink("webhook", secrets={"url": "http://127.0.0.1:9/"})


@pytest.fixture
def route(sink: Sink) -> Route:
    """It resolves after an hour and repeats nothing."""
    made = build.route(group_by=["alert.rule"], repeat_interval=0, resolve_after=HOUR)
    made.sinks.add(sink)
    return made


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def one(name: str, started: float, ended: float | None = None) -> dict[str, Any]:
    """An alert of the webhook, of an instance, by the seconds at which it began and ended."""
    return {
        "status": "firing" if ended is None else "resolved",
        "labels": {"alertname": "DiskFull", "severity": "critical", "instance": f"{name}:9100"},
        "startsAt": stamp(at(started)),
        "endsAt": "0001-01-01T00:00:00Z" if ended is None else stamp(at(ended)),
        "fingerprint": name,
    }


def post(seconds: float, *alerts: dict[str, Any], token: str = "sa_test") -> list[Outcome]:
    """Alertmanager posts, and what it posts is stored."""
    sender = Sender(build.token(secret=token, name=token).pk, token, "sensor", "")
    body = orjson.dumps({"version": "4", "alerts": alerts})
    return Intake().store([admit(value, sender) for value in values(body, {})], at(seconds))


def say(seconds: float, *alerts: dict[str, Any], token: str = "sa_test") -> None:
    """Posted, stored, routed, and the groups that are due looked at."""
    post(seconds, *alerts, token=token)
    send_all()
    pipeline.route_pending(at(seconds))
    flush(seconds)


def counted() -> list[tuple[str, str, int]]:
    """What was owed so far, each with the number of alerts that it stands for."""
    return [(event, reason, count) for event, reason, _, count in told()]


def reasons() -> list[tuple[str, str]]:
    return [(event, reason) for event, reason, *_ in told()]


@pytest.mark.usefixtures("route")
def test_it_is_told_once_while_it_fires_and_resolved_when_that_ends() -> None:
    for seconds in range(0, 5 * HOUR, 300):
        say(seconds, one("db1", 0))
    assert counted() == [("firing", FIRST, 1)]
    say(5 * HOUR, one("db1", 0, 5 * HOUR))
    assert counted()[1:] == [("resolved", ENDED, 1)]
    group = AlertGroup.objects.get()
    assert (group.state, group.count, group.resolved_at, group.next_flush_at) == ("resolved", 1, at(5 * HOUR), None)
    assert Alert.objects.count() == 2
    assert not Unrouted.objects.exists()
    flush(9 * HOUR)
    assert len(told()) == 2


@pytest.mark.usefixtures("route")
def test_between_repeats_that_are_far_apart_it_fires_on() -> None:
    """Alertmanager repeats every 4 h where nobody configures it, and a route resolves after one."""
    say(0, one("db1", 0))
    for seconds in range(600, 20 * HOUR, 600):
        flush(seconds)
    assert len(told()) == 1
    say(20 * HOUR, one("db1", 0))
    flush(43 * HOUR)
    assert len(told()) == 1
    flush(44 * HOUR)
    assert reasons()[1:] == [("resolved", "no new alert for a while")]


@pytest.mark.usefixtures("route")
def test_a_group_waits_for_the_end_of_all_that_is_in_it() -> None:
    say(0, one("db1", 0), one("db2", 0))
    say(600, one("db1", 0, 600), one("db2", 0))
    assert len(told()) == 1
    say(1200, one("db2", 0, 1200))
    assert reasons()[1:] == [("resolved", ENDED)]


@pytest.mark.usefixtures("route")
def test_what_fires_again_after_its_end_is_not_taken_for_ended() -> None:
    say(0, one("db1", 0), one("db2", 0))
    say(600, one("db1", 0, 600))
    say(700, one("db1", 0))  # Of the same start: Prometheus could not reach Alertmanager for a while.
    say(1200, one("db2", 0, 1200))
    assert len(told()) == 1
    say(1300, one("db1", 0, 1300))
    assert reasons()[1:] == [("resolved", ENDED)]


@pytest.mark.usefixtures("route")
def test_it_fires_anew_when_it_is_said_again_after_the_end() -> None:
    say(0, one("db1", 0), one("db2", 0))
    say(600, one("db1", 0, 600), one("db2", 0, 600))
    say(1200, one("db1", 0), one("db2", 0))
    assert counted()[2:] == [("firing", FIRST, 2)]
    assert AlertGroup.objects.get().state == "firing"
    numbers = GroupedAlert.objects.order_by("number").values_list("number", "routed_at")
    assert list(numbers) == [(1, at(1200)), (2, at(1200))]
    say(1800, one("db1", 1700))
    assert counted()[3:] == [("firing", NEWS, 1)]


@pytest.mark.usefixtures("route")
def test_another_firing_after_the_end_is_news() -> None:
    say(0, one("db1", 0))
    say(600, one("db1", 0, 600))
    say(1200, one("db1", 1200))
    assert reasons() == [("firing", FIRST), ("resolved", ENDED), ("firing", FIRST)]


@pytest.mark.usefixtures("route")
def test_an_end_joins_and_opens_no_group() -> None:
    say(0, one("db1", -600, 0))
    assert (told(), AlertGroup.objects.count(), Alert.objects.count()) == ([], 0, 1)
    say(600, one("db2", 600))
    say(900, one("db3", 0, 900))
    assert AlertGroup.objects.get().state == "firing"
    assert GroupedAlert.objects.count() == 1


def test_what_was_not_told_yet_is_told_before_the_end(route: Route) -> None:
    Route.objects.update(group_wait=30)
    post(0, one("db1", 0))
    pipeline.route_pending(at(0))
    post(10, one("db1", 0, 10))
    pipeline.route_pending(at(10))
    assert counted() == [("firing", FIRST, 1), ("resolved", ENDED, 1)]


@pytest.mark.usefixtures("route")
def test_start_and_end_that_wait_together_are_both_told() -> None:
    """So they do after nobody routed for a while, and then a neighbour's end still finds that this one is over."""
    post(0, one("db1", 0), one("db2", 0))
    post(600, one("db1", 0, 600))
    pipeline.route_pending(at(1200))
    assert reasons() == [("firing", FIRST)]
    say(1300, one("db2", 0, 1300))
    assert reasons() == [("firing", FIRST), ("resolved", ENDED)]


@pytest.mark.usefixtures("route")
def test_a_silence_holds_for_the_start_and_then_nobody_hears_of_the_end() -> None:
    Silence.objects.create(
        condition="alert.rule = DiskFull", starts_at=at(0), ends_at=at(HOUR), created_at=at(0), comment="why"
    )
    say(0, one("db1", 0))
    say(60, one("db1", 0, 60))
    assert [state for *_, state, _ in told()] == ["suppressed"]
    assert AlertGroup.objects.get().state == "resolved"


def test_where_the_route_waits_it_tells_the_start_and_then_the_end(route: Route) -> None:
    times = [{"start_time": "12:00", "end_time": "16:00"}]
    route.mute_in.add(TimeInterval.objects.create(name="lunch", spec=[{"times": times}]))
    say(0, one("db1", 0))
    say(60, one("db1", 0, 60))
    flush(4 * HOUR - 1)
    assert [state for *_, state, _ in told()] == ["suppressed"]
    flush(4 * HOUR)
    flush(4 * HOUR + 2)
    assert reasons()[1:] == [("firing", FIRST), ("resolved", "no new alert for a while")]


def test_an_acknowledgement_ends_with_it(route: Route, bob: User) -> None:
    say(0, one("db1", 0))
    acknowledgements.acknowledge(AlertGroup.objects.get().fingerprint, bob, at(10))
    say(4 * HOUR, one("db1", 0))
    assert AlertGroup.objects.get().state == "acknowledged"
    say(5 * HOUR, one("db1", 0, 5 * HOUR))
    assert AlertGroup.objects.get().state == "resolved"
    assert not Acknowledgement.objects.exists()
    assert ("resolved", ENDED) in reasons()


def test_what_has_no_end_of_its_own_keeps_a_group_for_its_time(route: Route) -> None:
    Route.objects.update(group_by=[])
    say(0, one("db1", 0))
    fire(600)
    say(900, one("db1", 0, 900))
    assert AlertGroup.objects.get().state == "firing"
    flush(600 + HOUR)
    assert reasons()[-1] == ("resolved", "no new alert for a while")


@pytest.mark.usefixtures("route")
def test_nobody_ends_what_another_token_told() -> None:
    say(0, one("db1", 0), one("db2", 0))
    say(60, one("db1", 0, 60), one("db2", 0, 60), token="sa_other")
    assert AlertGroup.objects.get().state == "firing"
    say(120, one("db2", 0, 120))
    assert AlertGroup.objects.get().state == "firing"


@pytest.mark.usefixtures("route")
def test_what_fires_again_before_its_end_is_routed_goes_on() -> None:
    say(0, one("db1", 0))
    post(600, one("db1", 0, 600))
    post(700, one("db1", 650))
    pipeline.route_pending(at(720))
    assert AlertGroup.objects.get().state == "firing"
    say(800, one("db1", 650, 800))
    assert AlertGroup.objects.get().state == "resolved"


@pytest.mark.usefixtures("route")
def test_an_end_that_got_lost_keeps_a_group_for_a_day() -> None:
    say(0, one("db1", 0), one("db2", 0))
    say(23 * HOUR, one("db2", 0))
    say(25 * HOUR, one("db2", 0, 25 * HOUR))
    assert reasons()[1:] == [("resolved", ENDED)]


def test_the_end_also_ends_the_wait_for_somebody_to_acknowledge(route: Route) -> None:
    EscalationStep.objects.create(route=route, after=900).sinks.set([build.sink(name="boss")])
    say(0, one("db1", 0))
    say(600, one("db1", 0, 600))
    group = AlertGroup.objects.get()
    assert (group.unacknowledged_since, group.next_step_at) == (None, None)


def test_a_start_that_no_route_took_is_routed_when_it_is_said_again(route: Route) -> None:
    Route.objects.update(condition="alert.rule = other")
    say(0, one("db1", 0))
    Route.objects.update(condition="")
    say(60, one("db1", 0))
    assert counted() == [("firing", FIRST, 1)]


def test_what_was_in_a_group_of_a_route_that_is_gone_is_news(route: Route, sink: Sink, erin: User) -> None:
    say(0, one("db1", 0))
    routes.delete(route, erin, at(30))
    flush(31)
    assert AlertGroup.objects.get().state == "resolved"
    say(60, one("db1", 0))
    assert AlertGroup.objects.get().state == "resolved"
    build.route(name="another").sinks.add(sink)
    say(120, one("db1", 0))
    assert AlertGroup.objects.get(state="firing").route.name == "another"


def test_a_route_that_resolves_at_once_does_not_wait_for_the_end(route: Route) -> None:
    Route.objects.update(resolve_after=0)
    say(0, one("db1", 0))
    flush(2)
    assert reasons()[1:] == [("resolved", "no new alert for a while")]


@pytest.mark.usefixtures("route")
def test_what_waits_waits_once_and_only_what_fires_is_heard_again() -> None:
    assert post(0, one("db1", 0)) == [Outcome.ACCEPTED]
    assert post(60, one("db1", 0)) == [Outcome.DUPLICATE]
    assert Unrouted.objects.get().received_at == at(0)
    pipeline.route_pending(at(60))
    post(120, one("db1", 0), one("db9", 100))
    assert set(Unrouted.objects.values_list("received_at", flat=True)) == {at(120)}
    assert Unrouted.objects.values("lane").distinct().count() == 1  # They are of one rule.
    pipeline.route_pending(at(120))
    post(180, one("db1", 0, 180))
    pipeline.route_pending(at(180))
    assert post(240, one("db1", 0, 180)) == [Outcome.DUPLICATE]
    assert not Unrouted.objects.exists()


@pytest.mark.usefixtures("route")
def test_what_is_said_again_is_not_counted_as_routed_late(django_capture_on_commit_callbacks: Any) -> None:
    before = tallied(metrics.ROUTING)
    for seconds in (0, HOUR):
        with django_capture_on_commit_callbacks(execute=True):
            say(seconds, one("db1", 0))
    assert AlertGroup.objects.get().last_seen_at == at(HOUR)
    assert tallied(metrics.ROUTING) - before == 1


@pytest.mark.usefixtures("route")
def test_it_inhibits_for_as_long_after_it_is_said_again() -> None:
    Inhibition.objects.create(name="i", source="alert.rule = DiskFull", target="alert.rule = Slow")
    say(0, one("db1", 0))
    assert InhibitionSource.objects.get().until == at(HOUR)
    say(600, one("db1", 0))
    assert InhibitionSource.objects.get().until == at(600 + HOUR)
    say(700, one("db1", 0, 700))
    assert InhibitionSource.objects.get().until == at(600 + HOUR)
