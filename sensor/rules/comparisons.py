"""Comparisons that are more than one Python operator: addresses, patterns, lists, two values of one event.

Each function here makes a test once, at load; the test is called per event, with a value that is there unless
it says otherwise.
"""

from collections.abc import Callable
from typing import Any

from sensor.fields.kinds import Type
from sensor.rules import net, text, typed

Test = Callable[[Any], bool]
BY_FUNCTION = frozenset({"icontains", "glob", "iglob", "regex", "pmatch"})


def scalar(kind: Type, operator: str, values: tuple[Any, ...]) -> Test:
    """The test of one value against literals."""
    if kind is Type.IPADDR:
        return _address(operator, values)
    if kind is Type.IPNET:
        return _network(operator, values)
    if kind is Type.DYN:
        return _dynamic(operator, values)
    if operator in BY_FUNCTION:
        return _pattern(operator, values)
    return _plain(kind, operator, values)


def _address(operator: str, values: tuple[Any, ...]) -> Test:
    wanted = frozenset(values)
    if operator == "!=":
        return lambda value: net.address(value) not in wanted
    return lambda value: net.address(value) in wanted


def _network(operator: str, values: tuple[Any, ...]) -> Test:
    wanted = net.Networks(values)
    if operator == "!=":
        return lambda value: net.address(value) not in wanted
    return lambda value: net.address(value) in wanted


def _pattern(operator: str, values: tuple[Any, ...]) -> Test:
    if operator == "pmatch":
        return text.Prefixes(values)
    (value,) = values
    if operator == "icontains":
        wanted = text.lower(value)
        return lambda found: wanted in text.lower(found)
    if operator == "regex":
        return text.regex(value)
    return text.glob(value, operator == "iglob")


def _plain(kind: Type, operator: str, values: tuple[Any, ...]) -> Test:
    value = values[0] if values else None
    if kind is Type.PRIORITY and operator in _REVERSED:
        operator = _REVERSED[operator]
    if operator in ("in", "intersects"):
        wanted = frozenset(values)
        return lambda found: found in wanted
    compare = PAIRS[operator]
    return lambda found: compare(found, value)


_REVERSED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _dynamic(operator: str, values: tuple[Any, ...]) -> Test:
    """A raw argument takes the type that the event gives it; a literal that is not of that type is not equal."""

    def test(found: Any) -> bool:
        if found in ("", b""):
            return False
        if isinstance(found, bytes | bytearray):
            found = bytes(found).decode(errors="surrogateescape")
        if isinstance(found, int) and not isinstance(found, bool):
            if operator not in NUMBER_OPERATORS:
                return False
            numbers = tuple(number for value in values if (number := _number(value)) is not None)
            if len(numbers) < len(values) and operator not in ("in", "intersects"):
                return operator == "!="
            return _plain(Type.INT64, operator, numbers)(found)
        if operator in ("bcontains", "bstartswith"):
            return PAIRS[operator](str(found).encode(errors="surrogateescape"), values[0])
        return scalar(Type.CHARBUF, operator, values)(str(found))

    return test


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None


NUMBER_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "intersects"})

PAIRS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "contains": lambda left, right: right in left,
    "bcontains": lambda left, right: right in left,
    "startswith": lambda left, right: left.startswith(right),
    "bstartswith": lambda left, right: left.startswith(right),
    "endswith": lambda left, right: left.endswith(right),
    "icontains": lambda left, right: text.lower(right) in text.lower(left),
    "glob": lambda left, right: text.glob(right)(left),
    "iglob": lambda left, right: text.glob(right, True)(left),
    "in": lambda left, right: left == right,
    "intersects": lambda left, right: left == right,
}


def many(left: typed.Operand, operator: str, values: tuple[Any, ...]) -> Test:
    """The test of a list field, or of a field with several candidates; here the value may be missing (None)."""
    spread = _spread(left)
    one = scalar(left.type, operator, values)
    if not spread:
        if operator == "in":
            return lambda found: found is not None and all(one(item) for item in found)
        return lambda found: found is not None and any(one(item) for item in found)
    if spread == "ends" and operator == "!=":
        return lambda found: bool(found) and all(one(item) for item in found)
    if left.type is Type.CHARBUF and operator in ("=", "in", "intersects"):
        wanted = frozenset(values)
        return lambda found: bool(found) and not wanted.isdisjoint(found)
    return lambda found: bool(found) and any(one(item) for item in found)


def versus(node: typed.Versus) -> Callable[[Any, Any], bool]:
    """The test of two values, either of which may be missing; then it is false."""
    if node.left.is_list:
        return _lists(node.operator)
    compare = _compared(node)
    spread = _spread(node.left)
    if not spread:
        return lambda left, right: left is not None and right is not None and compare(left, right)
    together = all if spread == "ends" and node.operator == "!=" else any
    return lambda left, right: bool(left) and right is not None and together(compare(one, right) for one in left)


def _compared(node: typed.Versus) -> Callable[[Any, Any], bool]:
    """How one value of the left side is compared with one of the right."""
    compare = PAIRS[_REVERSED[node.operator] if _is_reversed(node) else node.operator]
    if node.left.type is not Type.IPADDR:
        return compare
    return lambda left, right: compare(net.address(left), net.address(right))


def _spread(operand: typed.Operand) -> str:
    return operand.bound.spread if isinstance(operand, typed.Read) else ""


def _is_reversed(node: typed.Versus) -> bool:
    return node.left.type is Type.PRIORITY and node.operator in _REVERSED


def _lists(operator: str) -> Callable[[Any, Any], bool]:
    if operator == "in":
        return lambda left, right: left is not None and right is not None and set(left) <= set(right)
    return lambda left, right: left is not None and right is not None and not set(left).isdisjoint(right)
