"""Why a rule matched an event, or did not: every part of its condition with what it came to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sensor.fields.catalog import Catalog
from sensor.rules import ast, typed
from sensor.rules.checker import Checker, bounded
from sensor.rules.compiler import compile_checked, parse_condition, reader_of
from sensor.rules.definitions import Definitions
from sensor.rules.output import MISSING
from sensor.rules.ruleset import Rule

SHOWN = 200
"""Characters of a condition or a value that are shown."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a condition: its text, whether it held, what its field was, and the parts it is made of."""

    text: str
    held: bool
    value: str
    macro: str
    parts: "tuple[Part, ...]"


def explain(rule: Rule, event: Any, definitions: Definitions) -> Part:
    """The rule's whole condition, part by part."""
    names = {id(macro.condition): macro.name for macro in definitions.macros.values()}
    return _Explainer(rule.catalog, event, names).part(rule.condition, "")


def explain_condition(condition: str, subject: Any, catalog: Catalog) -> Part:
    """A condition that stands alone, part by part. Raises RuleError where it cannot be read."""
    return _Explainer(catalog, subject, {}).part(bounded(parse_condition(condition, catalog)), "")


class _Explainer:
    def __init__(self, catalog: Catalog, event: Any, macros: dict[int, str]) -> None:
        self._catalog = catalog
        self._checker = Checker(catalog)
        self._event = event
        self._macros = macros

    def part(self, expr: ast.Expr, inside: str) -> Part:
        """One part; `inside` is the macro that its parent comes from."""
        checked = self._checker.condition(expr)
        if checked is None:
            raise self._checker.errors[0]
        held = compile_checked(checked, self._catalog)(self._event)
        macro = self._macros.get(id(expr.span.source), "") if expr.span is not None else ""
        parts = tuple(self.part(child, macro) for child in ast.children(expr))
        word = {ast.And: "all of", ast.Or: "any of", ast.Not: "not"}.get(type(expr), "")
        text = word or _cut(str(expr))
        return Part(text, held, self._value(checked), macro if macro != inside else "", parts)

    def _value(self, checked: typed.Condition) -> str:
        if not isinstance(checked, typed.Has | typed.Test | typed.Versus):
            return ""
        found = reader_of(checked.left)(self._event)
        return MISSING if found is None else _cut(repr(found) if isinstance(found, str) else str(found))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def lines(part: Part, depth: int = 0) -> Iterator[str]:
    """The parts as an indented tree: `+` held, `-` did not."""
    mark = "+" if part.held else "-"
    macro = f"   (macro {part.macro})" if part.macro else ""
    value = f"   is {part.value}" if part.value else ""
    yield f"{'  ' * depth}{mark} {part.text}{value}{macro}"
    for one in part.parts:
        yield from lines(one, depth + 1)
