"""A condition over alerts as a database query, with the language's meaning: a missing field makes a test false.

What databases cannot do with the language's exact meaning (patterns, addresses, transformers, comparing two fields) is
left to the condition's function, and the query only narrows what that function has to look at.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Lookup, Q, TextField, Value
from django.db.models.expressions import Expression
from django.db.models.functions import Coalesce, Collate, Left, Lower, NullIf, Right, StrIndex
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual

from routing.alert_fields import CATALOG, LOOKUP
from routing.lookups import asking
from routing.stored_values import AnyOf, FlagOf, NumberOf, TextOf, can_read, near
from sensor.fields.kinds import NUMBERS, Type
from sensor.rules import ast, parser, typed
from sensor.rules.checker import Checker
from sensor.rules.compiler import compile_condition
from sensor.rules.errors import RuleError
from sensor.rules.text import lower

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
_LOOKUPS = {"<": LessThan, "<=": LessThanOrEqual, ">": GreaterThan, ">=": GreaterThanOrEqual}
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

    def also(self, columns: Q, *, ordered: bool = False) -> "Search":
        """The same, and something about the alerts' columns; `ordered` where an index in the order of keys finds it."""
        query = self.query & columns
        if ordered:
            return Search(query, self.predicate, ordered=self.predicate is None)
        return replace(self, query=query)


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
    size = 0
    for part in query.children:
        test = part.get_source_expressions()[0] if isinstance(part, Coalesce) else part
        size += _size(test) if isinstance(test, Q) else len(test.rhs) if isinstance(test, In) else 1
    return size


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
    if operator in _ORDER and kind is Type.PRIORITY:
        return Q(**{f"{column}__{_SEVERITY[operator]}": values[0]})
    if operator in _ORDER:
        return _surely(_LOOKUPS[operator](_by_bytes(F(column)), values[0]))
    if operator in ("=", "in"):
        return Q(**{f"{column}__in": list(values)})
    if operator == "!=":
        return Q(**{f"{column}__isnull": False}) & ~Q(**{column: values[0]})
    return _text(F(column), operator, values[0], node)


def _tags(operator: str, values: tuple[Any, ...], node: ast.Expr) -> Q:
    if operator != "intersects":
        raise _refused(node, "tags can be searched for with intersects")
    if connection.vendor != "postgresql":
        return Q(AnyOf("tags", values))
    found = Q(pk__in=[])
    for value in values:
        found |= Q(tags__contains=[value])
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
    value = _value(key, left.type)
    if left.type is Type.DYN:
        # Nothing can be said of an empty one.
        value = NullIf(value, Value("", TextField()))
    is_text = isinstance(value.output_field, TextField)
    if operator in _ORDER:
        return _surely(_LOOKUPS[operator](_by_bytes(value) if is_text else value, values[0]))
    if operator == "!=":
        return Q(IsNull(value, False)) & ~_surely(In(value, values))
    if operator not in ("=", "in"):
        return _text(value, operator, values[0], node)
    return (near(key, values) if is_text else Q()) & _surely(In(value, values))


def _surely(test: "Lookup[Any]") -> Q:
    """To the database a test of what is missing is unknown; here it is false, so that under `not` it is true."""
    return Q(Coalesce(test, Value(False)))


def _value(key: str, kind: Type) -> Expression:
    if kind in NUMBERS:
        return NumberOf(key)
    return FlagOf(key) if kind is Type.BOOL else TextOf(key)


def _exists(left: typed.Read, node: ast.Expr) -> Q:
    label = left.bound.label
    if label in _COLUMNS:
        return Q(**{f"{_COLUMNS[label]}__isnull": False})
    if left.is_list:
        raise _refused(node, f"{label} cannot be searched for")
    return Q(IsNull(_value(_key(left, node), left.type), False))


def _key(left: typed.Read, node: ast.Expr) -> str:
    """The key of `output_fields` that a field reads."""
    bound = left.bound
    key = str(bound.argument) if bound.field.name == "alert.field" else bound.label
    if not can_read(key):
        raise _refused(node, f"{key} cannot be searched for")
    return key


def _text(expression: Expression | F, operator: str, value: str, node: ast.Expr) -> Q:
    """Tests of text that both databases do exactly: `LIKE` is not one, for SQLite's does not know case."""
    if operator == "contains":
        return _surely(GreaterThan(StrIndex(expression, Value(value)), 0))
    if operator == "icontains":
        return _surely(GreaterThan(StrIndex(_lower(expression), Value(lower(value))), 0))
    if operator in ("startswith", "endswith"):
        cut = Left if operator == "startswith" else Right
        # Every text that is there begins and ends with an empty one.
        return _surely(Exact(cut(expression, len(value)), Value(value))) if value else Q(IsNull(expression, False))
    raise _refused(node, f"'{operator}' cannot be searched for; use contains, icontains, startswith or endswith")


def _lower(expression: Expression | F) -> Expression:
    """ASCII letters in lower case, as the language has it: all that SQLite knows, and PostgreSQL in the C locale."""
    return Lower(_by_bytes(expression))


def _by_bytes(expression: Expression | F) -> Expression | F:
    """A text whose order and case are no language's, as in Python and in SQLite."""
    return Collate(expression, "C") if connection.vendor == "postgresql" else expression


def _refused(node: ast.Expr, message: str) -> RuleError:
    if node.span is None:
        raise ValueError(f"a tree without positions cannot be searched: {message}")
    return RuleError(NOT_SEARCHABLE, message, node.span)
