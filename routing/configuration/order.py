"""In which order routes are made and deleted, and which place each gets among its siblings."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from routing.configuration.reading import Written
from routing.models import Route


def parents_first(written: Iterable[Written]) -> list[Written]:
    """Each route after the one above it, where the file has that, and otherwise as they stand there."""
    waiting = list(written)
    above = {one.name for one in waiting}
    ordered: list[Written] = []
    while waiting:
        later = []
        for one in waiting:
            if one.facts["parent"] in above:
                later.append(one)
            else:
                ordered.append(one)
                above.discard(one.name)
        if len(later) == len(waiting):
            return ordered + later  # Each is beneath another one; the service says so.
        waiting = later
    return ordered


def numbered(written: Iterable[Written], stored: Mapping[str, Mapping[str, Any]]) -> Iterator[Written]:
    """Each with a position: its own, or the stored one, if siblings are then in the order of the file."""
    last: dict[str | None, int] = {}
    for one in written:
        parent, position = one.facts["parent"], one.facts["position"]
        before = stored.get(one.name)
        least = last.get(parent, -1)
        if position is None and before and before["parent"] == parent and before["position"] > least:
            position = before["position"]
        if position is None:
            position = max(least, 0) + 1
        last[parent] = max(least, position)
        yield replace(one, facts={**one.facts, "position": position})


def deepest_first(routes: Iterable[Route]) -> list[Route]:
    """Each route before the one above it."""
    known = {route.pk: route for route in routes}

    def depth(route: Route) -> int:
        return 1 + depth(known[route.parent_id]) if route.parent_id else 0

    return sorted(known.values(), key=depth, reverse=True)
