"""A condition over alerts as a database query, with the language's meaning: a missing field makes a test false.

What databases cannot do with the language's exact meaning (patterns, addresses, transformers, comparing two fields) is
left to the condition's function, and the query only narrows what that function has to look at.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.db import connection
from django.db.models import F, Q, TextField, Value
from django.db.models.expressions import Expression
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Left, Lower, Right, StrIndex
from django.db.models.lookups import Exact, GreaterThan

from routing.alert_fields import CATALOG, LOOKUP
from routing.lookups import asking
from sensor.fields.kinds import NUMBERS, Type
from sensor.rules import ast, parser, typed
from sensor.rules.checker import Checker
from sensor.rules.compiler import compile_condition
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
_ORDERED = {"alert.rule", "alert.hostname", "alert.priority"}
"""Fields with an index of their own."""
NOT_SEARCHABLE = "NOT_SEARCHABLE"
MOST_TESTS = {"sqlite": 400, "postgresql": 2_000}
"""SQLite takes expressions of a depth of 1,000, and a test may be two deep; PostgreSQL is asked for more of each."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Search:
    """A condition as it is searched for."""

    query: Q
    """Holds for every alert that the condition holds for, and for no other where there is no `predicate`."""
    predicate: Callable[[Any], bool] | None = None
    """The condition's function, where the database cannot decide all of it."""
    ordered: bool = False
    """An index in the order of keys finds what `query` asks for."""
    indexed: bool = False
    """Another index finds it, in no order; the database's planner does not know how few they are."""


EVERYTHING = Search(Q(), ordered=True)


def search(text: str) -> Search:
    """How a condition is searched for; an empty one finds every alert.

    Raises RuleError with the place of what is wrong.
    """
    if not text.strip():
        return EVERYTHING
    tree = parser.parse(text, priorities=True)
    checker = Checker(CATALOG)
    if checker.condition(tree) is None:
        raise min(checker.errors, key=lambda error: error.span.start)
    parts = tree.children if isinstance(tree, ast.And) else (tree,)
    query, whole, ordered, indexed = Q(), True, False, False
    for part in parts:
        try:
            query &= _query(part, checker)
        except RuleError as error:
            if error.code != NOT_SEARCHABLE:
                raise
            whole = False
            continue
        ordered = ordered or _found_by(part, checker, _is_ordered)
        indexed = indexed or _found_by(part, checker, _is_indexed)
    most = MOST_TESTS[connection.vendor]
    if (size := _size(query)) > most:
        raise _refused(tree, f"{size} tests are too many to search for at once; {most} is the most")
    predicate = None if whole else asking(compile_condition(text, CATALOG), text)
    return Search(query, predicate, ordered and whole, indexed and whole and not ordered)


def _found_by(node: ast.Expr, checker: Checker, kind: Callable[[typed.Test, typed.Read], bool]) -> bool:
    """Whether an index of some kind finds all that a part of the condition holds for."""
    if isinstance(node, ast.And):
        return any(_found_by(child, checker, kind) for child in node.children)
    if isinstance(node, ast.Or):
        return all(_found_by(child, checker, kind) for child in node.children)
    leaf = None if isinstance(node, ast.Not) else checker.condition(node)
    return isinstance(leaf, typed.Test) and isinstance(leaf.left, typed.Read) and kind(leaf, leaf.left)


def _is_ordered(test: typed.Test, field: typed.Read) -> bool:
    """One value of an indexed column: of several, each has an order of its own."""
    return field.bound.label in _ORDERED and test.operator in ("=", "in") and len(test.values) == 1


def _is_indexed(test: typed.Test, field: typed.Read) -> bool:
    """An exact value of one of `output_fields`, or a tag."""
    if connection.vendor != "postgresql":
        return False
    label = field.bound.label
    if label == "alert.tags":
        return test.operator == "intersects"
    return label not in _COLUMNS and field.type not in NUMBERS and test.operator in ("=", "in")


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
    if left.bound.field.name == LOOKUP:
        raise _refused(node, "what lookup tables say is not stored")
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
        if connection.vendor == "postgresql":
            found |= Q(tags__contains=[value])
        else:
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
        if operator == "!=":
            return there & ~same
        return _near(key, values) & there & same
    return there & _text(text, operator, values[0], node)


def _near(key: str, values: tuple[Any, ...]) -> Q:
    """What the index over whole `output_fields` can find: the value as a text, and as whatever else prints so."""
    if connection.vendor != "postgresql":
        return Q()
    found = Q(pk__in=[])
    for value in values:
        found |= Q(output_fields__contains={key: value})
        try:
            other = orjson.loads(value)
        except orjson.JSONDecodeError:
            continue
        if isinstance(other, int | float) and math.isfinite(other):
            found |= Q(output_fields__contains={key: other})
    return found


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
