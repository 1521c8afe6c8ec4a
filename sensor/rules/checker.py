"""Tree → checked condition: every field exists, every operator fits its type, every literal is one.

All errors of a condition are collected, so that a person sees them at once.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sensor.fields.catalog import MAX_NAME, Catalog, UnknownField
from sensor.fields.kinds import LIST_ELEMENTS, STRINGS, Type, allowed_operators, family
from sensor.rules import ast, literals, text, transformers, typed
from sensor.rules.errors import RuleError, Span
from sensor.rules.lexer import COMPILE_ERROR

MAX_NODES = 20_000
"""Checks and operators in one condition, macros put in place."""
MAX_GUESSES = 100
"""Mistakes for which it is looked what was probably meant, which takes about a millisecond each."""

_EXACT = frozenset({"=", "!=", "in", "intersects"})


Node = TypeVar("Node")


class Failed(Exception):
    """One or more errors, already collected; what could not be checked has no value."""


class Checker:
    """Checks conditions against one catalog and interns what they become."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.errors: list[RuleError] = []
        self._guesses = 0
        self._interned: dict[tuple[Any, ...], Any] = {}
        self._done: dict[int, tuple[ast.Expr, typed.Condition | None, tuple[RuleError, ...]]] = {}

    def condition(self, expr: ast.Expr) -> typed.Condition | None:
        """The checked condition, or None with what is wrong added to `errors`.

        A tree that was seen before (a macro used by many rules) is not checked again; its errors are told again.
        """
        known = self._done.get(id(expr))
        if known is not None:
            self.errors += known[2]
            return known[1]
        before = len(self.errors)
        found = self._condition(expr)
        self._done[id(expr)] = (expr, found, tuple(self.errors[before:]))
        return found

    def _condition(self, expr: ast.Expr) -> typed.Condition | None:
        if isinstance(expr, ast.And | ast.Or):
            kind = typed.All if isinstance(expr, ast.And) else typed.Any_
            children: list[typed.Condition] = []
            failed = False
            for one in expr.children:
                child = self.condition(one)
                failed = failed or child is None
                if child is not None:
                    children.append(child)
            if failed:
                return None
            if kind is typed.All:
                return self._intern(typed.All, tuple(children))
            return self._intern(typed.Any_, tuple(children))
        if isinstance(expr, ast.Not):
            child = self.condition(expr.child)
            if isinstance(child, typed.Negate):
                return child.child
            return None if child is None else self._intern(typed.Negate, child)
        try:
            return self._leaf(expr)
        except Failed:
            return None

    def _leaf(self, expr: ast.Expr) -> typed.Condition:
        if isinstance(expr, ast.Exists):
            return self._intern(typed.Has, self.operand(expr.left))
        if isinstance(expr, ast.Compare):
            return self._comparison(expr)
        raise self.failed(f"Undefined macro '{expr}' used in filter.", expr.span)

    def _intern(self, kind: Callable[..., Node], *parts: Any) -> Node:
        key = (kind, *parts)
        found: Node | None = self._interned.get(key)
        if found is None:
            found = self._interned[key] = kind(*parts)
        return found

    def failed(self, message: str, span: Span | None, hint: str = "") -> Failed:
        """Collect an error; the caller raises what this returns."""
        if span is None:
            raise ValueError(f"a tree without positions cannot be checked: {message}")
        self.errors.append(RuleError(COMPILE_ERROR, message, span, hint=hint))
        return Failed()

    def operand(self, node: ast.Operand, *, inside: bool = False) -> typed.Operand:
        """A field, a transformer or (only `inside` a transformer) a literal or list; raises Failed."""
        if isinstance(node, ast.Field):
            return self.field(node, transformed=inside)
        if isinstance(node, ast.Transform):
            return self.transform(node)
        if isinstance(node, ast.Items):
            return self._intern(typed.Const, self._items(node), Type.CHARBUF, True)
        return self._intern(typed.Const, node.text, Type.CHARBUF, False)

    def _items(self, node: ast.Items) -> tuple[typed.Operand, ...]:
        items = tuple(self.operand(item, inside=True) for item in node.items)
        if any(item.is_list for item in items):
            raise self.failed("a list inside a list is not supported", node.span)
        return items

    def field(self, node: ast.Field, *, transformed: bool = False, right: bool = False) -> typed.Read:
        """The field; raises Failed where there is none, or where it may not stand here."""
        try:
            bound = self.catalog.find(node.name, node.argument)
        except UnknownField as error:
            if not error.misspelt:
                raise self.failed(str(error), node.span) from None
            message = f"filter_check called with nonexistent field {error.misspelt[:MAX_NAME]}"
            raise self.failed(message, node.span, self._guess(self.catalog.nearest, error.misspelt)) from None
        if transformed and not bound.field.transformable:
            raise self.failed(f"field '{node.name}' does not support transformers", node.span)
        if right and not bound.field.transformable:
            raise self.failed(f"field '{node.name}' cannot stand on the right-hand side", node.span)
        key = (typed.Read, bound.label)
        found = self._interned.get(key)
        if not isinstance(found, typed.Read):
            found = self._interned[key] = typed.Read(bound, bound.field.type, bound.is_list)
        return found

    def transform(self, node: ast.Transform) -> typed.Apply:
        """A transformer over operands it takes; raises Failed."""
        operands = tuple(self.operand(one, inside=True) for one in node.operands)
        try:
            kind, is_list = transformers.result(node.name, [(one.type, one.is_list) for one in operands], node.argument)
        except ValueError as error:
            raise self.failed(str(error), node.span) from None
        return self._intern(typed.Apply, node.name, operands, node.argument, kind, is_list)

    def _comparison(self, node: ast.Compare) -> typed.Condition:
        left = self.operand(node.left)
        operator = "=" if node.operator == "==" else node.operator
        self._operator_fits(left, operator, node)
        if isinstance(node.right, ast.FieldValue | ast.Transform):
            return self._versus(left, operator, node, node.right)
        if node.modifier and left.is_list:
            raise self.failed(f"'{node.modifier}' does not work on list fields", node.span)
        values = tuple(self._constant(left, operator, value) for value in _values(node.right))
        if operator == "in" and not left.is_list and len(values) == 1:
            operator = "="
        return self._intern(typed.Test, left, operator, values, node.modifier)

    def _operator_fits(self, left: typed.Operand, operator: str, node: ast.Compare) -> None:
        if left.is_list and left.type not in LIST_ELEMENTS and left.type not in STRINGS:
            raise self.failed(f"lists of {left.type} cannot be compared", node.left.span)
        if operator not in allowed_operators(left.type, left.is_list):
            name = family(left.type, left.is_list)
            message = f"'{operator}' operator not supported for {name} filters"
            raise self.failed(message, node.span, _operator_advice(operator, name))

    def _constant(self, left: typed.Operand, operator: str, value: ast.Value) -> Any:
        if operator in _EXACT and isinstance(left, typed.Read) and left.bound.field.values is not None:
            wrong = left.bound.field.values(value.text)
            if wrong:
                near = left.bound.field.near
                raise self.failed(wrong, value.span, self._guess(near, value.text) if near is not None else "")
        try:
            found = literals.constant(left.type, operator, value.text)
            if operator == "regex":
                text.regex(found)
        except ValueError as error:
            raise self.failed(str(error), value.span, _literal_advice(left, value.text)) from None
        return found

    def _guess(self, nearest: Callable[[str], str], written: str) -> str:
        """What was probably meant, as a hint; for the first mistakes only."""
        self._guesses += 1
        guess = nearest(written) if self._guesses <= MAX_GUESSES else ""
        return f"did you mean {guess}?" if guess else ""

    def _versus(
        self, left: typed.Operand, operator: str, node: ast.Compare, right: ast.FieldValue | ast.Transform
    ) -> typed.Condition:
        if operator in ("pmatch", "regex") or left.type is Type.IPNET:
            what = "network fields" if left.type is Type.IPNET else f"'{operator}'"
            raise self.failed(f"{what} cannot be compared with another field", node.span)
        if isinstance(right, ast.FieldValue):
            other: typed.Operand = self.field(right.field, right=True)
        else:
            other = self.transform(right)
        same = other.type is left.type or {other.type, left.type} <= STRINGS
        if not same or other.is_list != left.is_list:
            raise self.failed(f"the two sides have different types: {_shape(left)} and {_shape(other)}", node.span)
        return self._intern(typed.Versus, left, operator, other)


