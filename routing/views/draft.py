"""A route as somebody has typed it in, tried on the alerts of the last day before it is saved."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from routing import tree
from routing.models import Route
from routing.routes import NAMED, facts_of
from routing.shapes import BranchShape, shaped
from routing.simulation import Recent, recent, tree_of
from routing.tree import Tree

HOURS = 24
MOST = 1_000
"""Alerts that are tried: as many as the page takes about a second for."""


@dataclass(frozen=True)
class Change:
    """How much something gets now, and how much with the draft."""

    name: str
    now: int
    then: int

    @property
    def differs(self) -> bool:
        return self.now != self.then


@dataclass(frozen=True)
class Effect:
    """What a draft would have made of the alerts of the last day."""

    found: Recent
    routes: list[Change]
    """Alerts, for each route that takes some."""
    unrouted: Change
    sinks: list[Change]
    """Groups that each sink is told of: its deliveries, but for news, repeats and ends."""


def effect(route: Route, facts: Mapping[str, Any], name: str, now: datetime) -> Effect:
    """Try a route that says other `facts` than the stored one of this `name`, or is new. Raises Fault."""
    stored = tree.load()
    before = recent(stored, now, HOURS, MOST)
    found = recent(_drafted(route, facts, name, stored), now, HOURS, MOST, stored)
    return Effect(
        found=found,
        routes=_changes(_alerts(before), _alerts(found)),
        unrouted=Change("no route", before.unrouted, found.unrouted),
        sinks=_changes(_told(before), _told(found)),
    )


def _drafted(route: Route, facts: Mapping[str, Any], name: str, stored: Tree) -> Tree:
    """The tree with the route in it, where saving would put it."""
    known = Route.objects.select_related("parent").prefetch_related(*NAMED, "steps__sinks")
    order = [facts_of(one) for one in known if one.pk != route.pk]
    for said in order:
        said["parent"] = facts["name"] if route.pk and said["parent"] == name else said["parent"]
    place = _place(route, facts, [said["name"] for said in order], stored)
    order.insert(place, dict(facts))
    numbered = [{**said, "position": number} for number, said in enumerate(order, start=1)]
    return tree_of([shaped(BranchShape, said) for said in numbered])


def _place(route: Route, facts: Mapping[str, Any], others: list[str], stored: Tree) -> int:
    """Among the others: where it stands, or, new beneath its parent, before the sibling that takes everything."""
    node = stored.by_key.get(route.pk)
    if node and (node.parent.name if node.parent else None) == facts["parent"]:
        here = (node.route.position, node.key)
        return sum((other.route.position, other.key) < here for other in stored)
    above = next((one for one in stored if one.name == facts["parent"]), None)
    siblings = above.children if above else stored.roots
    rest = next((one for one in siblings if one.takes_everything and one.ends and one is not node), None)
    return others.index(rest.name) if rest and facts["condition"].strip() else len(others)


def _alerts(found: Recent) -> Counter[str]:
    return Counter({" / ".join(tally.path): tally.alerts for tally in found.routes})


def _told(found: Recent) -> Counter[str]:
    told: Counter[str] = Counter()
    for tally in found.routes:
        for sink in () if tally.dry_run else tally.sinks:
            told[sink] += tally.groups
    return told


def _changes(now: Counter[str], then: Counter[str]) -> list[Change]:
    return [Change(name, now[name], then[name]) for name in sorted(now.keys() | then.keys())]
