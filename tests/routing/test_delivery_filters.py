from datetime import timedelta

import pytest

from routing import delivery_filters
from routing.faults import Fault
from routing.models import Delivery
from tests import build
from tests.build import NOW, owed

pytestmark = pytest.mark.django_db


def found(**said: str) -> set[int]:
    return {delivery.pk for delivery in delivery_filters.wanted(said, NOW)}


def test_all_filters_must_hold() -> None:
    slack, hook, route = build.sink("slack", name="Slack #sec"), build.sink(), build.route()
    group = build.group(route)
    one = owed(slack, route=route, group=group, state="failed").pk
    two = owed(slack, state="unknown", created_at=NOW - timedelta(hours=2)).pk
    three = owed(hook, state="sent").pk
    assert found() == {one, two, three}
    assert found(state="failed, unknown") == {one, two}
    assert found(sink=str(hook.pk)) == found(sink="a webhook", state="sent") == {three}
    assert found(sink="Slack #sec", since="1h") == {one}
    assert found(until="2026-11-23T12:00:00Z") == found(until="2026-11-23T12:00:00 00:00") == {two}
    assert found(route=route.name) == found(route=str(route.pk)) == found(group=str(group.pk)) == {one}
    assert found(sink="nobody\0") == found(group="9" * 18) == set()


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"state": "sent,lost"}, "state"),
        ({"group": "Read sensitive file"}, "group"),
        ({"group": "9" * 19}, "group"),
        ({"since": "yesterday"}, "since"),
        ({"until": "now"}, "until"),
    ],
)
def test_what_cannot_be_read_is_refused(said: dict[str, str], field: str) -> None:
    with pytest.raises(Fault) as fault:
        delivery_filters.wanted(said, NOW)
    assert fault.value.field == field


def test_the_dead_letters_are_states() -> None:
    assert set(delivery_filters.DEAD.split(",")) <= set(Delivery.State.values)
