"""Puts lists and macros in place, on the tree.

Upstream replaces the names of lists in the text of a condition before parsing it, list by list in the order of
their definition. What rule files rely on is kept: a list may name lists, one name may stand for many values, an
item may hold its own quotes or several values. What is not kept is replacing words inside quoted literals.
See docs/decisions/rules-lists-as-nodes.md.
"""

import difflib
from collections.abc import Iterable

from sensor.rules import ast, lexer
from sensor.rules.checker import MAX_NODES
from sensor.rules.definitions import Definitions, ListDef, MacroDef, RuleDef
from sensor.rules.errors import Place, RuleError
from sensor.rules.lexer import Cursor
from sensor.rules.parser import parse_source
from sensor.rules.yaml_tree import Scalar, text_of

INVALID = "LOAD_ERR_VALIDATE"
MAX_LIST_VALUES = 100_000
MAX_VALUES = 1_000_000
"""Values of all lists together, and values in all conditions together once lists are put in place."""
MAX_GUESSED = 100_000
"""Names that undefined ones are compared with, to tell what was probably meant; ten microseconds each."""
MAX_LEVELS = 100
"""Conditions within each other, macros put in place: everything that walks a tree does so by calling itself."""


class Resolver:
    """Resolves conditions against one set of definitions; everything is resolved once and remembered."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.errors: list[RuleError] = []
        self._lists: dict[str, tuple[ast.Value, ...]] = {}
        self._expanded: dict[str, tuple[ast.Value, ...]] = {}
        self._macros: dict[str, ast.Expr | None] = {}
        self._sizes: dict[int, tuple[ast.Expr, int]] = {}
        self._levels: dict[int, tuple[ast.Expr, int]] = {}
        self._guessed = 0
        self._listed = 0
        self._placed = 0
        for found in sorted(definitions.lists.values(), key=lambda one: one.order):
            self._lists[found.name] = self._values(found)

    def _values(self, found: ListDef) -> tuple[ast.Value, ...]:
        """The values of a list: items that name an earlier list become that list's items, one level deep."""
        if self._listed > MAX_VALUES:
            return ()
        values: list[ast.Value] = []
        place = Place("list", found.name, found.span)
        for item in found.items:
            inner = self.definitions.lists.get(item.value)
            if inner is not None and inner.order < found.visibility and inner is not found:
                inner.used = True
                texts: Iterable[Scalar] = inner.items
            else:
                texts = (item,)
            for text in texts:
                try:
                    values.extend(item_values(text))
                except RuleError as error:
                    self.errors.append(error.within(place))
            if len(values) > MAX_LIST_VALUES:
                message = f"list '{found.name}' has more than {MAX_LIST_VALUES} values"
                self.errors.append(RuleError(INVALID, message, found.span, places=(place,)))
                return ()
        self._listed += len(values)
        if self._listed > MAX_VALUES:
            message = f"all lists together have more than {MAX_VALUES} values"
            self.errors.append(RuleError(INVALID, message, found.span, places=(place,)))
            return ()
        return tuple(values)

    def values_of(self, name: str) -> tuple[ast.Value, ...]:
        """The values of a list by its name."""
        return self._lists.get(name, ())

    def list_values(self, value: ast.Value) -> tuple[ast.Value, ...]:
        """What a bare word in a list stands for; itself, where it names no list."""
        if value.quoted or value.text not in self.definitions.lists:
            return (value,)
        found = self._expanded.get(value.text)
        if found is None:
            found = self._expanded[value.text] = self._expansion(value)
        return found

    def _expansion(self, value: ast.Value) -> tuple[ast.Value, ...]:
        pending: list[tuple[ast.Value, int]] = [(value, -1)]
        found: list[ast.Value] = []
        while pending:
            one, after = pending.pop()
            known = None if one.quoted else self.definitions.lists.get(one.text)
            if known is None or known.order <= after:
                found.append(one)
                continue
            known.used = True
            # As in upstream, what a list put in may itself be the name of a list defined later.
            pending += [(inner, known.order) for inner in reversed(self.values_of(known.name))]
            if len(pending) + len(found) > MAX_LIST_VALUES:
                raise RuleError(INVALID, f"more than {MAX_LIST_VALUES} values in one list", known.span)
        return tuple(found)

    def with_lists(self, expr: ast.Expr) -> ast.Expr:
        """The condition with the names of lists replaced by their values."""
        if isinstance(expr, ast.And | ast.Or):
            return type(expr)(tuple(self.with_lists(child) for child in expr.children), span=expr.span)
        if isinstance(expr, ast.Not):
            return ast.Not(self.with_lists(expr.child), span=expr.span)
        if not isinstance(expr, ast.Compare):
            return expr
        right = expr.right
        if isinstance(right, ast.Items):
            return self._with_right(expr, self._items(right, right.items))
        if isinstance(right, ast.Name):
            return self._with_right(expr, self._items(right, (ast.Value(right.name, span=right.span),)))
        if isinstance(right, ast.Value) and not right.quoted and right.text in self.definitions.lists:
            return self._with_right(expr, self._one(right))
        return expr

    def _with_right(self, expr: ast.Compare, right: ast.Items | ast.Value) -> ast.Compare:
        return ast.Compare(expr.left, expr.operator, right, expr.modifier, span=expr.span)

    def _items(self, node: ast.Node, items: Iterable[ast.Operand]) -> ast.Items:
        found: list[ast.Operand] = []
        for item in items:
            values = self.list_values(item) if isinstance(item, ast.Value) else (item,)
            self._placed += len(values)
            if self._placed > MAX_VALUES and node.span is not None:
                raise RuleError(INVALID, f"all conditions together have more than {MAX_VALUES} values", node.span)
            found += values
        return ast.Items(tuple(found), span=node.span)

    def _one(self, value: ast.Value) -> ast.Value:
        found = self.list_values(value)
        if len(found) != 1:
            if value.span is None:
                raise ValueError("a tree without positions cannot be resolved")
            message = f"list '{value.text}' has {len(found)} values where one is compared"
            raise RuleError(lexer.COMPILE_ERROR, message, value.span, hint="use 'in' with the list in parentheses")
        return ast.Value(found[0].text, found[0].quoted, span=value.span)

    def macro(self, found: MacroDef, path: tuple[str, ...] = (), level: int = 0) -> ast.Expr | None:
        """The condition of a macro, resolved; None where it has an error, which is collected once."""
        if found.name in self._macros:
            return self._macros[found.name]
        self._macros[found.name] = None
        place = Place("macro", found.name, found.span)
        try:
            parsed = self.with_lists(parse_source(found.condition))
            resolved = self.with_macros(parsed, found.visibility, (*path, found.name), level)
        except RuleError as error:
            self.errors.append(error.within(place))
            resolved = None
        self._macros[found.name] = resolved
        return resolved

    def with_macros(
        self, expr: ast.Expr, limit: int | None = None, path: tuple[str, ...] = (), level: int = 0
    ) -> ast.Expr | None:
        """The condition with macros put in place; None where one of them is broken.

        `limit` is the visibility of the macro whose condition this is: it sees macros first defined before.
        """
        if isinstance(expr, ast.Name):
            return self._reference(expr, limit, path, level)
        if level > MAX_LEVELS:
            raise _too_deep(expr)
        if isinstance(expr, ast.And | ast.Or):
            children = [self.with_macros(child, limit, path, level + 1) for child in expr.children]
            if any(child is None for child in children):
                return None
            return type(expr)(tuple(child for child in children if child is not None), span=expr.span)
        if isinstance(expr, ast.Not):
            child = self.with_macros(expr.child, limit, path, level + 1)
            return None if child is None else ast.Not(child, span=expr.span)
        return expr

    def _reference(self, name: ast.Name, limit: int | None, path: tuple[str, ...], level: int) -> ast.Expr | None:
        if name.span is None:
            raise ValueError("a tree without positions cannot be resolved")
        found = self.definitions.macros.get(name.name)
        if found is None and name.name in self.definitions.broken:
            return None
        if name.name in path:
            raise RuleError(INVALID, "reference loop in macro", name.span, hint=" → ".join((*path, name.name)))
        if found is None or (limit is not None and found.order >= limit):
            raise RuleError(
                INVALID, f"Undefined macro '{name.name}' used in filter.", name.span, hint=self._guess(name, found)
            )
        found.used = True
        resolved = self.macro(found, path, level)
        if resolved is not None and level + self.levels(resolved) > MAX_LEVELS:
            raise _too_deep(name)
        return resolved

    def _guess(self, name: ast.Name, found: MacroDef | None) -> str:
        if found is not None:
            return "a macro must be defined before the macro that uses it"
        if name.name in self.definitions.lists:
            return f"{name.name} is a list: use it as in 'proc.name in ({name.name})'"
        self._guessed += len(self.definitions.macros)
        if self._guessed > MAX_GUESSED:
            return ""
        close = difflib.get_close_matches(name.name[:60], self.definitions.macros, n=1, cutoff=0.7)
        return f"did you mean {close[0]}?" if close else ""

    def levels(self, expr: ast.Expr) -> int:
        """How deep the condition is."""
        known = self._levels.get(id(expr))
        if known is None:
            number = 1 + max((self.levels(child) for child in ast.children(expr)), default=0)
            known = self._levels[id(expr)] = (expr, number)
        return known[1]

    def size(self, expr: ast.Expr) -> int:
        """How many nodes the condition has when written out; shared macros are counted each time."""
        known = self._sizes.get(id(expr))
        if known is None:
            number = 1 + sum(self.size(child) for child in ast.children(expr))
            known = self._sizes[id(expr)] = (expr, number)
        return known[1]

    def base_of(self, rule: RuleDef) -> ast.Expr | None:
        """A rule's condition without its exceptions."""
        return self.condition(parse_source(rule.condition))

    def condition(self, expr: ast.Expr) -> ast.Expr | None:
        """A rule's condition, whole; raises RuleError for what is wrong in it."""
        resolved = self.with_macros(self.with_lists(expr))
        if resolved is not None and self.size(resolved) > MAX_NODES:
            span = resolved.span
            if span is None:
                raise ValueError("a tree without positions cannot be resolved")
            message = f"the condition has more than {MAX_NODES} parts once macros are put in place"
            raise RuleError(lexer.COMPILE_ERROR, message, span)
        return resolved


