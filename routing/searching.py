"""A condition over alerts as a database query, with the language's meaning: a missing field makes a test false.

What databases cannot do with the language's exact meaning (patterns, addresses, transformers, comparing two fields)
is refused with its place in the text; routes and silences take it, for they run in Python.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F, Q, TextField, Value
from django.db.models.expressions import Expression
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Left, Lower, Right, StrIndex
from django.db.models.lookups import Exact, GreaterThan

from routing.alert_fields import CATALOG
from sensor.fields.kinds import NUMBERS, Type
from sensor.rules import ast, parser, typed
from sensor.rules.checker import Checker
from sensor.rules.errors import RuleError

_COLUMNS = {
    "alert.rule": "rule",
    "alert.priority": "priority",
    "alert.source": "source",
    "alert.hostname": "hostname",
    "alert.output": "output",
    "alert.time": "time_ns",
    "sensor.name": "sensor__name",
}
_ORDER = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_SEVERITY = {"<": "gt", "<=": "gte", ">": "lt", ">=": "lte"}
NOT_SEARCHABLE = "NOT_SEARCHABLE"
MOST_TESTS = 400
"""SQLite takes expressions of a depth of 1,000, and every test may be two deep."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def search(text: str) -> Q:
    """The query of a condition; an empty one finds every alert. Raises RuleError with the place of what is wrong."""
    if not text.strip():
        return Q()
    tree = parser.parse(text, priorities=True)
    checker = Checker(CATALOG)
    if checker.condition(tree) is None:
        raise min(checker.errors, key=lambda error: error.span.start)
    found = _query(tree, checker)
    if (size := _size(found)) > MOST_TESTS:
        raise _refused(tree, f"{size} tests are too many to search for at once; {MOST_TESTS} is the most")
    return found


def _size(query: Q) -> int:
    return sum(_size(part) if isinstance(part, Q) else 1 for part in query.children)


def _query(node: ast.Expr, checker: Checker) -> Q:
    if isinstance(node, ast.And | ast.Or):
        parts = [_query(child, checker) for child in node.children]
        found = parts[0]
        for part in parts[1:]:
            found = found & part if isinstance(node, ast.And) else found | part
        return found
    if isinstance(node, ast.Not):
        return ~_query(node.child, checker)
    leaf = checker.condition(node)
    left = getattr(leaf, "left", None)
    if not isinstance(left, typed.Read):
        raise _refused(node, "a transformer cannot be searched for")
    if isinstance(leaf, typed.Has):
        return _exists(left, node)
    if not isinstance(leaf, typed.Test) or (leaf.modifier and leaf.modifier != "anyof"):
        raise _refused(node, "only comparisons with plain values can be searched for")
    tests = [(leaf.operator, leaf.values)]
    if leaf.modifier == "anyof" and leaf.operator != "=":
        tests = [(leaf.operator, (value,)) for value in leaf.values]
    found = Q(pk__in=[])
    for operator, values in tests:
        found |= _test(left, "in" if leaf.modifier and operator == "=" else operator, values, node)
    return found


def _test(left: typed.Read, operator: str, values: tuple[Any, ...], node: ast.Expr) -> Q:
    label, kind = left.bound.label, left.type
    if label == "alert.tags":
        return _tags(operator, values, node)
    if left.is_list or kind in (Type.IPADDR, Type.IPNET):
        raise _refused(node, f"{label} cannot be searched for")
    if label == "alert.time":
        return _time(operator, values, node)
    column = _COLUMNS.get(label)
    if column is None:
        return _in_fields(left, operator, values, node)
    if operator in _ORDER:
        order = _SEVERITY if kind is Type.PRIORITY else _ORDER
        return Q(**{f"{column}__{order[operator]}": values[0]})
    if operator in ("=", "in"):
        return Q(**{f"{column}__in": list(values)})
    if operator == "!=":
        return Q(**{f"{column}__isnull": False}) & ~Q(**{column: values[0]})
    return Q(**{f"{column}__isnull": False}) & _text(F(column), operator, values[0], node)


