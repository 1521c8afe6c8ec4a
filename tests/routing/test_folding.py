from datetime import timedelta
from uuid import uuid4

import pytest

from routing import pipeline
from routing.models import Delivery, Route
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def route() -> Route:
    made = build.route(group_interval=10)
    made.sinks.add(build.sink())
    return made


def fire(seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    build.alert(time=now)
    pipeline.route_pending(now)


def test_what_waits_is_told_together_with_what_is_new(route: Route) -> None:
    for seconds in (0, 20, 40):
        fire(seconds)
    first, second, third = Delivery.objects.order_by("pk")
    assert (first.state, second.state, third.state) == ("folded", "folded", "queued")
    assert (first.folded_into, second.folded_into) == (second, third)
    assert (third.alert_count, len(third.alert_ids)) == (3, 3)
    assert third.reason == "first alert of the group"


def test_what_is_being_sent_or_was_sent_is_left_alone(route: Route) -> None:
    fire(0)
    Delivery.objects.update(state="sending", claim=uuid4())
    fire(20)
    Delivery.objects.filter(state="queued").update(state="sent")
    fire(40)
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["sending", "sent", "queued"]
    newest = Delivery.objects.order_by("pk").last()
    assert newest is not None
    assert newest.alert_count == 1


def test_other_groups_other_sinks_and_other_events_are_left_alone(route: Route) -> None:
    fire(0)
    Delivery.objects.update(event="resolved")
    Route.objects.update(group_by=["alert.hostname"])
    build.alert(hostname="elsewhere")
    pipeline.route_pending(NOW)
    Route.objects.update(group_by=["alert.rule"])
    fire(40)
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["queued"] * 3


def test_nothing_is_folded_over_the_end_of_a_group(route: Route) -> None:
    Route.objects.update(resolve_after=60)
    fire(0)
    pipeline.flush_due(NOW + timedelta(seconds=60))
    fire(100)
    fire(120)
    assert list(Delivery.objects.order_by("pk").values_list("event", "state")) == [
        ("firing", "queued"),
        ("resolved", "queued"),
        ("firing", "folded"),
        ("firing", "queued"),
    ]


def test_a_message_names_at_most_a_hundred_alerts_and_counts_all(route: Route) -> None:
    for seconds in (0, 20):
        for _ in range(80):
            build.alert(time=NOW)
        pipeline.route_pending(NOW + timedelta(seconds=seconds))
    told = Delivery.objects.get(state="queued")
    assert (told.alert_count, len(told.alert_ids)) == (160, 100)
