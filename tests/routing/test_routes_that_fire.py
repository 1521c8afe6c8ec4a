"""What a change of a route means for what fires there already, and what is left of one that is deleted."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import ProtectedError

from routing import pipeline, routes, tree
from routing.definitions import SINKS
from routing.models import AlertGroup, Delivery, GroupedAlert, Route, Sink, TimeInterval
from tests import build
from tests.build import NOW
from tests.routing.test_pipeline import at, fire, flush, told

pytestmark = pytest.mark.django_db

MINUTE, HOUR = 60, 3600


@pytest.fixture
def sink() -> Sink:
    build.sink(name="boss")
    return build.sink("webhook", name="team")


@pytest.fixture
def route(sink: Sink) -> Route:
    """Tells at once, never repeats, ends after two hours."""
    made = build.route(repeat_interval=0, resolve_after=2 * HOUR)
    made.sinks.add(sink)
    return made


def changed(route: Route, by: User, seconds: float, **changes: Any) -> None:
    routes.save(route, changes, by, at(seconds))


def test_a_step_that_is_added_counts_for_what_fires(route: Route, erin: User) -> None:
    fire(0)
    changed(route, erin, 30, escalation=[{"after": 60, "sinks": ["boss"]}])
    flush(30)
    flush(90)
    assert told()[1:] == [("firing", "not acknowledged after 1 min", "queued", 1)]


def test_a_shorter_time_counts_for_what_fires_beneath_as_well(route: Route, erin: User) -> None:
    build.route(name="low", parent=route, **dict.fromkeys(tree.SETTINGS))
    fire(0)
    changed(route, erin, 10 * MINUTE, resolve_after=5 * MINUTE)
    flush(10 * MINUTE)
    assert told()[1:] == [("resolved", "no new alert for a while", "queued", 1)]


def test_what_is_muted_no_more_is_told_at_once(route: Route, erin: User) -> None:
    lunch = [{"times": [{"start_time": "12:00", "end_time": "13:00"}]}]
    route.mute_in.add(TimeInterval.objects.create(name="lunch", spec=lunch))
    fire(0)
    changed(route, erin, 60, mute_in=[])
    flush(60)
    assert told()[1:] == [("firing", "first alert of the group", "queued", 1)]


def test_what_says_nothing_about_times_looks_at_nothing(route: Route, erin: User) -> None:
    fire(0)
    changed(route, erin, 30, name="renamed", sinks=["boss"], dry_run=True)
    assert AlertGroup.objects.get().next_flush_at == at(2 * HOUR)


def test_a_deleted_route_keeps_what_it_owes_and_ends_what_it_told(route: Route, erin: User) -> None:
    fire(0)
    routes.delete(route, erin, at(60))
    pipeline.flush_due(at(60))
    assert told() == [
        ("firing", "first alert of the group", "queued", 1),
        ("resolved", "the route was deleted", "queued", 1),
    ]
    group = AlertGroup.objects.get()
    assert (group.state, group.next_flush_at, group.route.name) == ("resolved", None, "everything")
    assert {delivery.route for delivery in Delivery.objects.select_related("route")} == {route}
    assert GroupedAlert.objects.get().route_version == route.version


def test_no_row_of_a_route_leaves_before_its_groups(route: Route) -> None:
    fire(0)
    with pytest.raises(ProtectedError):
        route.delete()


def test_what_was_not_told_yet_when_its_route_was_deleted_is_told_first(route: Route, erin: User) -> None:
    fire(0)
    fire(60)
    Route.objects.update(group_wait=30)
    fire(61, rule="Another")
    routes.delete(route, erin, at(62))
    flush(62)
    flush(63)
    assert [(event, reason) for event, reason, _, _ in told()[1:]] == [
        ("firing", "new alerts in the group"),
        ("firing", "first alert of the group"),
        ("resolved", "the route was deleted"),
        ("resolved", "the route was deleted"),
    ]


def test_an_alert_that_a_worker_routes_while_the_route_is_deleted_is_told(
    route: Route, erin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    Route.objects.update(group_wait=30)
    earlier = tree.load()
    routes.delete(route, erin, NOW)
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "current", lambda: earlier)
        fire(0)
    flush(30)
    flush(31)
    assert [(event, reason) for event, reason, _, _ in told()] == [
        ("firing", "first alert of the group"),
        ("resolved", "the route was deleted"),
    ]


def test_a_deleted_route_takes_nothing_and_gives_its_name_and_its_sinks_free(route: Route, erin: User) -> None:
    changed(route, erin, 0, escalation=[{"after": 60, "sinks": ["boss"]}])
    routes.delete(route, erin, NOW)
    another = routes.save(None, {"name": "everything"}, erin, NOW)
    fire(0)
    assert AlertGroup.objects.get().route == another
    assert [SINKS.users(sink) for sink in Sink.objects.all()] == [[], []]