def _tags(operator: str, values: tuple[Any, ...], node: ast.Expr) -> Q:
    """Tags are a JSON list; a tag is in it where its JSON text is in the list's."""
    if operator != "intersects":
        raise _refused(node, "tags can be searched for with intersects")
    found = Q(pk__in=[])
    for value in values:
        found |= Q(GreaterThan(StrIndex(Cast("tags", TextField()), Value(json.dumps(value))), 0))
    return found


def _time(operator: str, values: tuple[Any, ...], node: ast.Expr) -> Q:
    """Nanoseconds, narrowed by the microseconds of the indexed column."""
    if operator not in _ORDER:
        raise _refused(node, "time can be searched for with <, <=, > and >=")
    moment = EPOCH + timedelta(microseconds=values[0] // 1000)
    near = {"<": "lte", "<=": "lte", ">": "gte", ">=": "gte"}[operator]
    return Q(**{f"time__{near}": moment, f"time_ns__{_ORDER[operator]}": values[0]})


def _in_fields(left: typed.Read, operator: str, values: tuple[Any, ...], node: ast.Expr) -> Q:
    """A test of one of `output_fields`."""
    key = _key(left, node)
    there = _exists(left, node)
    if left.type in NUMBERS:
        if operator in _ORDER:
            return there & Q(**{f"output_fields__{key}__{_ORDER[operator]}": values[0]})
        same = Q(**{f"output_fields__{key}__in": list(values)})
        return there & ~same if operator == "!=" else there & same
    if left.type is Type.BOOL:
        same = Q(**{f"output_fields__{key}__in": list(values)})
        return there & ~same if operator == "!=" else there & same
    text = Cast(KT(f"output_fields__{key}"), TextField())
    same = Q(pk__in=[])
    if operator in ("=", "in", "!="):
        for value in values:
            same |= Q(Exact(text, Value(value)))
        return there & ~same if operator == "!=" else there & same
    return there & _text(text, operator, values[0], node)


def _exists(left: typed.Read, node: ast.Expr) -> Q:
    label = left.bound.label
    if label in _COLUMNS:
        return Q(**{f"{_COLUMNS[label]}__isnull": False})
    key = _key(left, node)
    # A key that holds null is as missing as one that is not there.
    return Q(**{f"output_fields__{key}__isnull": False}) & ~Q(**{f"output_fields__{key}": None})


def _key(left: typed.Read, node: ast.Expr) -> str:
    """The key of `output_fields` that a field reads."""
    bound = left.bound
    key = str(bound.argument) if bound.field.name == "alert.field" else bound.label
    if "__" in key:
        # Django would read it as a path.
        raise _refused(node, f"{key} cannot be searched for")
    return key


def _text(expression: Expression | F, operator: str, value: str, node: ast.Expr) -> Q:
    """Tests of text that both databases do exactly: `LIKE` is not one, for SQLite's does not know case."""
    if operator == "contains":
        return Q(GreaterThan(StrIndex(expression, Value(value)), 0))
    if operator == "icontains":
        return Q(GreaterThan(StrIndex(Lower(expression), Value(value.lower())), 0))
    if not value:
        return Q() if operator in ("startswith", "endswith") else Q(pk__in=[])
    if operator == "startswith":
        return Q(Exact(Left(expression, len(value)), Value(value)))
    if operator == "endswith":
        return Q(Exact(Right(expression, len(value)), Value(value)))
    raise _refused(node, f"'{operator}' cannot be searched for; use contains, icontains, startswith or endswith")


def _refused(node: ast.Expr, message: str) -> RuleError:
    if node.span is None:
        raise ValueError(f"a tree without positions cannot be searched: {message}")
    return RuleError(NOT_SEARCHABLE, message, node.span)
