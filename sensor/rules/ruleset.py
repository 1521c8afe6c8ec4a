"""A loaded rule, and the set of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sensor.alert import Priority
from sensor.fields.catalog import Catalog
from sensor.rules import ast, typed
from sensor.rules.compiler import compile_checked
from sensor.rules.correlate import Counting
from sensor.rules.definitions import Definitions, RuleDef
from sensor.rules.errors import RuleError, RuleWarning
from sensor.rules.output import Output


class Rule:
    """A rule that can be asked whether an event matches, and what to say about it."""

    def __init__(
        self,
        definition: RuleDef,
        catalog: Catalog,
        condition: ast.Expr,
        checked: typed.Condition,
        output: Output,
        event_types: frozenset[str] | None,
        count: Counting | None = None,
    ) -> None:
        self.definition = definition
        self.catalog = catalog
        self.condition = condition
        """The tree with lists and macros in place; its print is upstream's `condition_compiled`."""
        self.checked = checked
        self.output = output
        self.event_types = event_types
        """Event types the rule can match, None for all."""
        self.count = count
        """Its correlation, where it has one."""

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.definition.name

    @property
    def priority(self) -> Priority:
        """Its severity."""
        return self.definition.priority

    @property
    def source(self) -> str:
        """The event source it is for."""
        return self.definition.source

    @property
    def tags(self) -> list[str]:
        """Its tags, sorted."""
        return sorted(self.definition.tags)

    @property
    def desc(self) -> str:
        """What it is about."""
        return self.definition.desc

    @property
    def enabled(self) -> bool:
        """Whether the engine uses it."""
        return self.definition.enabled

    @cached_property
    def matches(self) -> Callable[[Any], bool]:
        """The condition as one function of an event; made when first asked for."""
        return compile_checked(self.checked, self.catalog)

    def render(self, event: Any) -> tuple[str, dict[str, Any]]:
        """The output's text, without a time in front, and `output_fields`."""
        return self.output.render(event)

    def __repr__(self) -> str:
        return f"<Rule {self.name!r}>"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What a load gave. With any error there are no rules: a ruleset is never half in force."""

    rules: list[Rule]
    errors: list[RuleError]
    warnings: list[RuleWarning]
    lints: list[RuleWarning]
    definitions: Definitions = field(repr=False)
    files: tuple[str, ...] = ()

    def rule(self, name: str) -> Rule | None:
        """A rule by name."""
        return next((rule for rule in self.rules if rule.name == name), None)
