"""What would become of the alerts of the last hours, counted by route; and what a draft of the tree would change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from routing import endings, finding
from routing.grouping import key_of, labels_of
from routing.holds import Holds
from routing.matching import Walk, value_of
from routing.models import Alert
from routing.searching import EVERYTHING
from routing.tree import Node, Tree

MOST_HOURS = 168
MOST_ALERTS = 5_000
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Example:
    """An alert, by what people know it by."""

    uuid: str
    rule: str
    hostname: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What one route takes of the alerts."""

    id: int
    path: list[str]
    alerts: int
    groups: int
    held: dict[str, int]
    """How many of the alerts something holds now, by what."""
    waits: str
    """What makes the route wait with telling now; empty where it may tell."""
    dry_run: bool
    sinks: list[str]
    examples: list[Example]


@dataclass(frozen=True, slots=True)
class Moved:
    """An alert that other routes take in the draft than in the stored tree."""

    alert: Example
    before: list[list[str]]
    """Paths of routes."""
    after: list[list[str]]


@dataclass(frozen=True, slots=True)
class Recent:
    """The newest alerts of the last hours, in one tree."""

    since: datetime
    tried: int
    of: int
    """How many alerts there were; a count that ends at about ten thousand."""
    whole: bool
    """Whether all of them were tried; else the newest ones."""
    routes: list[Tally]
    """In the order of the walk; those that take none are left out."""
    unrouted: int
    """Alerts that no route takes: nobody is told of them."""
    unrouted_examples: list[Example]
    moved: int
    moved_examples: list[Moved]


def recent(tree: Tree, now: datetime, hours: int, most: int, stored: Tree | None = None) -> Recent:
    """Let the newest `most` alerts of the hours until `now` walk a tree; what holds is what holds `now`.

    What says that another alert ended is among those that were tried, and walks none.

    With the `stored` tree it is also said which alerts that one routes elsewhere.
    """
    since = now - timedelta(hours=hours)
    there = finding.between(since, now + timedelta.resolution)
    alerts = list(there.order_by("-pk").select_related("sensor")[:most])
    of = max(len(alerts), finding.count(there, EVERYTHING).number if len(alerts) == most else len(alerts))
    holds = Holds(now)
    holds.expect(alerts)
    takes = Walk(tree).nodes_for
    found = {alert: takes(alert) for alert in alerts if not endings.is_end(alert)}
    by_node: dict[int, list[Alert]] = {}
    for alert, nodes in found.items():
        for node in nodes:
            by_node.setdefault(node.key, []).append(alert)
    unrouted = [alert for alert, nodes in found.items() if not nodes]
    moved = _moved(found, Walk(stored).nodes_for) if stored else []
    return Recent(
        since=since,
        tried=len(alerts),
        of=of,
        whole=len(alerts) == of,
        routes=[_tally(node, by_node[node.key], holds) for node in tree if node.key in by_node],
        unrouted=len(unrouted),
        unrouted_examples=_examples(unrouted),
        moved=len(moved),
        moved_examples=moved[:EXAMPLES],
    )


def _tally(node: Node, alerts: Sequence[Alert], holds: Holds) -> Tally:
    held: dict[str, int] = {}
    for alert in alerts:
        if hold := holds.of_alert(alert):
            held[hold.reason] = held.get(hold.reason, 0) + 1
    groups = {key_of(labels_of(str(one.uuid), node.group_by, partial(value_of, one))) for one in alerts}
    waits = holds.of_route(node)
    return Tally(
        id=node.key,
        path=list(node.path),
        alerts=len(alerts),
        groups=len(groups),
        held=held,
        waits=waits.reason if waits else "",
        dry_run=node.dry_run,
        sinks=[sink.name for sink in node.sinks],
        examples=_examples(alerts),
    )


def _moved(found: dict[Alert, list[Node]], takes: Callable[[Alert], list[Node]]) -> list[Moved]:
    moved = []
    for alert, nodes in found.items():
        before, after = ([list(node.path) for node in taken] for taken in (takes(alert), nodes))
        if before != after:
            moved.append(Moved(_example(alert), before, after))
    return moved


def _examples(alerts: Sequence[Alert]) -> list[Example]:
    return [_example(alert) for alert in alerts[:EXAMPLES]]


def _example(alert: Alert) -> Example:
    return Example(str(alert.uuid), alert.rule, alert.hostname)
