"""Which routes and silences hold for an alert, in the rule language over alerts."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import structlog

from routing.alert_fields import CATALOG, AlertView
from routing.models import Route, Silence
from sensor.fields.catalog import UnknownField
from sensor.rules.compiler import compile_condition
from sensor.rules.errors import RuleError

__all__ = ["CATALOG", "Match", "RuleError", "compile", "explain", "problem", "routes_for", "silence_for"]

log = structlog.get_logger(__name__)

Predicate = Callable[[AlertView], bool]


class Match(StrEnum):
    """Why a route takes an alert, or does not."""

    MATCHED = "matches"
    FALSE = "the condition does not hold"
    ENDED = "an earlier route matched and does not continue"
    DISABLED = "disabled"
    BROKEN = "the condition cannot be read"


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


def _compiled(text: str, owner: str) -> Predicate | None:
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
    """The enabled routes, compiled, in the order in which every alert walks them."""

    def __init__(self, routes: Iterable[Route]) -> None:
        ordered = sorted((route for route in routes if route.enabled), key=lambda route: (route.position, route.pk))
        self._steps = [
            (route, predicate, route.continues)
            for route in ordered
            if (predicate := _compiled(route.condition, f"route {route.name}")) is not None
        ]

    def routes_for(self, alert: AlertView) -> list[Route]:
        """The routes that take an alert: the first match ends the walk unless it continues."""
        taken: list[Route] = []
        for route, predicate, continues in self._steps:
            try:
                if not predicate(alert):
                    continue
            except Exception as error:
                log.error("condition_failed", owner=f"route {route.name}", error=type(error).__name__)
                continue
            taken.append(route)
            if not continues:
                break
        return taken


def routes_for(alert: AlertView, routes: Iterable[Route]) -> list[Route]:
    """The routes that take one alert, in order."""
    return Walk(routes).routes_for(alert)


def explain(alert: AlertView, routes: Iterable[Route]) -> list[tuple[Route, Match]]:
    """Every route, in order, with why it takes the alert or does not."""
    found: list[tuple[Route, Match]] = []
    ended = False
    for route in sorted(routes, key=lambda route: (route.position, route.pk)):
        predicate = _compiled(route.condition, f"route {route.name}")
        if not route.enabled:
            match = Match.DISABLED
        elif ended:
            match = Match.ENDED
        elif predicate is None:
            match = Match.BROKEN
        else:
            match = Match.MATCHED if holds(predicate, alert, f"route {route.name}") else Match.FALSE
        ended = ended or (match is Match.MATCHED and not route.continues)
        found.append((route, match))
    return found


def silence_for(alert: AlertView, silences: Sequence[Silence], now: datetime) -> Silence | None:
    """The silence that holds for an alert now, the one that ends last; None where it must be told."""
    best: Silence | None = None
    for silence in silences:
        if not silence.starts_at <= now < silence.ends_at or (best and best.ends_at >= silence.ends_at):
            continue
        owner = f"silence {silence.pk}"
        predicate = _compiled(silence.condition, owner)
        if predicate and holds(predicate, alert, owner):
            best = silence
    return best


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
