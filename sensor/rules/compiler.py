"""Checked condition → one Python function, written as source and compiled once.

Nothing of a rule's text goes into the source: names there are made here, literals are constants handed over
beside it. A missing value is None, and each test is written so that None makes it false.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from sensor.fields.catalog import Catalog
from sensor.fields.kinds import Type
from sensor.rules import ast, checker, comparisons, parser, transformers, typed
from sensor.rules.costs import Costs

Predicate = Callable[[Any], bool]
UNREAD = object()
"""Marks a value that this call has not read yet."""

MAX_LEVELS = 30
"""Conditions within each other in one expression."""

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def compile_condition(
    condition: str | bytes | ast.Expr, catalog: Catalog, macros: Mapping[str, ast.Expr] | None = None
) -> Predicate:
    """The function of a condition over `catalog`'s subjects; raises RuleError with the first thing wrong."""
    return compile_checked(check_condition(condition, catalog, macros), catalog)


def check_condition(
    condition: str | bytes | ast.Expr, catalog: Catalog, macros: Mapping[str, ast.Expr] | None = None
) -> typed.Condition:
    """The checked form of one condition; raises RuleError with the first thing wrong."""
    if isinstance(condition, str | bytes):
        condition = parse_condition(condition, catalog)
    checking = checker.Checker(catalog)
    found = checking.condition(checker.bounded(checker.expand(condition, macros or {})))
    if found is None:
        raise checking.errors[0]
    return found


def parse_condition(condition: str | bytes, catalog: Catalog) -> ast.Expr:
    """A condition as a tree, in which priorities have an order where the catalog has them; raises RuleError."""
    return parser.parse(condition, priorities=any(one.type is Type.PRIORITY for one in catalog.fields.values()))


def compile_checked(condition: typed.Condition, catalog: Catalog) -> Predicate:
    """The function of a checked condition."""
    fast: Predicate = compile_source(*predicate_source(condition, catalog, recorded=False))
    if not catalog.recorded:
        return fast
    slow: list[Predicate] = []

    def matches(subject: Any) -> bool:
        if subject.given is None:
            return fast(subject)
        if not slow:
            slow.append(compile_source(*predicate_source(condition, catalog, recorded=True)))
        return slow[0](subject)

    return matches


def predicate_source(condition: typed.Condition, catalog: Catalog, *, recorded: bool) -> tuple[str, dict[str, Any]]:
    """Source of `condition(e)` and the constants it names."""
    writer = Writer(catalog, recorded=recorded)
    body = writer.condition(condition)
    lines = ["def condition(e):", *writer.prelude(), f"    return {body}"]
    return "\n".join(lines), writer.constants


def compile_source(source: str, constants: dict[str, Any]) -> Callable[..., Any]:
    """The function `condition` of a source that this module wrote."""
    scope = dict(constants)
    exec(compile(source, "<rule>", "exec"), scope)  # noqa: S102  no text of a rule is in it
    function: Callable[..., Any] = scope["condition"]
    return function


