"""A group's lives: it is resolved, and the next alert begins another."""

from datetime import datetime

import pytest

from routing import messages, pipeline, tellings
from routing.models import Alert, AlertGroup, Delivery, GroupedAlert, Route
from tests import build
from tests.routing.test_pipeline import at, fire, flush

pytestmark = pytest.mark.django_db

DAY = 86400


@pytest.fixture
def route() -> Route:
    """One group of everything, that waits 30 seconds and ends after an hour."""
    made = build.route(group_by=[], group_wait=30, group_interval=300, repeat_interval=0, resolve_after=3600)
    made.sinks.add(build.sink())
    return made


@pytest.fixture
def over(route: Route) -> AlertGroup:
    """Three emergencies, told and over."""
    for seconds in range(3):
        fire(seconds, priority="emergency")
    flush(30)
    flush(3602)
    return AlertGroup.objects.get()


def test_a_message_about_a_later_life_is_about_no_earlier_one(over: AlertGroup) -> None:
    fire(30 * DAY, priority="notice")
    fire(30 * DAY + 1, priority="warning")
    flush(30 * DAY + 30)
    delivery = Delivery.objects.order_by("-pk")[0]
    group = messages.message_for(delivery, messages.alerts_of([delivery])).group
    assert (group.priority.label, group.count, group.first_seen_at) == ("Warning", 2, at(30 * DAY))
    assert (delivery.alert_count, len(delivery.alert_ids)) == (2, 2)


def test_the_newest_alerts_are_of_this_life_though_an_earlier_one_had_more(over: AlertGroup) -> None:
    later = fire(DAY)
    group = AlertGroup.objects.get()
    assert tellings.newest_alerts(group, 100) == [later]
    assert list(group.members.order_by("routed_at", "number").values_list("number", flat=True)) == [1, 2, 3, 1]


def test_what_earlier_lives_had_beyond_this_ones_count_is_not_walked_through(over: AlertGroup) -> None:
    fire(DAY)
    # The index is by number, so this ends the walk where this life's alerts begin.
    assert '"number" <= 1' in str(AlertGroup.objects.get().current.query)


def routed_late(received_at: datetime, routed_at: datetime) -> Alert:
    """An alert that waited, or whose worker's clock is behind."""
    alert = build.alert(time=received_at)
    pipeline.route_pending(routed_at)
    return alert


def test_an_alert_that_waited_since_before_the_end_is_the_first_of_the_new_life(over: AlertGroup) -> None:
    alert = routed_late(at(10), at(3700))
    group = AlertGroup.objects.get()
    assert group.first_seen_at == at(3602)
    assert [member.alert for member in group.current] == [alert]


def test_alerts_that_workers_with_different_clocks_route_are_all_of_this_life(over: AlertGroup) -> None:
    alerts = [routed_late(at(DAY), at(DAY)), routed_late(at(DAY), at(DAY - 2))]
    assert tellings.newest_alerts(AlertGroup.objects.get(), 100) == alerts
    assert set(GroupedAlert.objects.filter(alert__in=alerts).values_list("routed_at", flat=True)) == {at(DAY)}
