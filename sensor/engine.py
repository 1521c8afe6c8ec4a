"""Which rules an event matches. Rules are indexed by event source and type; most events are asked about few."""

from collections import Counter
from typing import Literal

import structlog

from sensor.event import Event
from sensor.rules.correlate import Window
from sensor.rules.dispatch import Dispatch, dispatcher
from sensor.rules.ruleset import Rule, RuleSet

log = structlog.get_logger(__name__)

MAX_TYPES = 2000
"""Event types that are remembered; more come only from damaged or hostile recordings."""


class Engine:
    """The rules in force. With `matching="first"` an event raises at most one alert, of the rule defined first."""

    def __init__(self, ruleset: RuleSet, matching: Literal["first", "all"] = "first") -> None:
        self.rules = [rule for rule in ruleset.rules if rule.enabled]
        self.first = matching == "first"
        self.errors: Counter[str] = Counter()
        """How often each rule could not be evaluated; the others were."""
        self._by_source: dict[str, list[Rule]] = {}
        for rule in self.rules:
            self._by_source.setdefault(rule.source, []).append(rule)
        self._windows = {rule: Window(rule.count) for rule in self.rules if rule.count is not None}
        self._index: dict[tuple[str, str], list[Rule]] = {}
        self._dispatch: dict[tuple[str, str, bool], Dispatch] = {}

    def evaluate(self, event: Event) -> list[Rule]:
        """The rules that match, in the order of their definition."""
        key = (event.source, event.type, event.given is not None)
        dispatch = self._dispatch.get(key)
        if dispatch is None:
            dispatch = self._prepare(key)
        try:
            return dispatch(event)
        except Exception:
            # One rule at a time tells which one it was, and lets the others be heard.
            return self._one_by_one(event)

    def candidates(self, source: str, event_type: str) -> list[Rule]:
        """The rules that can match such an event at all."""
        key = (source, event_type)
        found = self._index.get(key)
        if found is None:
            found = [
                rule
                for rule in self._by_source.get(source, ())
                if rule.event_types is None or event_type in rule.event_types
            ]
            if len(self._index) < MAX_TYPES:
                self._index[key] = found
        return found

    def _prepare(self, key: tuple[str, str, bool]) -> Dispatch:
        source, event_type, recorded = key
        rules = self.candidates(source, event_type)
        if rules:
            catalog = rules[0].catalog
            dispatch = dispatcher(rules, catalog, event_type, self._windows, first=self.first, recorded=recorded)
        else:
            dispatch = _nothing
        if len(self._dispatch) < 2 * MAX_TYPES:
            self._dispatch[key] = dispatch
        return dispatch

    def _one_by_one(self, event: Event) -> list[Rule]:
        found = []
        for rule in self.candidates(event.source, event.type):
            try:
                matched = rule.matches(event)
                if matched and rule in self._windows:
                    matched = self._windows[rule].reached(event)
            except Exception as error:
                self._count(rule, error)
                continue
            if matched:
                found.append(rule)
                if self.first:
                    break
        return found

    def _count(self, rule: Rule, error: Exception) -> None:
        if not self.errors[rule.name]:
            log.warning("rule_failed", rule=rule.name, error=repr(error))
        self.errors[rule.name] += 1


def _nothing(event: Event) -> list[Rule]:
    return []
