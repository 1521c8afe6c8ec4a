"""Upstream's warnings about rules that load: deprecated fields, costly patterns, values that look like fields."""

import re
from collections.abc import Iterator

from sensor.fields.catalog import Catalog, UnknownField
from sensor.rules import ast, typed
from sensor.rules.definitions import Definitions, RuleDef
from sensor.rules.errors import Place, RuleError, RuleWarning, Source, Span
from sensor.rules.evttypes import Types
from sensor.rules.lexer import FIELD
from sensor.rules.output import Output
from sensor.rules.parser import Parser

MAX_EVENT_TYPES = 100
_PLAIN_REGEX = re.compile(r"\^?(?:\.[*+?])?[^.*+?()\[\]{}|\\^$]*(?:\.[*+?])?\$?\Z")
_NA = "<NA>"
_CONTAINER_INFO = "%container.info"


def unused(definitions: Definitions) -> list[RuleWarning]:
    """Macros and lists that nothing uses."""
    found = []
    for kind, items in (("macro", definitions.macros), ("list", definitions.lists)):
        for one in items.values():
            if not one.used:
                message = f"{kind.capitalize()} not referred to by any other rule/macro{'/list' * (kind == 'list')}"
                place = Place(kind, one.name, one.span)
                found.append(RuleWarning(f"LOAD_UNUSED_{kind.upper()}", message, one.span, places=(place,)))
    return found


def without_container_info(output: Source) -> Source:
    """The output without `%container.info`, which upstream replaces by nothing; positions stay right before it."""
    if _CONTAINER_INFO not in output.text:
        return output
    return Source(output.name, output.text.replace(_CONTAINER_INFO, ""), output.pieces)


Seen = dict[int, ast.Expr]
"""Conditions already looked at, by identity; kept, so that no other gets their identity."""


def about_rule(
    rule: RuleDef, condition: ast.Expr, output: Output, types: Types, catalog: Catalog, seen: Seen
) -> list[RuleWarning]:
    """Everything upstream warns of in one rule. What is `seen`, a macro of an earlier rule, is not warned of again."""
    found = [*about_condition(condition, catalog, seen), *_about_output(rule, output, catalog)]
    if (
        catalog.type_field
        and rule.warn_evttypes
        and (types.inverted or not types.names or len(types.names) > MAX_EVENT_TYPES)
    ):
        message = "Rule matches too many evt.type values. This has a significant performance penalty."
        found.append(RuleWarning("LOAD_NO_EVTTYPE", message, Span(rule.condition, 0, len(rule.condition.text))))
    return [one.within(rule.place) for one in found]


def about_condition(expr: ast.Expr, catalog: Catalog, seen: Seen) -> Iterator[RuleWarning]:
    """What is deprecated or probably not meant in a condition."""
    if id(expr) in seen:
        return
    seen[id(expr)] = expr
    for child in ast.children(expr):
        yield from about_condition(child, catalog, seen)
    if isinstance(expr, ast.Exists | ast.Compare):
        yield from _deprecated(expr.left, catalog, "condition")
    if isinstance(expr, ast.Compare):
        yield from about_comparison(expr, catalog)


def about_comparison(expr: ast.Compare, catalog: Catalog) -> Iterator[RuleWarning]:
    """What one comparison probably does not mean."""
    items = expr.right.items if isinstance(expr.right, ast.Items) else (expr.right,)
    values = [item for item in items if isinstance(item, ast.Value) and item.span is not None]
    unsafe = _unsafe_na(expr, values)
    if unsafe is not None:
        yield unsafe
    for value in values:
        if value.span is None:
            continue
        message = _misused(value.text, catalog)
        if not message and expr.operator == "regex" and _PLAIN_REGEX.match(value.text):
            message = (
                f"regex check with '{value.text}' may be optimized with simpler operators such as '=', 'contains', "
                "'startswith', 'endswith'"
            )
        if message:
            yield RuleWarning("LOAD_COMPILE_CONDITION", message, value.span)


def _unsafe_na(expr: ast.Compare, values: list[ast.Value]) -> RuleWarning | None:
    left = expr.left
    if not isinstance(left, ast.Field) or left.name.split(".")[0] not in ("ka", "jevt") or expr.span is None:
        return None
    if not any(value.text == _NA for value in values):
        return None
    message = "a missing field is not the text <NA>: such a comparison does not hold; use 'exists' or 'not … exists'"
    return RuleWarning("LOAD_UNSAFE_NA_CHECK", message, expr.span)


def _misused(text: str, catalog: Catalog) -> str:
    squeezed = "".join(text.split())
    if "(" not in squeezed and not _begins_as_field(squeezed, catalog):
        return ""
    parser = Parser(Source("value", squeezed))
    try:
        found = parser.transform() or parser.field()
    except RuleError:
        return ""
    if found is None or parser.cursor.at < len(squeezed):
        return ""
    if isinstance(found, ast.Transform):
        return f"'{text}' may be a valid field transformer misused as a const string value"
    try:
        catalog.find(found.name, found.argument)
    except UnknownField:
        return ""
    return f"'{text}' may be a valid field misused as a const string value"


def _begins_as_field(text: str, catalog: Catalog) -> bool:
    """Whether there is a field of the name that the text begins with; most values are refused here, cheaply."""
    name = FIELD.match(text)
    if name is None:
        return False
    try:
        catalog.find(name.group())
    except UnknownField as error:
        return not error.misspelt
    return True


def _deprecated(operand: ast.Operand, catalog: Catalog, where: str) -> Iterator[RuleWarning]:
    if isinstance(operand, ast.Transform):
        for inner in operand.operands:
            yield from _deprecated(inner, catalog, where)
    if isinstance(operand, ast.Field) and operand.span is not None:
        try:
            bound = catalog.find(operand.name, operand.argument)
        except UnknownField:
            return
        if bound.field.deprecated:
            yield deprecated(bound.field.name, bound.field.deprecated, where, operand.span)


def deprecated(name: str, why: str, where: str, span: Span) -> RuleWarning:
    """The warning about a field that is on its way out."""
    message = f"usage of deprecated field '{name}' has been detected in the rule {where}: it {why}"
    return RuleWarning("LOAD_DEPRECATED_ITEM", message, span, subject=name)


def _about_output(rule: RuleDef, output: Output, catalog: Catalog) -> Iterator[RuleWarning]:
    at = rule.output.text.find(_CONTAINER_INFO)
    if at >= 0:
        message = "%container.info is deprecated and replaced by nothing: use append_output"
        span = Span(rule.output, at, at + len(_CONTAINER_INFO))
        yield RuleWarning("LOAD_DEPRECATED_ITEM", message, span, subject="container.info")
    for token in output.tokens:
        if isinstance(token.operand, typed.Read) and token.operand.bound.field.deprecated:
            field = token.operand.bound.field
            start = max(0, rule.output.text.find(f"%{field.name}"))
            span = Span(rule.output, start, start + len(field.name) + 1)
            yield deprecated(field.name, field.deprecated, "output", span)
