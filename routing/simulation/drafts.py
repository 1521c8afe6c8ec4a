"""A tree of routes that is only tried out, from how people write it down."""

from collections.abc import Iterator, Sequence
from typing import Any

from routing import routes
from routing.faults import Fault
from routing.models import Route
from routing.shapes import BranchShape, facts
from routing.tree import DEEPEST, Parts, Step, Tree, grow

MOST_ROUTES = 1_000

Placed = tuple[str, dict[str, Any]]
"""Where a route stands in what was written, as `routes.0.routes.2`, and its facts."""


def placed(branches: Sequence[BranchShape], parent: str | None = None, at: str = "routes") -> Iterator[Placed]:
    """Every route of a written tree with its facts, one above others before those, numbered in their order.

    Raises Fault for a route that says it is beneath another one than it stands beneath.
    """
    for number, branch in enumerate(branches):
        place = f"{at}.{number}"
        said = facts(branch)
        said.pop("routes")
        if parent is not None and said["parent"] not in (None, parent):
            raise Fault(f"{place}.parent", f"It stands beneath {parent!r}; leave the parent out.")
        said["parent"] = parent if parent is not None else said["parent"]
        said["position"] = number + 1 if said["position"] is None else said["position"]
        yield place, said
        yield from placed(branch.routes, said["name"], f"{place}.routes")


def tree_of(branches: Sequence[BranchShape]) -> Tree:
    """The tree. A route that is stored by the same name is the same route, so that its groups are found.

    Raises Fault with the place of what cannot be.
    """
    written = list(placed(branches))
    if len(written) > MOST_ROUTES:
        raise Fault("routes", f"At most {MOST_ROUTES} routes can be tried out at once.")
    stored = {route.name: route for route in Route.objects.all()}
    drafts: dict[str, Route] = {}
    for number, (place, said) in enumerate(written, start=1):
        known = stored.get(said["name"])
        if said["name"] in drafts:
            raise Fault(f"{place}.name", f"The route {said['name']!r} is there twice.")
        plain = {name: said[name] for name in (*routes.PLAIN, "position")}
        drafts[said["name"]] = Route(pk=known.pk if known else -number, version=known.version if known else 0, **plain)
    for _, said in written:
        drafts[said["name"]].parent = drafts.get(said["parent"]) if said["parent"] is not None else None
    for place, said in written:
        _check_depth(place, drafts[said["name"]])
    return grow(_parts(place, said, drafts) for place, said in written)


def _check_depth(place: str, route: Route) -> None:
    """Raises Fault for a route that is too deep, or beneath itself."""
    levels, above = 1, route.parent
    while above is not None:
        levels, above = levels + 1, above.parent
        if levels > DEEPEST:
            text = f"It is beneath more than {DEEPEST - 1} routes, or beneath itself."
            raise Fault(f"{place}.parent", text)


def _parts(place: str, said: dict[str, Any], drafts: dict[str, Route]) -> Parts:
    route = drafts[said["name"]]
    try:
        found = routes.check(said, list(drafts.values()), route)
    except Fault as fault:
        raise Fault(f"{place}.{fault.field}", str(fault), fault.error) from None
    told = zip(said["escalation"], found["escalation"], strict=True)
    return Parts(
        route=route,
        key=route.pk,
        parent_key=route.parent_id,
        sinks=tuple(found["sinks"]),
        actions=tuple(found["actions"]),
        mute_in=tuple(found["mute_in"]),
        active_in=tuple(found["active_in"]),
        steps=tuple(Step(step["after"], tuple(sinks)) for step, sinks in told),
    )
