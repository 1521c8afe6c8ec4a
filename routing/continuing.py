"""The groups of what fires on and of what has ended, where a source tells of both (`routing.endings`).

An end joins no group. It resolves the groups in which nothing else fires, after what they have not told yet. What is
said again keeps its groups alive, and opens them anew where they were resolved.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from routing import endings, receipts
from routing.holds import Holds
from routing.looking import end
from routing.models import Alert, AlertGroup, Delivery, GroupedAlert
from routing.placing import At, Place, add, begin_anew, look_at
from routing.tree import Tree

What = tuple[int, str]
"""A token's id and a fingerprint: what a sender can tell the end of."""


@dataclass
class Batch:
    """Alerts that wait to be routed, by what becomes of them."""

    news: Sequence[Alert]
    """They join groups, as most do."""
    first: Sequence[Alert]
    """The news and the ends: what is routed for the first time."""
    again: dict[int, list[Alert]] = field(default_factory=dict)
    """What was said again, by the ids of the groups that it is in."""
    ends: dict[What, Alert] = field(default_factory=dict)
    """Ends after which nothing of the same fires again in the batch."""
    ended: dict[int, list[Alert]] = field(default_factory=dict)
    """What they end, by the ids of its groups that are not resolved."""

    @property
    def groups(self) -> set[int]:
        """Ids of the groups that are concerned, but for those that the news join."""
        return self.again.keys() | self.ended.keys()


def apart(alerts: Sequence[Alert], tree: Tree) -> Batch:
    """A batch, in the order in which it came, by what becomes of it. What is in no group of the tree is news."""
    told = [alert for alert in alerts if alert.source == endings.SOURCE]
    if not told:
        return Batch(alerts, alerts)
    ends: dict[What, Alert] = {}
    for alert in told:
        if endings.is_end(alert):
            ends[_what(alert)] = alert
        else:
            ends.pop(_what(alert), None)
    routes = [node.key for node in tree]
    again = _by_group([alert for alert in told if not endings.is_end(alert)], group__route__in=routes)
    known = {alert.pk for members in again.values() for alert in members}
    first = [alert for alert in alerts if alert.pk not in known]
    news = [alert for alert in first if not endings.is_end(alert)]
    return Batch(
        news,
        first,
        again,
        ends,
        _by_group(_stored(ends), group__route__in=routes, group__state__in=AlertGroup.UNRESOLVED),
    )


def _what(alert: Alert) -> What:
    return alert.token_id, alert.fingerprint


def _stored(ends: Mapping[What, Alert]) -> list[Alert]:
    """What is stored of what ends."""
    if not ends:
        return []
    fingerprints = {fingerprint for _, fingerprint in ends}
    found = Alert.objects.filter(fingerprint__among=fingerprints, source=endings.SOURCE)
    return [alert for alert in found.only("token_id", "fingerprint") if _what(alert) in ends]


def _by_group(alerts: Sequence[Alert], **wanted: object) -> dict[int, list[Alert]]:
    """Those among some alerts that are in groups, by the groups' ids."""
    by_pk = {alert.pk: alert for alert in alerts}
    if not by_pk:
        return {}
    places = GroupedAlert.objects.filter(alert__among=list(by_pk), **wanted)
    found: dict[int, list[Alert]] = {}
    for pk, group in places.order_by("alert").values_list("alert_id", "group_id"):
        found.setdefault(group, []).append(by_pk[pk])
    return found


def firing(
    batch: Batch, places: Mapping[At, Place], groups: Mapping[At, AlertGroup], tree: Tree
) -> Iterator[tuple[Alert, int]]:
    """What is said to fire, once for each of its groups, with the seconds after which that is resolved."""
    for place in places.values():
        yield from ((alert, place.node.resolve_after) for alert in place.alerts)
    for group in groups.values() if batch.again else ():
        node = tree.by_key[group.route_id]
        yield from ((alert, node.resolve_after) for alert in batch.again.get(group.pk, ()))


def follow(
    batch: Batch,
    places: Mapping[At, Place],
    groups: Mapping[At, AlertGroup],
    tree: Tree,
    looked_after: set[str],
    holds: Holds,
    now: datetime,
) -> list[Delivery]:
    """What is owed because of what was said again and what ended, after the news joined their groups."""
    for group in groups.values() if batch.again else ():
        if alerts := batch.again.get(group.pk):
            _hear(group, Place(tree.by_key[group.route_id], group.labels, alerts), looked_after, now)
    owed: list[Delivery] = []
    for at, group in groups.items() if batch.ends else ():
        joined = places[at].alerts if at in places else ()
        ended = [*batch.ended.get(group.pk, ()), *(alert for alert in joined if _what(alert) in batch.ends)]
        if not ended or group.state == AlertGroup.State.RESOLVED:
            continue
        _let_precede(group, ended, batch.ends)
        node = tree.by_key[group.route_id]
        if not endings.lasts(group, now) and not endings.others_fire(group, node, now):
            owed += end(group, node, holds, now)
    return owed


def _hear(group: AlertGroup, place: Place, looked_after: set[str], now: datetime) -> None:
    """It fires on: by the time that its route leaves it, or anew where it was resolved. Who sweeps tells it then."""
    if group.state == AlertGroup.State.RESOLVED:
        begin_anew(group, place.alerts[0], now)
        receipts.forget([group])
        for number, alert in enumerate(place.alerts, 1):
            group.members.filter(alert=alert).update(routed_at=group.first_seen_at, number=number)
        add(group, place, looked_after, now)
        return
    group.members.filter(alert__among=[alert.pk for alert in place.alerts]).update(
        routed_at=max(now, group.first_seen_at)
    )
    group.last_seen_at = now
    look = look_at(group, place.node, now)
    group.next_flush_at = min(group.next_flush_at or look, look)


def _let_precede(group: AlertGroup, ended: Sequence[Alert], ends: Mapping[What, Alert]) -> None:
    """What waited to be routed for longer than until its end was said counts as routed by then."""
    by_time: dict[datetime, list[UUID]] = {}
    for alert in ended:
        by_time.setdefault(ends[_what(alert)].received_at, []).append(alert.pk)
    for time, alerts in by_time.items():
        group.members.filter(alert__among=alerts, routed_at__gt=time).update(routed_at=max(time, group.first_seen_at))
