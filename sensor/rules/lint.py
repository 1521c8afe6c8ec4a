"""Advice beyond upstream's warnings: rules that load and run, and are probably not what was meant."""

import difflib
from collections.abc import Iterator

from sensor.rules import ast, exceptions, typed
from sensor.rules.checker import Checker
from sensor.rules.definitions import Definitions, ExceptionDef
from sensor.rules.errors import RuleWarning, Span
from sensor.rules.implications import conjuncts, contradiction, implied
from sensor.rules.resolver import Resolver
from sensor.rules.ruleset import Rule

ALIKE = 0.88
"""How alike a word and a list's name must be for the word to look like a misspelt name."""


def lints(definitions: Definitions, rules: list[Rule]) -> list[RuleWarning]:
    """All advice about a ruleset without errors."""
    return [
        *_unused(definitions),
        *_shadowed([rule for rule in rules if rule.enabled]),
        *_impossible(rules),
        *_idle_exceptions(definitions, rules),
        *_near_misses(definitions, rules),
    ]


def _advice(code: str, message: str, span: Span, hint: str = "") -> RuleWarning:
    return RuleWarning(f"LINT_{code}", message, span, hint=hint)


def _unused(definitions: Definitions) -> Iterator[RuleWarning]:
    for kind, items in (("macro", definitions.macros), ("list", definitions.lists)):
        for one in items.values():
            if not one.used:
                yield _advice("UNUSED", f"{kind} '{one.name}' is not used", one.span)


def _shadowed(rules: list[Rule]) -> Iterator[RuleWarning]:
    earlier: list[tuple[Rule, frozenset[typed.Condition]]] = []
    for rule in rules:
        wanted = conjuncts(rule.checked)
        for other, less in earlier:
            if other.source == rule.source and other.count is None and all(implied(one, wanted) for one in less):
                message = f"rule '{rule.name}' never speaks where the first match counts: '{other.name}' always does"
                yield _advice("SHADOWED", message, rule.definition.span, "put the narrower rule first")
                break
        earlier.append((rule, wanted))


def _impossible(rules: list[Rule]) -> Iterator[RuleWarning]:
    for rule in rules:
        why = contradiction(conjuncts(rule.checked))
        if not why and rule.event_types is not None and not rule.event_types:
            why = "no event type satisfies it"
        if why:
            span = Span(rule.definition.condition, 0, len(rule.definition.condition.text))
            yield _advice("IMPOSSIBLE", f"rule '{rule.name}' can never match: {why}", span)


def _idle_exceptions(definitions: Definitions, rules: list[Rule]) -> Iterator[RuleWarning]:
    resolver = Resolver(definitions)
    checkers: dict[str, Checker] = {}
    for rule in rules:
        for one in rule.definition.exceptions:
            if not one.values:
                yield _advice("NO_VALUES", f"exception '{one.name}' of rule '{rule.name}' has no values", one.span)
                continue
            checker = checkers.setdefault(rule.source, Checker(rule.catalog))
            if _never_applies(rule, one, resolver, checker):
                message = f"exception '{one.name}' never applies: rule '{rule.name}' does not match such events"
                yield _advice("IDLE_EXCEPTION", message, one.span)


def _never_applies(rule: Rule, one: ExceptionDef, resolver: Resolver, checker: Checker) -> bool:
    found = exceptions.condition(one)
    base = resolver.base_of(rule.definition)
    if found is None or base is None:
        return False
    alternatives = found.children if isinstance(found, ast.Or) else (found,)
    required = checker.condition(base)
    for alternative in alternatives:
        checked = checker.condition(resolver.with_lists(alternative))
        if checked is None or required is None:
            return False
        if not contradiction(conjuncts(required) | conjuncts(checked)):
            return False
    return True


def _near_misses(definitions: Definitions, rules: list[Rule]) -> Iterator[RuleWarning]:
    if not definitions.lists:
        return
    told: set[tuple[str, int]] = set()
    for rule in rules:
        for value in _words(rule.condition):
            if value.span is None or value.quoted or value.text in definitions.lists or "_" not in value.text:
                continue
            close = difflib.get_close_matches(value.text[:60], definitions.lists, n=1, cutoff=ALIKE)
            position = value.span.position
            if close and (position.name, position.offset) not in told:
                told.add((position.name, position.offset))
                message = f"'{value.text}' is compared as a word; there is a list of nearly that name"
                yield _advice("NEAR_MISS", message, value.span, f"did you mean {close[0]}?")


def _words(expr: ast.Expr) -> Iterator[ast.Value]:
    for child in ast.children(expr):
        yield from _words(child)
    if isinstance(expr, ast.Compare) and isinstance(expr.right, ast.Items):
        yield from (item for item in expr.right.items if isinstance(item, ast.Value))