class Writer:
    """Writes Python expressions for conditions, and remembers what they need: constants, reads, roots."""

    def __init__(self, catalog: Catalog, *, recorded: bool, shared: Collection[typed.Condition] = frozenset()) -> None:
        """`shared` conditions occur more than once; each is evaluated at most once per call."""
        self.catalog = catalog
        self.recorded = recorded
        self.constants: dict[str, Any] = {"UNREAD": UNREAD}
        self.costs = Costs()
        self._names: dict[tuple[type, Any], str] = {}
        self._slots: dict[typed.Operand, str] = {}
        self._roots: set[str] = set()
        self._shared = shared
        self._memos: dict[typed.Condition, str] = {}
        self._level = 0

    def prelude(self) -> list[str]:
        """Statements before the first expression: roots, then slots for what is read."""
        lines = []
        if self.recorded:
            lines.append("    g = e.given")
        for root in sorted(self._roots):
            lines.append(f"    {root} = e.{self.catalog.roots[root]}")
            lines.append(f"    if {root} is None: {root} = no_{root}")
            self.constants[f"no_{root}"] = self.catalog.absent(root)
        slots = list(self._slots.values())
        if slots:
            lines.append(f"    {' = '.join(slots)} = UNREAD")
        if self._memos:
            lines.append(f"    {' = '.join(self._memos.values())} = None")
        return lines

    def constant(self, value: Any) -> str:
        """An expression for a constant: numbers and booleans as they are, everything else by a name."""
        if value is None or type(value) in (int, bool):
            return repr(value)
        try:
            key = (type(value), value)
            name = self._names.get(key)
        except TypeError:
            key, name = (type(value), id(value)), None
        if name is None:
            name = self._names[key] = f"k{len(self.constants)}"
            self.constants[name] = value
        return name

    def conjunction(self, node: typed.Condition) -> str:
        """As `condition`, to stand before or behind `and`."""
        if isinstance(node, typed.All) and node not in self._shared:
            return " and ".join(map(self.condition, self._parts(node)))
        return self.condition(node)

    def _parts(self, node: typed.All | typed.Any_) -> list[typed.Condition]:
        """The children in the order to ask them, with those of children of the same kind among them."""
        found: list[typed.Condition] = []
        pending = list(reversed(node.children))
        while pending:
            one = pending.pop()
            if type(one) is type(node) and one not in self._shared:
                pending.extend(reversed(one.children))
            else:
                found.append(one)
        return self.costs.sorted(node, dict.fromkeys(found))

    def condition(self, node: typed.Condition) -> str:
        """An expression that is True or False."""
        if node not in self._shared:
            return self._expression(node)
        memo = self._memos.get(node)
        if memo is None:
            memo = self._memos[node] = f"m{len(self._memos)}"
        return f"({memo} if {memo} is not None else ({memo} := {self._expression(node)}))"

    def _expression(self, node: typed.Condition) -> str:
        if isinstance(node, typed.All | typed.Any_):
            if self._level == MAX_LEVELS:
                return self._apart(node)
            self._level += 1
            word = " and " if isinstance(node, typed.All) else " or "
            expression = f"({word.join(map(self.condition, self._parts(node)))})"
            self._level -= 1
            return expression
        if isinstance(node, typed.Negate):
            return f"(not {self.condition(node.child)})"
        if isinstance(node, typed.Has):
            return self._has(node)
        if isinstance(node, typed.Versus):
            name = self.constant(comparisons.versus(node))
            return f"{name}({self.value(node.left)}, {self.value(node.right)})"
        return self._test(node)

    def _apart(self, node: typed.Condition) -> str:
        """A call of another generated function: Python's own compiler takes only so many parentheses."""
        inner = compile_source(*predicate_source(node, self.catalog, recorded=self.recorded))
        return f"{self.constant(inner)}(e)"

    def _has(self, node: typed.Has) -> str:
        if isinstance(node.left, typed.Read) and node.left.bound.spread:
            return f"bool({self.value(node.left)})"
        return f"({self.value(node.left)} is not None)"

    def value(self, operand: typed.Operand) -> str:
        """An expression for a value, None where it is missing; reads each value at most once per call."""
        plain = self._plain(operand)
        if plain is not None:
            return plain
        slot = self._slots.get(operand)
        if slot is None:
            slot = self._slots[operand] = f"f{len(self._slots)}"
        return f"({slot} if {slot} is not UNREAD else ({slot} := {self._read(operand)}))"

    def _again(self, operand: typed.Operand) -> str:
        """The value once more, right after `value` was evaluated."""
        return self._plain(operand) or self._slots[operand]

    def _plain(self, operand: typed.Operand) -> str | None:
        """The value as a plain attribute or constant, where it is one."""
        if isinstance(operand, typed.Const):
            if operand.is_list:
                return f"[{', '.join(self.value(one) for one in operand.value)}]"
            return self.constant(operand.value)
        if isinstance(operand, typed.Apply) or self.recorded or operand.bound.plain is None:
            return None
        root, attribute = operand.bound.plain
        if not root:
            return f"e.{attribute}"
        self._roots.add(root)
        return f"{root}.{attribute}"

    def _read(self, operand: typed.Operand) -> str:
        if isinstance(operand, typed.Apply):
            arguments = [self.value(one) for one in operand.operands]
            function = transformers.FUNCTIONS[operand.name]
            if operand.name == "getopt" and operand.argument is not None:
                function = transformers.getopt_value
                arguments.append(self.constant(operand.argument))
            return f"{self.constant(function)}({', '.join(arguments)})"
        if not isinstance(operand, typed.Read):
            raise TypeError(f"{operand!r} is not read from an event")
        call = f"{self.constant(operand.bound.read)}(e)"
        if not self.recorded:
            return call
        label = self.constant(operand.bound.label)
        return f"(g[{label}] if {label} in g else {call})"

    def _test(self, node: typed.Test) -> str:
        values, operator = node.values, node.operator
        if node.modifier == "anyof" and operator == "=":
            return self._single(node.left, "in", values)
        if node.modifier:
            return self._modified(node)
        return self._single(node.left, operator, values)

    def _modified(self, node: typed.Test) -> str:
        if not node.values:
            return "False"
        first = self.value(node.left)
        parts = [self._single(node.left, node.operator, (value,)) for value in node.values]
        if node.modifier == "oneof":
            return f"({first} is not None and {' + '.join(f'bool({part})' for part in parts)} == 1)"
        return f"({(' and ' if node.modifier == 'allof' else ' or ').join(parts)})"

    def _single(self, left: typed.Operand, operator: str, values: tuple[Any, ...]) -> str:
        """One operator, no modifier."""
        if left.is_list or (isinstance(left, typed.Read) and left.bound.spread):
            name = self.constant(comparisons.many(left, operator, values))
            return f"{name}({self.value(left)})"
        kind = left.type
        if kind in (Type.IPADDR, Type.IPNET, Type.DYN) or operator in comparisons.BY_FUNCTION:
            return self._by_function(left, operator, values)
        first, again = self.value(left), self._again(left)
        constant = values[0] if values else None
        if operator in ("in", "intersects"):
            return f"({first} in {self.constant(frozenset(values))})" if values else "False"
        if operator == "=":
            return f"({first} == {self.constant(constant)})"
        if kind is Type.PRIORITY:
            operator = _FLIPPED.get(operator, operator)
        if operator in ("!=", "<", "<=", ">", ">="):
            return f"({first} is not None and {again} {operator} {self.constant(constant)})"
        if operator in ("contains", "bcontains"):
            return f"({first} is not None and {self.constant(constant)} in {again})"
        method = {"bstartswith": "startswith"}.get(operator, operator)
        return f"({first} is not None and {again}.{method}({self.constant(constant)}))"

    def _by_function(self, left: typed.Operand, operator: str, values: tuple[Any, ...]) -> str:
        name = self.constant(comparisons.scalar(left.type, operator, values))
        first, again = self.value(left), self._again(left)
        return f"({first} is not None and {name}({again}))"


def reader_of(operand: typed.Operand) -> Callable[[Any], Any]:
    """A function that reads one operand from an event, recorded values first where there are any."""
    if isinstance(operand, typed.Const):
        if operand.is_list:
            readers = [reader_of(one) for one in operand.value]
            return lambda event: [read(event) for read in readers]
        return lambda event: operand.value
    if isinstance(operand, typed.Apply):
        return _applied(operand)
    read, label = operand.bound.read, operand.bound.label

    def recorded_first(event: Any) -> Any:
        given = getattr(event, "given", None)
        return given[label] if given is not None and label in given else read(event)

    return recorded_first


def _applied(operand: typed.Apply) -> Callable[[Any], Any]:
    readers = [reader_of(one) for one in operand.operands]
    if operand.name == "getopt" and operand.argument is not None:
        wanted = operand.argument
        arguments, options = readers
        return lambda event: transformers.getopt_value(arguments(event), options(event), wanted)
    function = transformers.FUNCTIONS[operand.name]
    return lambda event: function(*(read(event) for read in readers))
