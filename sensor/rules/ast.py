"""The tree of a condition. `str(node)` is its canonical print, which parses back to an equal tree.

Nodes compare by meaning: where they were written (`span`) does not count.
"""

import re
from dataclasses import dataclass, field

from sensor.rules.errors import Span

BARE = re.compile(r"[^()\"'\s\b=,]+\Z")
BARE_ARGUMENT = re.compile(r"[^\]\[\"'\s]+\Z")
NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[+-]?[0-9]+\.?[0-9]*(?:[eE][+-][0-9]+)?")
AMBIGUOUS = re.compile(r"[A-Za-z][A-Za-z0-9_.]*\Z|[+-]?[0-9]")
"""Reads as a name or a number, so that as a transformer's operand it must be quoted."""
_ESCAPES = {"\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "\\": r"\\"}


def quoted(text: str) -> str:
    """Text as a double-quoted literal of the language."""
    body = "".join(_ESCAPES.get(char, char) for char in text)
    if text.endswith("\\"):
        # A quote after a backslash does not close the literal; backslash-space is the other way to write one.
        body = f"{body[:-2]}\\ "
    return f'"{body}"'


def word(text: str) -> str:
    """Text as a value: bare where the grammar allows it, quoted otherwise."""
    return text if BARE.match(text) else quoted(text)


def bracketed(argument: str | None) -> str:
    """A field's or transformer's argument with its brackets, or nothing."""
    if argument is None:
        return ""
    return f"[{argument if BARE_ARGUMENT.match(argument) else quoted(argument)}]"


@dataclass(frozen=True, slots=True)
class Node:
    """Anything in the tree; `span` says where it is written."""

    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Value(Node):
    """A literal, as text: what type it has depends on the field it is compared with."""

    text: str
    quoted: bool = field(default=False, compare=False, repr=False)
    """Written in quotes: then it is never the name of a list."""

    def __str__(self) -> str:
        return word(self.text)


@dataclass(frozen=True, slots=True)
class Field(Node):
    """A field, with its argument where it has one."""

    name: str
    argument: str | None = None

    def __str__(self) -> str:
        return self.name + bracketed(self.argument)


@dataclass(frozen=True, slots=True)
class Items(Node):
    """A list in parentheses: of literals on a right-hand side, of operands inside a transformer."""

    items: tuple["Operand", ...]

    def __str__(self) -> str:
        return f"({', '.join(str(item) for item in self.items)})"


@dataclass(frozen=True, slots=True)
class Transform(Node):
    """A transformer applied to operands: `tolower(proc.name)`."""

    name: str
    operands: tuple["Operand", ...]
    argument: str | None = None

    def __str__(self) -> str:
        return f"{self.name}({','.join(map(_operand, self.operands))}){bracketed(self.argument)}"


@dataclass(frozen=True, slots=True)
class FieldValue(Node):
    """`val(field)` on a right-hand side."""

    field: Field

    def __str__(self) -> str:
        return f"val({self.field})"


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A bare name: a macro where a condition stands, a list where a list stands."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Exists(Node):
    """`field exists`."""

    left: "Field | Transform"

    def __str__(self) -> str:
        return f"{self.left} exists"


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`left operator right`, with a modifier (`oneof anyof allof`) where the right side is a list of choices."""

    left: "Field | Transform"
    operator: str
    right: "Value | Items | Name | FieldValue | Transform"
    modifier: str = ""

    def __str__(self) -> str:
        modifier = f" {self.modifier}" if self.modifier else ""
        return f"{self.left} {self.operator}{modifier} {self.right}"


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Negation; two in a row cancel when parsed."""

    child: "Expr"

    def __str__(self) -> str:
        return f"not {self.child}"


@dataclass(frozen=True, slots=True)
class And(Node):
    """All children, left to right; at least two."""

    children: tuple["Expr", ...]

    def __str__(self) -> str:
        return f"({' and '.join(map(str, self.children))})"


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Any child, left to right; at least two."""

    children: tuple["Expr", ...]

    def __str__(self) -> str:
        return f"({' or '.join(map(str, self.children))})"


Operand = Value | Field | Transform | Items
Expr = And | Or | Not | Exists | Compare | Name


def _operand(operand: Operand) -> str:
    """A transformer's operand: a literal that could be read as a name is quoted, lists have no blanks."""
    if isinstance(operand, Items):
        return f"({','.join(map(_operand, operand.items))})"
    if isinstance(operand, Value) and AMBIGUOUS.match(operand.text) and not NUMBER.fullmatch(operand.text):
        return quoted(operand.text)
    return str(operand)


def children(node: Expr) -> tuple[Expr, ...]:
    """The conditions directly below a node."""
    if isinstance(node, And | Or):
        return node.children
    return (node.child,) if isinstance(node, Not) else ()
