"""What happens to alerts after they are stored: routes, groups, silences, and what is owed because of them.

Only rows are written: a decision and everything it owes are stored together or not at all. Sending is
`routing.deliveries`, acting is `routing.executor`. Whoever calls this rings for what it returns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from routing import approvals, backlog, bulk, continuing, deliveries, metrics, tracing
from routing.holds import Holds
from routing.looking import look
from routing.models import Alert, AlertGroup, Delivery, Unrouted
from routing.placing import At, Place, acknowledged, add, groups_of, join, places_of, store
from routing.tree import current
from routing.turns import Turn, take

log = structlog.get_logger(__name__)

MOST_NAMED = 10
"""Alerts of a batch that its log line names, the oldest ones."""


@dataclass
class Planned:
    """What to ring for."""

    sinks: list[int] = field(default_factory=list)
    """Ids of those that are owed something new."""
    runs: list[int] = field(default_factory=list)
    """Ids of action runs."""
    alerts: int = 0
    """How many alerts were routed."""


def route_pending(now: datetime, limit: int = 500) -> Planned:
    """Route the alerts of one lane that wait for longest, and tell the groups whose time has come by it."""
    stuck: Exception | None = None
    for lane in lanes_waiting():
        try:
            planned = _route_lane(now, limit, lane)
        except (OperationalError, InterfaceError):
            raise  # The database is away or busy, which is no alert's fault.
        except Exception as error:
            log.error("lane_stuck", lane=lane, error=type(error).__name__)
            stuck = error
            continue
        if planned.alerts:
            return planned
    if stuck is not None:
        raise stuck
    return Planned()


def lanes_waiting() -> list[int]:
    """The lanes in which alerts wait, the one where one waits for longest first."""
    lanes = " UNION ALL ".join(f"SELECT {lane} AS lane" for lane in range(Unrouted.LANES))
    since = "SELECT min(received_at) FROM routing_unrouted WHERE routing_unrouted.lane = lanes.lane"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT lane, ({since}) AS since FROM ({lanes}) AS lanes ORDER BY since")  # noqa: S608 - our numbers
        return [lane for lane, since in cursor.fetchall() if since is not None]


def _route_lane(now: datetime, limit: int, lane: int) -> Planned:
    """One alert that cannot be routed must not stop the line: a batch that fails is halved until it is found."""
    try:
        return _route_batch(now, limit, lane)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        return _route_lane(now, limit // 2, lane) if limit > 1 else _pass_by(now, lane, error)


def _pass_by(now: datetime, lane: int, error: Exception) -> Planned:
    """Leave the lane's oldest alert in no group, stored and shown, if the one behind it can be routed.

    If that one cannot be routed either, it is no alert's fault: the error is raised, and nothing is passed by.
    """
    waiting = Unrouted.objects.filter(lane=lane).order_by("received_at", "pk")
    oldest = list(waiting.values_list("pk", flat=True)[:1])
    with transaction.atomic():
        planned = _route_batch(now, 1, lane, passing=oldest)
        if not planned.alerts:
            raise error
        Unrouted.objects.filter(pk__in=oldest).delete()
    log.error("alert_not_routable", alerts=oldest, error=type(error).__name__)
    return planned


def _route_batch(now: datetime, limit: int, lane: int, passing: Iterable[UUID] = ()) -> Planned:
    with transaction.atomic():
        alerts = _take(limit, lane, passing)
        if not alerts:
            return Planned()
        with tracing.span("route.batch", lane=lane, alerts=len(alerts)):
            return _route(alerts, now)


def _route(alerts: list[Alert], now: datetime) -> Planned:
    """Write down everything that follows from these alerts, in the transaction that took them."""
    tree, holds = current(), Holds(now)
    holds.enrich(alerts)
    batch = continuing.apart(alerts, tree)
    places = places_of(batch.news, tree)
    groups = groups_of(places, batch.groups)
    join(places, groups, now)
    holds.notice(continuing.firing(batch, places, groups, tree))
    holds.expect(alerts)
    looked_after = acknowledged(alerts)
    owed: list[Delivery] = []
    for at, place in places.items():
        untold = add(groups[at], place, looked_after, now)
        if _is_due(groups[at], now):
            owed += look(groups[at], place.node, untold, holds, now)
    owed += continuing.follow(batch, places, groups, tree, looked_after, holds, now)
    store(groups.values())
    planned = Planned(deliveries.enqueue(owed, now), alerts=len(alerts))
    for at, place in places.items():
        planned.runs += _requests(groups[at], place, holds, now)
    transaction.on_commit(partial(_count, batch.first, places, now))
    return planned


def flush_due(now: datetime, limit: int = 200) -> Planned:
    """Look at the groups whose time has come: tell, repeat or resolve them."""
    with transaction.atomic():
        coming = AlertGroup.objects.filter(next_flush_at__lte=now).order_by("next_flush_at")
        groups = list(coming.select_for_update(skip_locked=True)[:limit])
        if not groups:
            return Planned()
        tree, holds = current(), Holds(now)
        owed: list[Delivery] = []
        looked_at: list[AlertGroup] = []
        for group in groups:
            try:
                with transaction.atomic():
                    owed += look(group, tree.by_key[group.route_id], None, holds, now)
            except Exception as error:
                # One group that cannot be told must not stop those behind it. What the look had changed is forgotten,
                # or the group would count as told.
                log.error("group_failed", group=group.pk, error=type(error).__name__)
                AlertGroup.objects.filter(pk=group.pk).update(next_flush_at=now + timedelta(minutes=1))
            else:
                looked_at.append(group)
        store(looked_at)
        return Planned(deliveries.enqueue(owed, now))


def _take(limit: int, lane: int, passing: Iterable[UUID]) -> list[Alert]:
    """The alerts of a lane that wait for longest; none where another worker routes it.

    They wait no more if this transaction is committed.
    """
    if not take(Turn.LANE, lane):
        return []
    order = backlog.longest(lane, limit, passing)
    mine = Unrouted.objects.filter(pk__among=order)
    mine._raw_delete(mine.db)
    found = {alert.pk: alert for alert in bulk.read_alerts(Alert.objects.filter(pk__among=order))}
    return [found[pk] for pk in order if pk in found]


def _count(alerts: Sequence[Alert], places: dict[At, Place], now: datetime) -> None:
    """The batch in the log and in /metrics."""
    named = [str(alert.uuid) for alert in alerts[:MOST_NAMED]]
    log.info("alerts_routed", count=len(alerts), groups=len(places), alerts=named)
    metrics.ROUTING.add_all((now - alert.received_at).total_seconds() for alert in alerts)
    for place in places.values():
        metrics.ROUTE_MATCHES.add(len(place.alerts), place.node.name)


def _is_due(group: AlertGroup, now: datetime) -> bool:
    return group.next_flush_at is not None and group.next_flush_at <= now


def _requests(group: AlertGroup, place: Place, holds: Holds, now: datetime) -> list[int]:
    """Ask for the route's response actions, for every new alert that is neither silenced nor in maintenance."""
    runs: list[int] = []
    actions = place.node.actions
    if not actions:
        return runs
    for alert in place.alerts:
        if holds.hushed(alert):
            continue
        for action in actions:
            try:
                with transaction.atomic():
                    run = approvals.request(action, alert, group, place.node.route, now, dry_run=place.node.dry_run)
            except (OperationalError, InterfaceError):
                raise  # Passing the alert by would lose what it asks for; all of it is routed again.
            except Exception as error:
                # One action that cannot be asked for must not stop the alerts behind it.
                log.error("request_failed", action=action.pk, alert=alert.pk, error=type(error).__name__)
                continue
            if run is not None:
                runs.append(run.pk)
    return runs
