"""The tree of routes as its page shows it: what each says itself, what it has from above, and what it took lately."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q

from routing.days import lowest
from routing.models import AlertGroup, EscalationStep, GroupedAlert, Route
from routing.tree import Node, Tree
from routing.views.trial import Verdict

COUNTED = 10_000
"""So many of the newest places of alerts in groups are counted: the page is quick however many there are."""
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Branch:
    """A route, and those beneath it."""

    node: Node
    inherited: frozenset[str]
    """What it has from the route above it: `sinks`, `steps`, `group_by`, `times`."""
    matches: int
    """Alerts it took within a day, as far as they were counted."""
    beneath: int
    """The same of all the routes beneath it."""
    last: datetime | None
    firing: int
    behind: Node | None
    """What takes everything before it, so that no alert reaches it."""
    takes_rest: bool
    first: bool
    final: bool
    """Where it stands among its siblings."""
    verdict: Verdict | None
    """Why it takes the alert that is tried, or does not."""
    below: "list[Branch]"


class Figures:
    """What the database says about all the routes at once."""

    def __init__(self, now: datetime) -> None:
        groups = AlertGroup.objects.order_by().values("route")
        firing = Count("pk", filter=Q(state=AlertGroup.State.FIRING))
        told = groups.annotate(last=Max("last_seen_at"), firing=firing).values_list("route", "last", "firing")
        self.groups: dict[int, tuple[datetime | None, int]] = {route: (last, number) for route, last, number in told}
        self.with_sinks = set(Route.sinks.through._default_manager.values_list("route_id", flat=True))
        self.with_steps = set(EscalationStep.objects.values_list("route_id", flat=True))
        recent = GroupedAlert.objects.filter(alert_id__gte=lowest(now - DAY)).order_by("-alert_id")
        routes = list(recent.values_list("group__route_id", flat=True)[: COUNTED + 1])
        self.whole = len(routes) <= COUNTED
        """Whether that was all of the day."""
        self.matches = Counter(routes[:COUNTED])


def branches(tree: Tree, figures: Figures, verdicts: Mapping[int, Verdict]) -> list[Branch]:
    """The whole tree."""
    unreached, rest = tree.unreached(), tree.catch_all()

    def below(siblings: Sequence[Node]) -> list[Branch]:
        return [
            Branch(
                node=node,
                inherited=_inherited(node, figures) if node.parent else frozenset(),
                matches=figures.matches[node.key],
                beneath=sum(figures.matches[one.key] for one in node.below() if one is not node),
                last=figures.groups.get(node.key, (None, 0))[0],
                firing=figures.groups.get(node.key, (None, 0))[1],
                behind=unreached.get(node.key) if node.enabled else None,
                takes_rest=node is rest,
                first=node is siblings[0],
                final=node is siblings[-1],
                verdict=verdicts.get(node.key),
                below=below(node.children),
            )
            for node in siblings
        ]

    return below(tree.roots)


def _inherited(node: Node, figures: Figures) -> frozenset[str]:
    route = node.route
    facts = {
        "sinks": node.key not in figures.with_sinks,
        "steps": node.key not in figures.with_steps,
        "group_by": route.group_by is None,
        "times": None in (route.group_wait, route.group_interval, route.repeat_interval, route.resolve_after),
    }
    return frozenset(name for name, inherited in facts.items() if inherited)
