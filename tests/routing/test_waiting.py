from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User

from routing import silences, waiting
from routing.models import AlertGroup, EscalationStep, Route
from tests import build
from tests.build import NOW
from tests.routing.test_pipeline import at, fire, flush, told

pytestmark = pytest.mark.django_db

MINUTE = 60


@pytest.fixture
def route() -> Route:
    """Escalates after a quarter of an hour; the one beneath it takes everything, and has the step from it."""
    top = build.route(name="top", repeat_interval=0, resolve_after=7200)
    step = EscalationStep.objects.create(route=top, after=15 * MINUTE)
    step.sinks.add(build.sink(name="boss"))
    return build.route(name="low", parent=top, repeat_interval=0, resolve_after=7200)


def waits(route: Route, key: int, **fields: object) -> AlertGroup:
    """A group that was told and is looked at in an hour."""
    return build.group(route, key=str(key), **{"told_at": NOW, "told_count": 1, "next_flush_at": at(3600), **fields})


def looks() -> list[datetime | None]:
    return list(AlertGroup.objects.order_by("pk").values_list("next_flush_at", flat=True))


def test_an_inherited_step_follows_at_once_when_a_silence_ends_early(route: Route, alice: User) -> None:
    route.sinks.add(build.sink())
    fire(0)
    silence = silences.create("alert.hostname = node-1", at(86_400), alice, "", at(MINUTE))
    flush(15 * MINUTE)
    assert len(told()) == 1
    silences.end(silence, alice, at(20 * MINUTE))
    flush(20 * MINUTE)
    assert told()[1:] == [("firing", "not acknowledged after 15 min", "queued", 1)]


def test_the_end_of_a_silence_looks_only_at_steps_that_were_put_off(route: Route, alice: User) -> None:
    silence = silences.create("alert.hostname = node-1", at(3600), alice, "", NOW)
    later = at(3600)
    put_off = {"unacknowledged_since": NOW, "next_step_at": later}
    waits(route, 1, **put_off)
    waits(route, 2, unacknowledged_since=at(10 * MINUTE), next_step_at=at(25 * MINUTE))
    waits(route, 3, **put_off, escalated_to=15 * MINUTE)
    waits(route, 4, held_by="muted by nights", held_until=later)
    silences.end(silence, alice, at(20 * MINUTE))
    assert looks() == [at(20 * MINUTE), later, later, later]


def test_an_interval_that_changes_is_about_routes_that_wait_as_well(route: Route) -> None:
    waits(route, 1, unacknowledged_since=NOW, next_step_at=at(3600))
    waits(route, 2)
    waits(route, 3, held_by="muted by nights", held_until=at(3600))
    waiting.look_again(at(20 * MINUTE))
    assert looks() == [at(20 * MINUTE), at(3600), at(20 * MINUTE)]
    assert not AlertGroup.objects.filter(held_until__isnull=False).exists()


def test_many_groups_come_due_a_piece_a_second_and_none_later_than_before(
    route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PIECE", 2)
    for key in range(4):
        waits(route, key)
    waits(route, 4, next_flush_at=at(1))
    waiting.follow([route.pk], NOW, collecting=False)
    assert looks() == [NOW, NOW, at(1), at(1), at(1)]


def test_what_is_resolved_and_what_is_of_another_route_is_left_alone(route: Route) -> None:
    waits(route, 1, state="resolved", next_flush_at=None)
    waits(build.route(name="another"), 2)
    waiting.follow([route.pk], NOW, collecting=True)
    assert looks() == [None, at(3600)]


def test_a_group_that_collects_its_first_alerts_goes_on_unless_that_time_changes(route: Route) -> None:
    waits(route, 1, told_at=None, told_count=0, next_flush_at=at(30))
    waiting.follow([route.pk], NOW, collecting=False)
    assert looks() == [at(30)]
    waiting.follow([route.pk], NOW + timedelta(seconds=10), collecting=True)
    assert looks() == [at(10)]
