"""A condition after checking: fields found, literals turned into constants, macros put in place.

Nodes are interned: equal conditions are one object, so what several rules share is computed once. They are
compared by identity only.
"""

from dataclasses import dataclass
from typing import Any

from sensor.fields.catalog import Bound
from sensor.fields.kinds import Type


@dataclass(frozen=True, eq=False, slots=True)
class Read:
    """A field's value."""

    bound: Bound
    type: Type
    is_list: bool


@dataclass(frozen=True, eq=False, slots=True)
class Const:
    """A literal, or a list of them, among a transformer's operands."""

    value: Any
    type: Type
    is_list: bool


@dataclass(frozen=True, eq=False, slots=True)
class Apply:
    """A transformer applied to operands."""

    name: str
    operands: "tuple[Operand, ...]"
    argument: str | None
    type: Type
    is_list: bool


Operand = Read | Const | Apply


@dataclass(frozen=True, eq=False, slots=True)
class Has:
    """The value is there."""

    left: Operand


@dataclass(frozen=True, eq=False, slots=True)
class Test:
    """A comparison with constants; several of them only for set operators and modifiers."""

    left: Operand
    operator: str
    values: tuple[Any, ...]
    modifier: str


@dataclass(frozen=True, eq=False, slots=True)
class Versus:
    """A comparison of two values of the event."""

    left: Operand
    operator: str
    right: Operand


@dataclass(frozen=True, eq=False, slots=True)
class All:
    """Every child holds."""

    children: "tuple[Condition, ...]"


@dataclass(frozen=True, eq=False, slots=True)
class Any_:
    """Some child holds."""

    children: "tuple[Condition, ...]"


@dataclass(frozen=True, eq=False, slots=True)
class Negate:
    """The child does not hold."""

    child: "Condition"


Condition = Has | Test | Versus | All | Any_ | Negate
