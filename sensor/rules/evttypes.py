"""Which event types a condition can match: the index of the engine."""

from dataclasses import dataclass

from sensor.rules import ast
from sensor.rules.errors import RuleError
from sensor.rules.lexer import COMPILE_ERROR

TYPE_FIELDS = frozenset({"evt.type", "syscall.type"})


@dataclass(frozen=True, slots=True)
class Types:
    """A set of event types, or everything but a set: there is no list of all types that could end."""

    names: frozenset[str]
    inverted: bool = False

    def __and__(self, other: "Types") -> "Types":
        if self.inverted and other.inverted:
            return Types(self.names | other.names, True)
        if self.inverted:
            return Types(other.names - self.names)
        return Types(self.names - other.names if other.inverted else self.names & other.names)

    def __or__(self, other: "Types") -> "Types":
        return ~(~self & ~other)

    def __invert__(self) -> "Types":
        return Types(self.names, not self.inverted)

    def has(self, name: str) -> bool:
        """Whether the type is in the set."""
        return (name in self.names) != self.inverted

    @property
    def known(self) -> frozenset[str] | None:
        """The types, or None where they cannot be listed."""
        return None if self.inverted else self.names


EVERY = Types(frozenset(), True)


Known = dict[tuple[int, bool], tuple[ast.Expr, Types]]
"""What was inferred of conditions, by identity and sign; they are kept, so that no other gets their identity."""


def inferred(expr: ast.Expr, known: Known | None = None) -> Types:
    """The types for which the condition may hold; raises RuleError where a comparison hides them.

    With `known`, what conditions share (macros) is looked at once.
    """
    return _infer(expr, True, {} if known is None else known)


def _infer(expr: ast.Expr, positive: bool, known: Known) -> Types:
    key = (id(expr), positive)
    if key not in known:
        known[key] = (expr, _inferred(expr, positive, known))
    return known[key][1]


def _inferred(expr: ast.Expr, positive: bool, known: Known) -> Types:
    if isinstance(expr, ast.Not):
        return _infer(expr.child, not positive, known)
    if isinstance(expr, ast.And | ast.Or):
        found = [_infer(child, positive, known) for child in expr.children]
        result = found[0]
        for one in found[1:]:
            result = result & one if isinstance(expr, ast.And) == positive else result | one
        return result
    if not isinstance(expr, ast.Compare) or not _is_type(expr):
        return EVERY
    names = _names(expr)
    if names is None:
        return EVERY
    found_types = Types(names, expr.operator == "!=")
    return found_types if positive else ~found_types


def _is_type(expr: ast.Compare) -> bool:
    left = expr.left
    if isinstance(left, ast.Field):
        return left.name in TYPE_FIELDS
    return any(isinstance(one, ast.Field) and one.name in TYPE_FIELDS for one in left.operands)


def _names(expr: ast.Compare) -> frozenset[str] | None:
    """The types that are named, None where the operator says nothing about them."""
    if not isinstance(expr.left, ast.Field) or isinstance(expr.right, ast.FieldValue | ast.Transform):
        if expr.span is None:
            raise ValueError("a tree without positions cannot be read")
        message = "evt.type must be compared with names, and without transformers, so that rules can be indexed"
        raise RuleError(COMPILE_ERROR, message, expr.span)
    if expr.operator not in ("=", "==", "!=", "in", "intersects"):
        return None
    if isinstance(expr.right, ast.Items):
        names = frozenset(item.text for item in expr.right.items if isinstance(item, ast.Value))
    else:
        names = frozenset({expr.right.text if isinstance(expr.right, ast.Value) else expr.right.name})
    if expr.modifier == "anyof" or not expr.modifier:
        # `!= anyof (a, b)` holds for every type once there are two names.
        return None if expr.operator == "!=" and len(names) > 1 else names
    return names if len(names) == 1 and expr.modifier == "allof" else None
