"""Alerts into the groups of the routes that take them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from routing import bulk, receipts
from routing.grouping import key_of, labels_of, next_look
from routing.matching import Walk, value_of
from routing.models import Acknowledgement, Alert, AlertGroup
from routing.tree import Node, Tree

At = tuple[int, str]
"""A route's id and a group's key."""

_CHANGED = {
    "id": "int8",
    "fingerprint": "text",
    "title": "text",
    "priority": "int2",
    "state": "text",
    "count": "int4",
    "first_seen_at": "timestamptz",
    "last_seen_at": "timestamptz",
    "next_flush_at": "timestamptz",
    "told_at": "timestamptz",
    "told_count": "int4",
    "resolved_at": "timestamptz",
    "held_by": "text",
    "held_until": "timestamptz",
    "unacknowledged_since": "timestamptz",
    "escalated_to": "int4",
    "next_step_at": "timestamptz",
}
# `join` comes before `add`, so it numbers on from the group's old count.
_MEMBER = {
    "alert_id": "uuid",
    "group_id": "int8",
    "routed_at": "timestamptz",
    "route_version": "int4",
    "number": "int4",
}


@dataclass
class Place:
    """A group's new alerts in this batch."""

    node: Node
    labels: dict[str, str]
    alerts: list[Alert] = field(default_factory=list)


def places_of(alerts: Iterable[Alert], tree: Tree) -> dict[At, Place]:
    """Every alert in the groups of the routes that take it, by route and group key, in a stable order."""
    walk = Walk(tree)
    places: dict[At, Place] = {}
    for alert in alerts:
        for node in walk.nodes_for(alert):
            labels = labels_of(alert.uuid, node.group_by, partial(value_of, alert))
            at = (node.key, key_of(labels))
            if at not in places:
                places[at] = Place(node, labels)
            places[at].alerts.append(alert)
    return dict(sorted(places.items()))


def groups_of(places: dict[At, Place], also: Collection[int] = ()) -> dict[At, AlertGroup]:
    """The groups, made where they are not there yet, begun anew where they are resolved; and `also` others.

    All are locked until this transaction ends.
    """
    routes, keys = {route for route, _ in places}, {key for _, key in places}
    wanted = AlertGroup.objects.filter(route_id__in=routes, key__among=keys)
    known = set(wanted.values_list("route_id", "key"))
    # Another worker may make the same group at the same time; then its group is used.
    made = [_new_group(places[at], at[1]) for at in places if at not in known]
    AlertGroup.objects.bulk_create(made, ignore_conflicts=True)
    # Always in this order, so that workers wait for each other instead of deadlocking.
    if also:
        wanted |= AlertGroup.objects.filter(pk__among=also)
    locked = {(group.route_id, group.key): group for group in bulk.read(wanted.order_by("id").select_for_update())}
    groups = {at: group for at, group in locked.items() if at in places or group.pk in also}
    ended = [at for at in places if groups[at].state == AlertGroup.State.RESOLVED]
    for at in ended:
        begin_anew(groups[at], places[at].alerts[0], places[at].alerts[0].received_at)
    receipts.forget(groups[at] for at in ended)
    return groups


def _new_group(place: Place, key: str) -> AlertGroup:
    first = place.alerts[0]
    return AlertGroup(
        route=place.node.route,
        key=key,
        labels=place.labels,
        fingerprint=first.fingerprint,
        title=first.rule,
        priority=first.priority,
        first_seen_at=first.received_at,
        last_seen_at=first.received_at,
    )


def begin_anew(group: AlertGroup, first: Alert, since: datetime) -> None:
    """A resolved group fires again: what it says of itself is about this life."""
    group.state, group.told_at, group.next_flush_at = AlertGroup.State.FIRING, None, None
    group.count, group.told_count, group.priority = 0, 0, first.priority
    # An alert that was received before the end and is routed after it is of this life, not of the one before.
    group.first_seen_at = max(since, group.resolved_at or since)
    group.resolved_at = None


def acknowledged(alerts: Iterable[Alert]) -> set[str]:
    """The fingerprints among these that somebody looks after."""
    fingerprints = {alert.fingerprint for alert in alerts}
    return set(Acknowledgement.objects.filter(fingerprint__among=fingerprints).values_list("fingerprint", flat=True))


def add(group: AlertGroup, place: Place, looked_after: set[str], now: datetime) -> list[Alert] | None:
    """Count the new alerts in; returns the untold ones, None where there are older ones that must be read."""
    newest = place.alerts[-1]
    fresh = group.count == 0
    alone = group.count == group.told_count
    group.count += len(place.alerts)
    unheard = [alert for alert in place.alerts if alert.fingerprint not in looked_after]
    if not unheard and (fresh or group.state == AlertGroup.State.ACKNOWLEDGED):
        group.state, group.told_count = AlertGroup.State.ACKNOWLEDGED, group.count
    else:
        group.state = AlertGroup.State.FIRING
    group.fingerprint, group.title = newest.fingerprint, newest.rule
    group.priority = min(group.priority, *(alert.priority for alert in place.alerts))
    group.last_seen_at = now
    look = look_at(group, place.node, now)
    group.next_flush_at = min(group.next_flush_at or look, look)
    return place.alerts if alone else None


def look_at(group: AlertGroup, node: Node, now: datetime) -> datetime:
    """When a group that is not resolved must be looked at again."""
    look = next_look(group.told_at, group.told_count, group.count, group.state, group.last_seen_at, node, now)
    if group.held_until and group.state == AlertGroup.State.FIRING:
        look = max(look, group.held_until)
    return min(look, group.next_step_at) if group.next_step_at else look


def join(places: Mapping[At, Place], groups: Mapping[At, AlertGroup], now: datetime) -> None:
    """Write down which alerts each group got now, and the version of the route that took them."""
    rows = [
        # Clocks differ, and what is routed now is of this life.
        (alert.pk, groups[at].pk, max(now, groups[at].first_seen_at), place.node.route.version, number)
        for at, place in places.items()
        for number, alert in enumerate(place.alerts, groups[at].count + 1)
    ]
    bulk.insert("routing_groupedalert", _MEMBER, rows)


def store(groups: Iterable[AlertGroup]) -> None:
    """Write the groups back. They are locked, so that nobody else has changed them."""
    bulk.update("routing_alertgroup", _CHANGED, [[getattr(group, name) for name in _CHANGED] for group in groups])
