"""Which alerts a group's messages are about."""

from datetime import timedelta

import pytest

from routing import pipeline, tellings
from routing.models import Alert, AlertGroup, Delivery, EscalationStep, Route
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


def test_what_was_not_told_is_read_in_chunks_without_the_newest(route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tellings, "CHUNK", 2)
    routed(0)
    pipeline.flush_due(NOW + timedelta(seconds=30))
    alerts = [routed(number) for number in range(60, 66)]
    chunks = tellings.untold_before(AlertGroup.objects.get(), 1)
    assert [list(chunk.order_by("pk")) for chunk in chunks] == [alerts[3:5], alerts[1:3], alerts[:1]]


def test_a_sink_of_the_route_and_of_a_step_hears_of_the_end_once(route: Route) -> None:
    Route.objects.update(resolve_after=3600, repeat_interval=0)
    sink = build.sink()
    route.sinks.add(sink)
    EscalationStep.objects.create(route=route, after=60).sinks.add(sink)
    routed(0)
    for seconds in (30, 90, 3600):
        Delivery.objects.update(state="sent")
        pipeline.flush_due(NOW + timedelta(seconds=seconds))
    assert list(Delivery.objects.order_by("pk").values_list("event", flat=True)) == ["firing", "firing", "resolved"]
