"""A delivery's row and its alerts as the frozen message that a sink sends."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.conf import settings

from routing.lookups import Tables
from routing.models import Alert, AlertGroup, Delivery
from routing.sinks.base import AlertFacts, GroupFacts, Message
from sensor.alert import Priority, without_prefix

MOST_ALERTS = 100
"""Alerts that a message carries; the newest ones."""


def alerts_of(deliveries: Iterable[Delivery]) -> dict[str, Alert]:
    """The alerts that some deliveries name, by their uuids as the deliveries spell them."""
    wanted = {uuid for delivery in deliveries for uuid in delivery.alert_ids}
    found = {str(uuid): alert for uuid, alert in Alert.objects.in_bulk(wanted).items()}
    Tables().enrich(found.values())
    return found


def preview_message(group: AlertGroup | None, now: datetime) -> Message:
    """What would be told of a group now; without one, the test message."""
    if group is None:
        return test_message(UUID(int=0), now)
    owed = Delivery(group=group, route=group.route, event="firing", reason="a preview", created_at=now)
    owed.alert_count = group.count
    return message_for(owed, {})


def message_for(
    delivery: Delivery, found: Mapping[str, Alert], receipts: Mapping[int, Mapping[str, str]] | None = None
) -> Message:
    """What a delivery says about those of its alerts that were `found`. Its `group` and `route` are read.

    `receipts` are those of the sink, by group.
    """
    if delivery.event == "test" or delivery.group is None:
        return test_message(delivery.uuid, delivery.created_at)
    alerts = tuple(_facts(found[uuid]) for uuid in delivery.alert_ids if uuid in found)
    if not alerts:
        newest = Alert.objects.filter(memberships__group=delivery.group).order_by("-pk").first()
        alerts = (_facts(newest) if newest else _of_a_group_without_alerts(delivery.group),)
    return Message(
        delivery=delivery.uuid,
        event=delivery.event,
        reason=delivery.reason,
        route=delivery.route.name if delivery.route else "(deleted)",
        group=_group(delivery.group),
        alerts=alerts,
        alert_count=max(delivery.alert_count, 1),
        created_at=delivery.created_at,
        receipt=(receipts or {}).get(delivery.group.pk, {}),
        other_groups=delivery.other_groups,
    )


def _facts(alert: Alert) -> AlertFacts:
    return AlertFacts(
        uuid=alert.uuid,
        time=alert.time,
        rule=alert.rule,
        priority=Priority(alert.priority),
        source=alert.source,
        hostname=alert.hostname,
        output=without_prefix(alert.output),
        # What the sensor said goes first: no table speaks in its name.
        output_fields={**alert.lookups, **alert.output_fields},
        tags=tuple(alert.tags),
        url=settings.SITE_URL + alert.get_absolute_url(),
    )


def _group(group: AlertGroup) -> GroupFacts:
    url = settings.SITE_URL + group.get_absolute_url()
    return GroupFacts(
        key=f"{group.route_id}:{group.key}",
        title=group.title,
        priority=Priority(group.priority),
        labels=group.labels,
        count=group.count,
        first_seen_at=group.first_seen_at,
        last_seen_at=group.last_seen_at,
        url=url,
        acknowledge_url=f"{url}#acknowledge",
        silence_url=f"{url}#silence",
    )


def _of_a_group_without_alerts(group: AlertGroup) -> AlertFacts:
    """Retention took the alerts before the message went out; the group still says what it was."""
    return AlertFacts(
        uuid=UUID(int=0),
        time=group.last_seen_at,
        rule=group.title,
        priority=Priority(group.priority),
        source="",
        hostname="",
        output=f"{group.title} (its alerts are no longer kept)",
        output_fields={},
        tags=(),
        url=settings.SITE_URL + group.get_absolute_url(),
    )


def test_message(uuid: UUID, now: datetime) -> Message:
    """What the Test button sends: an invented alert that says so."""
    alert = AlertFacts(
        uuid=uuid,
        time=now,
        rule="Test message",
        priority=Priority.NOTICE,
        source="syscall",
        hostname="node-1",
        output="This is a test. Somebody pressed the Test button of this sink; nothing happened on any node.",
        output_fields={
            "proc.name": "cat",
            "proc.pid": 4242,
            "proc.pname": "bash",
            "proc.aname[2]": "sshd",
            "proc.cmdline": "cat /etc/motd",
            "user.name": "alice",
            "fd.name": "/etc/motd",
        },
        tags=("test",),
        url=f"{settings.SITE_URL}/sinks/",
    )
    group = GroupFacts(
        key=f"test:{uuid}",
        title="Test message",
        priority=Priority.NOTICE,
        labels={"alert.rule": "Test message"},
        count=1,
        first_seen_at=now,
        last_seen_at=now,
        url=f"{settings.SITE_URL}/sinks/",
        acknowledge_url=f"{settings.SITE_URL}/sinks/",
        silence_url=f"{settings.SITE_URL}/sinks/",
    )
    return Message(
        delivery=uuid,
        event="test",
        reason="the Test button was pressed",
        route="(none)",
        group=group,
        alerts=(alert,),
        alert_count=1,
        created_at=now,
    )