def _shape(operand: typed.Operand) -> str:
    return f"list of {operand.type}" if operand.is_list else str(operand.type)


def _values(right: Any) -> tuple[ast.Value, ...]:
    if isinstance(right, ast.Items):
        return tuple(item for item in right.items if isinstance(item, ast.Value))
    if isinstance(right, ast.Name):
        return (ast.Value(right.name, span=right.span),)
    return (right,)


def _literal_advice(left: typed.Operand, text: str) -> str:
    if left.type is Type.IPADDR and "/" in text and isinstance(left, typed.Read):
        return f"compare networks with {left.bound.field.name.removesuffix('ip')}net"
    return ""


def _operator_advice(operator: str, name: str) -> str:
    if name == "numeric":
        return "use =, !=, <, <=, >, >= or in"
    if name == "list":
        return "use in or intersects"
    if name == "network":
        return "use =, != or in"
    return ""


def expand(expr: ast.Expr, macros: Mapping[str, ast.Expr]) -> ast.Expr:
    """The tree with macros put in place; a name that is no macro stays, for the checker to complain about."""
    if isinstance(expr, ast.Name):
        return macros.get(expr.name, expr)
    if isinstance(expr, ast.And | ast.Or):
        children = tuple(expand(child, macros) for child in expr.children)
        if all(new is old for new, old in zip(children, expr.children, strict=True)):
            return expr
        return type(expr)(children, span=expr.span)
    if isinstance(expr, ast.Not):
        child = expand(expr.child, macros)
        return expr if child is expr.child else ast.Not(child, span=expr.span)
    return expr


def bounded(expr: ast.Expr) -> ast.Expr:
    """The tree, where it is not larger than a condition may be; raises RuleError."""
    number, pending = 0, [expr]
    while pending:
        one = pending.pop()
        number += 1
        if number > MAX_NODES and expr.span is not None:
            raise RuleError(COMPILE_ERROR, f"the condition has more than {MAX_NODES} parts", expr.span)
        pending.extend(ast.children(one))
    return expr
