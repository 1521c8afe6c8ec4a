"""What a source tells the end of fires until then: Alertmanager says `firing` again and again, and once `resolved`.

The start and the end are alerts of their own, and of one fingerprint. What is said of a start again is not stored, but
lets it wait to be routed once more. `routing.continuing` says what becomes of the groups.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Exists, OuterRef

from routing.admission import Row
from routing.models import Alert, AlertGroup, GroupedAlert
from routing.tree import Node

SOURCE = "alertmanager"
STATUS = "alertmanager.status"
FIRING, RESOLVED = "firing", "resolved"
LASTS = timedelta(days=1)
"""For so long after it was last told something fires whose end is not told: Alertmanager repeats every 4 h unless it is
configured, and twice a day is common, too."""
MOST = 100
"""Of so many of a group's newest alerts it is asked whether one could last; most groups have none."""


def is_end(alert: Alert) -> bool:
    """Whether an alert says that another one ended."""
    return alert.source == SOURCE and _status(alert.output_fields) == RESOLVED


def said_again(rows: Iterable[Row]) -> list[UUID]:
    """The starts among rows that are stored already."""
    return [row.uuid for row in rows if row.source == SOURCE and _status(orjson.loads(row.output_fields)) == FIRING]


def _status(fields: Mapping[str, Any]) -> object:
    return fields.get(STATUS)


def lasting(group: AlertGroup, node: Node, now: datetime) -> Node:
    """The route of a group; while something in the group waits for its end, it does not resolve it by its own time.

    One that resolves at once does so.
    """
    if not node.resolve_after or now < group.last_seen_at + timedelta(seconds=node.resolve_after):
        return node
    newest = group.current.order_by("-number").values_list("alert__source", flat=True)[:MOST]
    if SOURCE not in set(newest) or not lasts(group, now):
        return node
    return replace(node, resolve_after=max(node.resolve_after, int(LASTS.total_seconds())))


def lasts(group: AlertGroup, now: datetime) -> bool:
    """Whether something in a group was told within `LASTS`, and not since then that it ended."""
    ends = Alert.objects.filter(
        **{f"output_fields__{STATUS}": RESOLVED},
        source=SOURCE,
        fingerprint=OuterRef("alert__fingerprint"),
        token=OuterRef("alert__token"),
        received_at__gte=OuterRef("routed_at"),
    )
    told = group.members.filter(alert__source=SOURCE, routed_at__gt=now - LASTS)
    return told.filter(~Exists(ends)).exists()


def others_fire(group: AlertGroup, node: Node, now: datetime) -> bool:
    """Whether a group has an alert whose end nobody tells, and for which the route's time is not over."""
    since = now - timedelta(seconds=node.resolve_after)
    return GroupedAlert.objects.filter(group=group, routed_at__gt=since).exclude(alert__source=SOURCE).exists()
