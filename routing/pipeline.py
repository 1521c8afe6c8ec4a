"""What happens to alerts after they are stored: routes, groups, silences, and what is owed because of them.

Only rows are written: a decision and everything it owes are stored together or not at all. Sending is
`routing.deliveries`, acting is `routing.executor`. Whoever calls this rings for what it returns.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import prefetch_related_objects

from routing import approvals, deliveries, tellings
from routing.grouping import NotifyReason, key_of, labels_of, next_look, notify_reason
from routing.matching import Walk, reader, silence_for
from routing.models import Acknowledgement, Alert, AlertGroup, Delivery, GroupedAlert, Route, Silence, Unrouted
from routing.silences import active as active_silences

log = structlog.get_logger(__name__)

_CHANGED = [
    "fingerprint",
    "title",
    "priority",
    "state",
    "count",
    "last_seen_at",
    "next_flush_at",
    "told_at",
    "told_count",
    "resolved_at",
]


@dataclass
class Planned:
    """Ids to ring for."""

    deliveries: list[int] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    alerts: int = 0
    """How many alerts were routed."""


@dataclass
class _Place:
    """A group's new alerts in this batch."""

    route: Route
    labels: dict[str, str]
    alerts: list[Alert] = field(default_factory=list)


def route_pending(now: datetime, limit: int = 500) -> Planned:
    """Route the oldest alerts that were not routed yet, and tell the groups whose time has come by it.

    One alert that cannot be routed must not stop the line: a batch that fails is halved until it is found.
    """
    try:
        return _route_batch(now, limit)
    except (OperationalError, InterfaceError):
        raise  # The database is away or busy, which is no alert's fault.
    except Exception as error:
        return route_pending(now, limit // 2) if limit > 1 else _pass_by(now, error)


def _pass_by(now: datetime, error: Exception) -> Planned:
    """Leave the oldest alert in no group, stored and shown, if the one behind it can be routed.

    If that one cannot be routed either, it is no alert's fault: the error is raised, and nothing is passed by.
    """
    oldest = list(Unrouted.objects.order_by("received_at", "pk").values_list("pk", flat=True)[:1])
    with transaction.atomic():
        planned = _route_batch(now, 1, passing=oldest)
        if not planned.alerts:
            raise error
        Unrouted.objects.filter(pk__in=oldest).delete()
    log.error("alert_not_routable", alerts=oldest, error=type(error).__name__)
    return planned


def _route_batch(now: datetime, limit: int, passing: Iterable[UUID] = ()) -> Planned:
    with transaction.atomic():
        alerts = _take(limit, passing)
        if not alerts:
            return Planned()
        silences = active_silences(now)
        places = _places(alerts)
        groups = _groups(places)
        members = [
            GroupedAlert(group=groups[at], alert=alert, routed_at=now, route_version=place.route.version)
            for at, place in places.items()
            for alert in place.alerts
        ]
        GroupedAlert.objects.bulk_create(members)
        acknowledged = _acknowledged(alerts)
        owed: list[Delivery] = []
        for at, place in places.items():
            untold = _add(groups[at], place, acknowledged, now)
            if _is_due(groups[at], now):
                owed += _look(groups[at], place.route, untold, silences, now)
        _store(groups.values())
        planned = Planned(deliveries.enqueue(owed, now), alerts=len(alerts))
        for at, place in places.items():
            planned.runs += _requests(groups[at], place, silences, now)
        return planned


def flush_due(now: datetime, limit: int = 200) -> Planned:
    """Look at the groups whose time has come: tell, repeat or resolve them."""
    with transaction.atomic():
        coming = AlertGroup.objects.filter(next_flush_at__lte=now).order_by("next_flush_at").select_related("route")
        groups = list(coming.select_for_update(skip_locked=True, of=("self",))[:limit])
        if not groups:
            return Planned()
        prefetch_related_objects([group.route for group in groups], "sinks")
        silences = active_silences(now)
        owed: list[Delivery] = []
        looked_at: list[AlertGroup] = []
        for group in groups:
            try:
                with transaction.atomic():
                    owed += _look(group, group.route, None, silences, now)
            except Exception as error:
                # One group that cannot be told must not stop those behind it. What the look had changed is forgotten,
                # or the group would count as told.
                log.error("group_failed", group=group.pk, error=type(error).__name__)
                AlertGroup.objects.filter(pk=group.pk).update(next_flush_at=now + timedelta(minutes=1))
            else:
                looked_at.append(group)
        _store(looked_at)
        return Planned(deliveries.enqueue(owed, now))


def _take(limit: int, passing: Iterable[UUID]) -> list[Alert]:
    """The alerts that wait for longest. They are ours alone, and wait no more if this transaction is committed."""
    waiting = Unrouted.objects.exclude(pk__in=passing).order_by("received_at", "pk")
    order = list(waiting.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
    Unrouted.objects.filter(pk__in=order).delete()
    found = Alert.objects.select_related("sensor").in_bulk(order)
    return [found[pk] for pk in order if pk in found]


def _places(alerts: Iterable[Alert]) -> dict[tuple[int, str], _Place]:
    """Every alert in the groups of the routes that take it, by route and group key, in a stable order."""
    walk = Walk(Route.objects.filter(enabled=True).prefetch_related("sinks", "actions"))
    places: dict[tuple[int, str], _Place] = {}
    for alert in alerts:
        for route in walk.routes_for(alert):
            labels = labels_of(str(alert.uuid), route.group_by, partial(_value, alert))
            at = (route.pk, key_of(labels))
            places.setdefault(at, _Place(route, labels)).alerts.append(alert)
    return dict(sorted(places.items()))


def _value(alert: Alert, name: str) -> object:
    return reader(name)(alert)


def _is_due(group: AlertGroup, now: datetime) -> bool:
    return group.next_flush_at is not None and group.next_flush_at <= now


def _groups(places: dict[tuple[int, str], _Place]) -> dict[tuple[int, str], AlertGroup]:
    """The groups, made where they are not there yet, locked until this transaction ends."""
    wanted = AlertGroup.objects.filter(route_id__in={route for route, _ in places}, key__in={key for _, key in places})
    known = set(wanted.values_list("route_id", "key"))
    made = [_new_group(place, key) for (route, key), place in places.items() if (route, key) not in known]
    # Another worker may make the same group at the same time; then its group is used.
    AlertGroup.objects.bulk_create(made, ignore_conflicts=True)
    locked = wanted.order_by("id").select_for_update()
    return {(group.route_id, group.key): group for group in locked if (group.route_id, group.key) in places}


def _new_group(place: _Place, key: str) -> AlertGroup:
    first = place.alerts[0]
    return AlertGroup(
        route=place.route,
        key=key,
        labels=place.labels,
        fingerprint=first.fingerprint,
        title=first.rule,
        priority=first.priority,
        first_seen_at=first.received_at,
        last_seen_at=first.received_at,
    )


def _acknowledged(alerts: Iterable[Alert]) -> set[str]:
    fingerprints = {alert.fingerprint for alert in alerts}
    return set(Acknowledgement.objects.filter(fingerprint__in=fingerprints).values_list("fingerprint", flat=True))


def _add(group: AlertGroup, place: _Place, acknowledged: set[str], now: datetime) -> list[Alert] | None:
    """Count the new alerts in; returns the untold ones, None where there are older ones that must be read."""
    newest = place.alerts[-1]
    fresh = group.state == AlertGroup.State.RESOLVED or group.count == 0
    if fresh:
        group.state, group.told_at, group.resolved_at = AlertGroup.State.FIRING, None, None
        group.told_count, group.next_flush_at = group.count, None
    alone = group.count == group.told_count
    group.count += len(place.alerts)
    unheard = [alert for alert in place.alerts if alert.fingerprint not in acknowledged]
    if not unheard and (fresh or group.state == AlertGroup.State.ACKNOWLEDGED):
        group.state, group.told_count = AlertGroup.State.ACKNOWLEDGED, group.count
    else:
        group.state = AlertGroup.State.FIRING
    group.fingerprint, group.title = newest.fingerprint, newest.rule
    group.priority = min(group.priority, *(alert.priority for alert in place.alerts))
    group.last_seen_at = now
    look = _next_look(group, place.route, now)
    group.next_flush_at = min(group.next_flush_at or look, look)
    return place.alerts if alone else None


def _look(
    group: AlertGroup, route: Route, untold: list[Alert] | None, silences: list[Silence], now: datetime
) -> list[Delivery]:
    """Decide what a group has to tell now, to whom, and when it is looked at next."""
    reason = notify_reason(group.told_at, group.told_count, group.count, group.state, group.last_seen_at, route, now)
    owed: list[Delivery] = []
    if reason is NotifyReason.ACKNOWLEDGED:
        owed = tellings.acknowledge(group, route, now)
    elif reason is NotifyReason.RESOLVED:
        owed = tellings.resolve(group, route, reason, now)
    elif reason.tells:
        alerts = untold if untold is not None else tellings.newest_alerts(group)
        silence = [silence_for(alert, silences, now) for alert in alerts]
        told = [alert for alert, silenced in zip(alerts, silence, strict=True) if silenced is None]
        if told:
            owed = tellings.tell(group, route, told, reason, now)
            group.told_at = now
        else:
            owed = tellings.suppress(group, route, alerts, f"silenced {silence[-1]}" if silence else "no alerts", now)
            # A silenced repeat waits for the next one.
            group.told_at = now if reason is NotifyReason.REPEAT else group.told_at
        group.told_count = group.count
    group.next_flush_at = (
        None if group.state == "resolved" else max(_next_look(group, route, now), now + timedelta(seconds=1))
    )
    return owed


def _next_look(group: AlertGroup, route: Route, now: datetime) -> datetime:
    return next_look(group.told_at, group.told_count, group.count, group.state, group.last_seen_at, route, now)


def _store(groups: Iterable[AlertGroup]) -> None:
    """Write the groups back. They are locked, so this is an update of each, in one statement."""
    AlertGroup.objects.bulk_create(groups, update_conflicts=True, unique_fields=["id"], update_fields=_CHANGED)


def _requests(group: AlertGroup, place: _Place, silences: list[Silence], now: datetime) -> list[int]:
    """Ask for the route's response actions, for every new alert that is not silenced."""
    runs: list[int] = []
    actions = list(place.route.actions.all())
    if not actions:
        return runs
    for alert in place.alerts:
        if silence_for(alert, silences, now):
            continue
        for action in actions:
            try:
                with transaction.atomic():
                    run = approvals.request(action, alert, group, place.route, now)
            except Exception as error:
                # One action that cannot be asked for must not stop the alerts behind it.
                log.error("request_failed", action=action.pk, alert=alert.pk, error=type(error).__name__)
                continue
            if run is not None:
                runs.append(run.pk)
    return runs
