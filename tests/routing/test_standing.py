from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from routing.models import Alert, AlertGroup, GroupedAlert, Route, Silence, TimeInterval
from routing.standing import held, newest_of
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def route() -> Route:
    return build.route()


def group(route: Route, number: int = 1, **fields: object) -> tuple[AlertGroup, list[Alert]]:
    """A group of an older and a newer alert."""
    made = build.group(route, key=f"{number:064d}", **fields)
    alerts = [build.alert(hostname=f"node-{number}", time=NOW + timedelta(seconds=at)) for at in range(2)]
    for alert in alerts:
        GroupedAlert.objects.create(group=made, alert=alert, routed_at=NOW, route_version=1)
    return made, alerts


def silence(bob: User, condition: str = "alert.hostname = node-1") -> None:
    Silence.objects.create(
        condition=condition, author=bob, starts_at=NOW, ends_at=NOW + HOUR, comment="known", created_at=NOW
    )


def test_the_newest_alert_of_each_group(route: Route) -> None:
    (one, of_one), (two, of_two) = group(route, 1), group(route, 2)
    empty = build.group(route, key="e" * 64)
    assert newest_of([one, two, empty]) == {one.pk: of_one[1], two.pk: of_two[1]}


def test_a_silence_is_seen_at_once_on_groups_that_were_told_long_ago(route: Route, bob: User) -> None:
    one, _ = group(route, 1, told_at=NOW, told_count=2)
    two, _ = group(route, 2, told_at=NOW, told_count=2)
    assert held([one, two], NOW) == {}
    silence(bob)
    assert {pk: hold.reason for pk, hold in held([one, two], NOW).items()} == {
        one.pk: "silenced until 2026-11-23 13:00 UTC: known"
    }
    assert held([one, two], NOW + HOUR) == {}


def test_a_muted_route_holds_its_groups(route: Route) -> None:
    one, _ = group(route)
    route.mute_in.add(TimeInterval.objects.create(name="mondays", spec=[{"weekdays": ["monday"]}]))
    assert held([one], NOW)[one.pk].reason == "muted by mondays"


def test_nothing_holds_what_is_resolved(route: Route, bob: User) -> None:
    one, _ = group(route, state="resolved")
    silence(bob)
    assert held([one], NOW) == {}


def test_many_groups_take_as_many_queries_as_one(route: Route, bob: User) -> None:
    silence(bob)
    groups = [group(route, number)[0] for number in range(5)]

    def queries(some: list[AlertGroup]) -> int:
        with CaptureQueriesContext(connection) as captured:
            held(some, NOW)
        return len(captured)

    assert queries(groups) == queries(groups[:1])
