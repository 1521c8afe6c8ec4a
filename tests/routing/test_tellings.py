"""Which alerts a group's messages are about."""

from datetime import timedelta

import pytest

from routing import pipeline, tellings
from routing.models import Alert, AlertGroup, Route
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def route() -> Route:
    return build.route(group_wait=30, group_interval=300)


def routed(seconds: float, **fields: object) -> Alert:
    """An alert that is stored and routed at that second, whenever it happened."""
    alert = build.alert(**fields)
    pipeline.route_pending(NOW + timedelta(seconds=seconds))
    return alert


def test_an_alert_that_was_long_under_way_is_told_by_name_though_it_is_older_than_what_was_told(route: Route) -> None:
    routed(0)
    pipeline.flush_due(NOW + timedelta(seconds=30))
    late = [routed(60, time=NOW - timedelta(hours=1)), routed(90, time=NOW - timedelta(hours=2))]
    assert tellings.newest_alerts(AlertGroup.objects.get()) == late


def test_where_all_was_told_a_message_is_about_the_last_alert_that_came(route: Route) -> None:
    routed(0)
    late = routed(10, time=NOW - timedelta(hours=1))
    pipeline.flush_due(NOW + timedelta(seconds=30))
    assert tellings.newest_alerts(AlertGroup.objects.get()) == [late]
