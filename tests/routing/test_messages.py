from typing import Any
from uuid import UUID

import pytest

from routing.messages import alerts_of, message_for
from routing.models import AlertGroup, Delivery
from routing.sinks.base import Message
from sensor.alert import Priority
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.SITE_URL = "https://sensor.example"


@pytest.fixture
def group() -> AlertGroup:
    return build.group(build.route(), count=3)


def delivery(group: AlertGroup, **fields: Any) -> Delivery:
    sink = build.sink()
    values = {"reason": "new alerts in the group", "next_attempt_at": NOW, "created_at": NOW, "route": group.route}
    return Delivery.objects.create(sink=sink, group=group, **{**values, **fields})


def told(delivery: Delivery) -> Message:
    return message_for(delivery, alerts_of([delivery]))


def test_a_message_carries_its_alerts_newest_last_and_links_to_pages(group: AlertGroup) -> None:
    older, newer = build.alert(), build.alert(priority="critical")
    message = told(delivery(group, alert_ids=[str(older.pk), str(newer.pk)], alert_count=2))
    assert [alert.uuid for alert in message.alerts] == [older.uuid, newer.uuid]
    assert message.newest.priority is Priority.CRITICAL
    assert message.newest.url == f"https://sensor.example/alerts/{newer.uuid}/"
    assert message.group.url == f"https://sensor.example/groups/{group.pk}/"
    assert message.group.acknowledge_url.startswith(message.group.url)
    assert message.group.silence_url.startswith(message.group.url)
    assert (message.reason, message.route, message.alert_count) == ("new alerts in the group", "everything", 2)


def test_a_message_says_the_time_and_the_priority_once(group: AlertGroup) -> None:
    alert = build.alert(output="00:19:12.492978636: Warning Password file read (file=/etc/shadow)")
    assert told(delivery(group, alert_ids=[str(alert.pk)])).newest.output == "Password file read (file=/etc/shadow)"
    alert.refresh_from_db()
    assert alert.output.startswith("00:19:12")


def test_every_message_of_a_group_has_its_key(group: AlertGroup) -> None:
    other = build.group(build.route(name="other", position=2))
    keys = {told(delivery).group.key for delivery in (Delivery(group=group, route=group.route, created_at=NOW),)}
    keys |= {told(Delivery(group=one, route=one.route, created_at=NOW)).group.key for one in (group, other)}
    assert len(keys) == 2


def test_a_deleted_route_and_deleted_alerts_leave_a_message(group: AlertGroup) -> None:
    message = told(delivery(group, alert_ids=[str(UUID(int=12345))], route=None))
    assert message.route == "(deleted)"
    assert "no longer kept" in message.newest.output


def test_without_a_group_it_is_a_test_and_says_so() -> None:
    message = told(Delivery(event="test", created_at=NOW))
    assert message.event == "test"
    assert "This is a test" in message.newest.output
