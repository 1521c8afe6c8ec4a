"""Advice beyond upstream's warnings: rules that load and run, and are probably not what was meant."""

from sensor.rules.definitions import Definitions
from sensor.rules.errors import RuleWarning
from sensor.rules.ruleset import Rule


def lints(definitions: Definitions, rules: list[Rule]) -> list[RuleWarning]:
    """All advice about a ruleset without errors."""
    return []
