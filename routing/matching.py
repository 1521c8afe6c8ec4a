"""Which routes and silences hold for an alert, in the rule language over alerts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import structlog

from routing.alert_fields import CATALOG, AlertView
from routing.models import Silence
from routing.tree import Node, Tree
from sensor.fields.catalog import UnknownField
from sensor.rules import typed
from sensor.rules.compiler import check_condition, compile_condition
from sensor.rules.errors import RuleError

__all__ = ["CATALOG", "Match", "RuleError", "compile", "explain", "nodes_for", "problem", "silence_for"]

log = structlog.get_logger(__name__)

Predicate = Callable[[AlertView], bool]


class Match(StrEnum):
    """Why a route takes an alert, or does not."""

    MATCHED = "matches"
    PASSED = "matches, and a route beneath it takes it"
    FALSE = "the condition does not hold"
    ENDED = "an earlier route matched and does not continue"
    OUTSIDE = "the route above it was not entered"
    DISABLED = "disabled"
    BROKEN = "the condition cannot be read"

    @property
    def takes(self) -> bool:
        """Whether the alert comes to the route."""
        return self in (self.MATCHED, self.PASSED)


@lru_cache(maxsize=4096)
def compile(text: str) -> Predicate:  # what it is called in the rule language
    """The function of a condition; an empty one always holds. Raises RuleError with the place of what is wrong."""
    if not text.strip():
        return _always
    return compile_condition(text, CATALOG)


def _always(alert: AlertView) -> bool:
    return True


def problem(text: str) -> RuleError | None:
    """What is wrong with a condition, or None."""
    try:
        compile(text)
    except RuleError as error:
        return error
    return None


def said(error: RuleError) -> str:
    """What is wrong with a condition, in one line: the place, the sentence and the guess."""
    hint = f" ({error.hint})" if error.hint else ""
    return f"Line {error.line}, column {error.column}: {error.message}{hint}"


def field_problem(name: str) -> str:
    """What is wrong with a field's name; empty where alerts have such a field."""
    try:
        found = check_condition(f"{name} exists", CATALOG)
    except RuleError as error:
        return f"{name} is not a field of alerts{f'; {error.hint}' if error.hint else ''}"
    # A whole condition reads as one, too, where a name should be.
    alone = isinstance(found, typed.Has) and isinstance(found.left, typed.Read)
    return "" if alone else f"{name} is not a field of alerts"


def compiled(text: str, owner: str) -> Predicate | None:
    """The function of a stored condition. One that cannot be read any more matches nothing, and says so."""
    try:
        return compile(text)
    except RuleError as error:
        log.error("condition_broken", owner=owner, problem=error.message)
        return None


def holds(predicate: Predicate, alert: AlertView, owner: str) -> bool:
    """Whether a condition holds; one that raises does not, and says so, for one alert must not stop the others."""
    try:
        return predicate(alert)
    except Exception as error:
        log.error("condition_failed", owner=owner, error=type(error).__name__)
        return False


class Walk:
    """The enabled routes of a tree, compiled, in the order in which every alert walks them."""

    def __init__(self, tree: Tree) -> None:
        self._steps = _steps(tree.roots)

    def nodes_for(self, alert: AlertView) -> list[Node]:
        """The routes that take an alert.

        Among siblings the first match ends the walk unless it continues. A route whose children do not match takes
        the alert itself.
        """
        taken: list[Node] = []
        _walk(self._steps, alert, taken)
        return taken


# A route, its function, whether it continues, and the same of its children. Hundreds are walked for each alert, and
# a tuple is the cheapest thing to walk.
_Step = tuple[Node, Predicate, bool, "list[_Step]"]


def _steps(nodes: Iterable[Node]) -> list[_Step]:
    return [
        (node, predicate, node.route.continues, _steps(node.children))
        for node in nodes
        if node.enabled and (predicate := compiled(node.route.condition, f"route {node.name}")) is not None
    ]


def _walk(steps: list[_Step], alert: AlertView, taken: list[Node]) -> None:
    for node, predicate, continues, below in steps:
        try:
            if not predicate(alert):
                continue
        except Exception as error:
            log.error("condition_failed", owner=f"route {node.name}", error=type(error).__name__)
            continue
        before = len(taken)
        if below:
            _walk(below, alert, taken)
        if len(taken) == before:
            taken.append(node)
        if not continues:
            break


def nodes_for(alert: AlertView, tree: Tree) -> list[Node]:
    """The routes that take one alert, in order."""
    return Walk(tree).nodes_for(alert)


@dataclass(frozen=True, slots=True)
class Explained:
    """A route, and why it takes an alert or does not."""

    node: Node
    match: Match


def explain(alert: AlertView, tree: Tree) -> list[Explained]:
    """Every route, in the order of the walk, with why it takes the alert or does not."""
    found: list[Explained] = []
    _explain(alert, tree.roots, found, entered=True)
    return found


def _explain(alert: AlertView, siblings: Iterable[Node], found: list[Explained], *, entered: bool) -> bool:
    """Explain some siblings; whether one of them or of those beneath them took the alert."""
    ended = taken = False
    for node in siblings:
        match = _match(alert, node, entered=entered, ended=ended)
        here = match is Match.MATCHED
        at = len(found)
        found.append(Explained(node, match))
        if _explain(alert, node.children, found, entered=here):
            found[at] = Explained(node, Match.PASSED)
        ended = ended or (here and not node.route.continues)
        taken = taken or here
    return taken


def _match(alert: AlertView, node: Node, *, entered: bool, ended: bool) -> Match:
    if not node.enabled:
        return Match.DISABLED
    if not entered:
        return Match.OUTSIDE
    if ended:
        return Match.ENDED
    predicate = compiled(node.route.condition, f"route {node.name}")
    if predicate is None:
        return Match.BROKEN
    return Match.MATCHED if holds(predicate, alert, f"route {node.name}") else Match.FALSE


def silence_for(alert: AlertView, silences: Sequence[Silence], now: datetime) -> Silence | None:
    """The silence that holds for an alert now, the one that ends last; None where it must be told."""
    best: Silence | None = None
    for silence in silences:
        if not silence.starts_at <= now < silence.ends_at or (best and best.ends_at >= silence.ends_at):
            continue
        owner = f"silence {silence.pk}"
        predicate = compiled(silence.condition, owner)
        if predicate and holds(predicate, alert, owner):
            best = silence
    return best


def value_of(alert: AlertView, name: str) -> object:
    """The value of one field, by its name."""
    return reader(name)(alert)


def reader(name: str) -> Callable[[Any], object]:
    """Reads a field of alerts by its name as `group_by` has it; one that no catalog knows is one of output_fields."""
    return _bound(name)


@lru_cache(maxsize=1024)
def _bound(name: str) -> Callable[[Any], object]:
    stem, bracket, rest = name.partition("[")
    try:
        return CATALOG.find(stem, rest.removesuffix("]").strip("\"'") if bracket else None).read
    except UnknownField:
        return lambda alert: alert.output_fields.get(name)
