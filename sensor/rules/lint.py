"""Advice beyond upstream's warnings: rules that load and run, and are probably not what was meant."""

import difflib
from collections.abc import Iterator

from sensor.rules import ast, exceptions
from sensor.rules.checker import Checker
from sensor.rules.definitions import Definitions, ExceptionDef
from sensor.rules.errors import RuleWarning, Span
from sensor.rules.implications import Facts, conjuncts, contradiction
from sensor.rules.resolver import Resolver
from sensor.rules.ruleset import Rule

ALIKE = 0.88
"""How alike a word and a list's name must be for the word to look like a misspelt name."""


MAX_PARTS = 200_000
"""Conditions of all rules together that are compared; rules that come later are not."""
MAX_RULES = 1000
"""Rules of one source that are compared with each other."""
MAX_NAMES = 100_000
"""Names of lists that words are compared with; ten microseconds each."""


def lints(definitions: Definitions, rules: list[Rule]) -> list[RuleWarning]:
    """All advice about a ruleset without errors. It looks at enough of a ruleset of any size, but not at all of it."""
    looked_at = list(_within_reason(rules))
    return [
        *_unused(definitions),
        *_shadowed(looked_at),
        *_impossible(looked_at),
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


def _within_reason(rules: list[Rule]) -> Iterator[tuple[Rule, Facts]]:
    """Rules with what must hold for them to match, until that is too much."""
    parts = 0
    for rule in rules:
        facts = Facts(rule.checked)
        parts += len(facts.conditions)
        if parts > MAX_PARTS:
            return
        yield rule, facts


def _shadowed(rules: list[tuple[Rule, Facts]]) -> Iterator[RuleWarning]:
    earlier: dict[str, list[tuple[Rule, Facts]]] = {}
    for rule, facts in rules:
        others = earlier.setdefault(rule.source, [])
        if not rule.enabled or len(others) == MAX_RULES:
            continue
        for other, wider in others:
            if other.count is None and all(map(facts.imply, wider.conditions)):
                message = f"rule '{rule.name}' never speaks where the first match counts: '{other.name}' always does"
                yield _advice("SHADOWED", message, rule.definition.span, "put the narrower rule first")
                break
        others.append((rule, facts))


def _impossible(rules: list[tuple[Rule, Facts]]) -> Iterator[RuleWarning]:
    for rule, facts in rules:
        why = contradiction(facts.conditions)
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
    compared = 0
    seen: set[int] = set()
    for rule in rules:
        for value in _words(rule.condition, seen):
            if value.span is None or value.quoted or value.text in definitions.lists or "_" not in value.text:
                continue
            compared += len(definitions.lists)
            if compared > MAX_NAMES:
                return
            close = difflib.get_close_matches(value.text[:60], definitions.lists, n=1, cutoff=ALIKE)
            if close:
                message = f"'{value.text}' is compared as a word; there is a list of nearly that name"
                yield _advice("NEAR_MISS", message, value.span, f"did you mean {close[0]}?")


def _words(expr: ast.Expr, seen: set[int]) -> Iterator[ast.Value]:
    """Bare values in lists; those of a macro that several rules use once."""
    if id(expr) in seen:
        return
    seen.add(id(expr))
    for child in ast.children(expr):
        yield from _words(child, seen)
    if isinstance(expr, ast.Compare) and isinstance(expr.right, ast.Items):
        yield from (item for item in expr.right.items if isinstance(item, ast.Value))
