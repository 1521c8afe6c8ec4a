"""Which rules an event matches. Rules are indexed by event source and type; most events are asked about few."""

from collections import Counter
from typing import Literal

import structlog

from sensor.event import Event
from sensor.rules.ruleset import Rule, RuleSet

log = structlog.get_logger(__name__)


class Engine:
    """The rules in force. With `matching="first"` an event raises at most one alert, of the rule defined first."""

    def __init__(self, ruleset: RuleSet, matching: Literal["first", "all"] = "first") -> None:
        self.rules = [rule for rule in ruleset.rules if rule.enabled]
        self.first = matching == "first"
        self.errors: Counter[str] = Counter()
        """How often each rule could not be evaluated; the others were."""
        self._index: dict[tuple[str, str], list[Rule]] = {}

    def evaluate(self, event: Event) -> list[Rule]:
        """The rules that match, in the order of their definition."""
        found = []
        for rule in self.candidates(event.source, event.type):
            try:
                matched = rule.matches(event)
            except Exception as error:
                self._count(rule, error)
                continue
            if matched:
                found.append(rule)
                if self.first:
                    break
        return found

    def candidates(self, source: str, event_type: str) -> list[Rule]:
        """The rules that can match such an event at all."""
        key = (source, event_type)
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = [
                rule
                for rule in self.rules
                if rule.source == source and (rule.event_types is None or event_type in rule.event_types)
            ]
        return found

    def _count(self, rule: Rule, error: Exception) -> None:
        if not self.errors[rule.name]:
            log.warning("rule_failed", rule=rule.name, error=repr(error))
        self.errors[rule.name] += 1
