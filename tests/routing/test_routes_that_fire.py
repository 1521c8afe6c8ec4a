"""What a change of a route means for what fires there already."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from routing import routes, tree
from routing.models import AlertGroup, Route, Sink, TimeInterval
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