def _too_deep(node: ast.Node) -> RuleError:
    if node.span is None:
        raise ValueError("a tree without positions cannot be resolved")
    message = f"nested more than {MAX_LEVELS} levels deep once macros are put in place"
    return RuleError(lexer.COMPILE_ERROR, message, node.span)


def item_values(item: Scalar) -> tuple[ast.Value, ...]:
    """The values that an item of a list stands for: usually one, its text."""
    text = item.value
    if not text or (" " in text and text[0] not in "\"'"):
        return (ast.Value(text, True, span=item.span),)
    if text[0] not in "\"'" and "," not in text:
        return (ast.Value(text, span=item.span),)
    cursor = Cursor(text_of(item))
    found: list[ast.Value] = []
    while True:
        cursor.blanks()
        quoted = cursor.quoted()
        literal = cursor.take(lexer.BARE) if quoted is None else quoted
        if literal is None:
            raise RuleError(
                INVALID, f"the list item {text[:60]} cannot be read as a value", item.span, hint="is a quote missing?"
            )
        found.append(ast.Value(literal, quoted is not None, span=item.span))
        cursor.blanks()
        if cursor.at == len(cursor.text):
            return tuple(found)
        if not cursor.literally(","):
            raise RuleError(INVALID, f"the list item {text[:60]} cannot be read as a value", item.span)
