"""The rows that telling a group makes: one delivery for each sink of its route."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.db.models import QuerySet

from routing import acknowledgements, escalation, sinks
from routing.messages import MOST_ALERTS
from routing.models import Acknowledgement, Alert, AlertGroup, Delivery, Sink
from routing.tree import Node, Step

REASON_LENGTH = 64
CHUNK = 2_000
"""Alerts that are looked at together where there may be very many."""


def newest_alerts(group: AlertGroup, most: int = 0) -> list[Alert]:
    """The alerts that a group got last, in this order: `most` of them, else those that were not told yet, at least one.

    An alert that was long under way came late: by its own time others, which were told, are newer.
    """
    most = most or max(1, min(group.count - group.told_count, MOST_ALERTS))
    members = group.current.order_by("-number").select_related("alert__sensor")[:most]
    return [member.alert for member in members][::-1]


def untold_before(group: AlertGroup, newest: int) -> Iterator[QuerySet[Alert]]:
    """The alerts that were not told yet, without so many of the newest, in chunks, the newest one first."""
    for top in range(group.count - newest, group.told_count, -CHUNK):
        numbers = (max(top - CHUNK, group.told_count) + 1, top)
        yield Alert.objects.filter(pk__in=group.current.filter(number__range=numbers).values("alert"))


def tell(
    group: AlertGroup, node: Node, alerts: Sequence[Alert], reason: str, now: datetime, event: str = "firing"
) -> list[Delivery]:
    """What is owed to the route's sinks about these alerts."""
    count = max(group.count - group.told_count, len(alerts))
    return _owed(group, node, _concerned(group, node, event), alerts, count, reason, now, event)


def escalate(group: AlertGroup, node: Node, step: Step, alerts: Sequence[Alert], now: datetime) -> list[Delivery]:
    """What is owed to the sinks of a step about the whole group."""
    return _owed(group, node, step.sinks, alerts, group.count, escalation.reason(step), now, "firing")


def suppress(group: AlertGroup, node: Node, alerts: Sequence[Alert], reason: str, now: datetime) -> list[Delivery]:
    """As `tell`, kept back: rows that show what was not told, and why."""
    owed = tell(group, node, alerts, reason, now)
    for delivery in owed:
        delivery.state, delivery.settled_at, delivery.reason = Delivery.State.SUPPRESSED, now, reason[:REASON_LENGTH]
    return owed


def resolve(group: AlertGroup, node: Node, reason: str, now: datetime) -> list[Delivery]:
    """End a group, and tell those who were told of it."""
    owed = tell(group, node, newest_alerts(group), reason, now, "resolved") if group.told_at else []
    group.state, group.resolved_at, group.next_flush_at = AlertGroup.State.RESOLVED, now, None
    acknowledgements.end_with(group)
    return owed


def acknowledge(group: AlertGroup, node: Node, now: datetime) -> list[Delivery]:
    """Tell those who want to know, once, that somebody looks after a group that they were told of."""
    if group.told_at is None or not _wanting(_concerned(group, node, "acknowledged"), "acknowledged"):
        return []
    if Delivery.objects.filter(group=group, event="acknowledged", created_at__gte=group.told_at).exists():
        return []
    taken = Acknowledgement.objects.filter(fingerprint=group.fingerprint).select_related("user").first()
    by = f"acknowledged by {taken.user.get_username()}" if taken else "acknowledged"
    return tell(group, node, newest_alerts(group), by, now, "acknowledged")


def _concerned(group: AlertGroup, node: Node, event: str) -> list[Sink]:
    """The route's sinks; of what comes after the first message also those who were told by an escalation."""
    if event == "firing" or not node.steps:
        return list(node.sinks)
    further = {sink.pk: sink for step in node.steps for sink in step.sinks}
    for sink in node.sinks:
        further.pop(sink.pk, None)
    told = Delivery.objects.filter(group=group, sink_id__in=further).exclude(state=Delivery.State.SUPPRESSED)
    last = dict(told.order_by("pk").values_list("sink_id", "event"))
    return [*node.sinks, *(sink for pk, sink in further.items() if last.get(pk, "resolved") != "resolved")]


def _wanting(concerned: Iterable[Sink], event: str) -> list[Sink]:
    """Those whose kind wants to hear of such an event; what is owed to a disabled one waits until it is back."""
    wanting = []
    for sink in concerned:
        kind = sinks.kinds().get(sink.kind)
        wants = {"resolved": kind.sends_resolved, "acknowledged": kind.sends_acknowledged} if kind else {}
        if wants.get(event, True):
            wanting.append(sink)
    return wanting


def _owed(
    group: AlertGroup,
    node: Node,
    concerned: Iterable[Sink],
    alerts: Sequence[Alert],
    count: int,
    reason: str,
    now: datetime,
    event: str,
) -> list[Delivery]:
    """A delivery to each that wants it: none of a disabled route, and one that is kept back in a dry run."""
    if not node.enabled:
        return []
    state, settled_at = (Delivery.State.SUPPRESSED, now) if node.dry_run else (Delivery.State.QUEUED, None)
    return [
        Delivery(
            sink=sink,
            route=node.route,
            group=group,
            alert_ids=[str(alert.pk) for alert in alerts[-MOST_ALERTS:]],
            alert_count=count,
            event=event,
            reason=(f"dry run: {reason}" if node.dry_run else reason)[:REASON_LENGTH],
            state=state,
            next_attempt_at=now,
            created_at=now,
            settled_at=settled_at,
        )
        for sink in _wanting(concerned, event)
    ]
