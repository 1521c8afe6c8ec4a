"""An alert that is tried on the page of routes: one that is stored, or one that somebody pastes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from routing.matching import Match
from routing.models import Alert
from routing.simulation import NoAlert, Simulation, alert_of, simulate
from routing.simulation.one import Considered
from routing.tree import Tree
from sensor.alert import Priority
from sensor.rules.explain import Part

MOST_PARTS = 6
"""Parts of one condition that are shown."""


@dataclass(frozen=True)
class Verdict:
    """Whether the alert comes to one route, and why."""

    match: Match
    wanting: list[Part]
    """Where its condition does not hold, the smallest parts for whose sake it does not."""

    @property
    def takes(self) -> bool:
        return self.match.takes


@dataclass(frozen=True)
class Trial:
    """Everything about one try."""

    alert: Alert
    simulation: Simulation
    verdicts: dict[int, Verdict]
    """By the route's id."""


def attempt(alert: Alert, tree: Tree, now: datetime) -> Trial:
    """Walk the tree with an alert as if it came now; nothing is written and nobody is told."""
    simulation = simulate(alert, tree, now)
    return Trial(alert, simulation, {one.id: _verdict(one) for one in simulation.walk})


def pasted(text: str, now: datetime) -> Alert:
    """The alert of a JSON text, not stored; without a time it is of `now`. Raises NoAlert."""
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoAlert(f"This is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise NoAlert("An alert is one JSON object, as Falco writes it.")
    return alert_of(given, now)


def _verdict(one: Considered) -> Verdict:
    wanting = list(_wanting(one.parts)) if one.parts and one.match is Match.FALSE else []
    return Verdict(one.match, [_named(part) for part in wanting[:MOST_PARTS]])


def _named(part: Part) -> Part:
    """A priority by its name, as conditions write it; stored is its number."""
    if part.text.startswith("alert.priority") and part.value.isdecimal():
        return replace(part, value=Priority(int(part.value)).label)
    return part


def _wanting(part: Part) -> Iterator[Part]:
    """The smallest parts for whose sake a condition did not hold: they did not, or they did and must not."""
    if part.text == "not" and part.parts:
        yield part.parts[0]
    elif part.parts:
        for child in part.parts:
            if not child.held:
                yield from _wanting(child)
    else:
        yield part
