"""The rows that telling a group makes: one delivery for each sink of its route."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from routing import sinks
from routing.messages import MOST_ALERTS
from routing.models import Acknowledgement, Alert, AlertGroup, Delivery, Route

REASON_LENGTH = 64


def newest_alerts(group: AlertGroup) -> list[Alert]:
    """The alerts of a group that were not told yet, or the newest one where all were; newest last."""
    untold = max(1, min(group.count - group.told_count, MOST_ALERTS))
    members = group.members.order_by("-alert").select_related("alert__sensor")[:untold]
    return [member.alert for member in members][::-1]


def tell(
    group: AlertGroup, route: Route, alerts: Sequence[Alert], reason: str, now: datetime, event: str = "firing"
) -> list[Delivery]:
    """What is owed to the route's sinks about these alerts."""
    untold = group.count - group.told_count
    return [
        _delivery(group, route, sink_id, alerts, max(untold, len(alerts)), reason, now, event)
        for sink_id in _sinks_for(route, event)
    ]


def suppress(group: AlertGroup, route: Route, alerts: Sequence[Alert], reason: str, now: datetime) -> list[Delivery]:
    """The same, kept back: rows that show what was not told, and why."""
    owed = tell(group, route, alerts, reason[:REASON_LENGTH], now)
    for delivery in owed:
        delivery.state, delivery.settled_at = Delivery.State.SUPPRESSED, now
    return owed


def resolve(group: AlertGroup, route: Route, reason: str, now: datetime) -> list[Delivery]:
    """End a group, and tell those who were told of it. The acknowledgement ends with the last group that had it."""
    owed = tell(group, route, newest_alerts(group), reason, now, "resolved") if group.told_at else []
    group.state, group.resolved_at, group.next_flush_at = AlertGroup.State.RESOLVED, now, None
    others = AlertGroup.objects.filter(fingerprint=group.fingerprint).exclude(pk=group.pk)
    if not others.exclude(state=AlertGroup.State.RESOLVED).exists():
        Acknowledgement.objects.filter(fingerprint=group.fingerprint).delete()
    return owed


def acknowledge(group: AlertGroup, route: Route, now: datetime) -> list[Delivery]:
    """Tell those who want to know, once, that somebody looks after a group that they were told of."""
    if group.told_at is None or not any(_sinks_for(route, "acknowledged")):
        return []
    if Delivery.objects.filter(group=group, event="acknowledged", created_at__gte=group.told_at).exists():
        return []
    taken = Acknowledgement.objects.filter(fingerprint=group.fingerprint).select_related("user").first()
    by = f"acknowledged by {taken.user.get_username()}" if taken else "acknowledged"
    return tell(group, route, newest_alerts(group), by[:REASON_LENGTH], now, "acknowledged")


def _sinks_for(route: Route, event: str) -> Iterable[int]:
    """The route's sinks that want to hear of such an event; what is owed to a disabled one waits until it is back."""
    if not route.enabled:
        return
    for sink in route.sinks.all():
        kind = sinks.kinds().get(sink.kind)
        wanted = kind is None or {"resolved": kind.sends_resolved, "acknowledged": kind.sends_acknowledged}.get(
            event, True
        )
        if wanted:
            yield sink.pk


def _delivery(
    group: AlertGroup,
    route: Route,
    sink_id: int,
    alerts: Sequence[Alert],
    count: int,
    reason: str,
    now: datetime,
    event: str,
) -> Delivery:
    return Delivery(
        sink_id=sink_id,
        route=route,
        group=group,
        alert_ids=[str(alert.pk) for alert in alerts[-MOST_ALERTS:]],
        alert_count=count,
        event=event,
        reason=reason,
        next_attempt_at=now,
        created_at=now,
    )
