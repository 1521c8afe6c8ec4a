"""Reads the values of one item of a rule file: required and optional, each of the type it must have."""

import re
from collections.abc import Callable
from typing import TypeVar

from sensor.rules.errors import RuleError, Span
from sensor.rules.yaml_tree import Mapping, Node, Scalar, Sequence

VALIDATE = "LOAD_ERR_YAML_VALIDATE"
T = TypeVar("T")

_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_DURATION = re.compile(r"(\d{1,9})(ns|us|ms|s|m|h|d)\Z", re.ASCII)


def refused(message: str, span: Span, hint: str = "") -> RuleError:
    """An error about the shape of a file."""
    return RuleError(VALIDATE, message, span, hint=hint)


def required(item: Mapping, key: str) -> Node:
    """The value of a key that must be there and not empty."""
    entry = item.entries.get(key)
    if entry is None:
        raise refused(f"Item has no mapping for key '{key}'", item.span)
    name, value = entry
    if isinstance(value, Scalar) and value.is_null:
        raise refused(f"Mapping for key '{key}' is empty", name.span)
    return value


def scalar(node: Node) -> Scalar:
    """A node as a single value that is not empty."""
    if not isinstance(node, Scalar):
        raise refused("Value is not a scalar value", node.span)
    if not node.value:
        raise refused("Value must be non-empty", node.span)
    return node


def required_scalar(item: Mapping, key: str) -> Scalar:
    """The single value of a key that must be there."""
    return scalar(required(item, key))


def optional(item: Mapping, key: str, read: Callable[[Node], T], default: T) -> T:
    """What a key says, or the default where it says nothing."""
    return read(required(item, key)) if says_something(item, key) else default


def says_something(item: Mapping, key: str) -> bool:
    """Whether a key that may be left out is there, and neither null nor empty."""
    value = item.get(key)
    return value is not None and not (isinstance(value, Scalar) and (value.is_null or not value.value))


def boolean(node: Node) -> bool:
    """Yes or no, in any of YAML's spellings."""
    word = scalar(node)
    if word.value.lower() in _TRUE:
        return True
    if word.value.lower() in _FALSE:
        return False
    raise refused("Can't decode YAML scalar value", word.span, "use true or false")


def whole_number(node: Node) -> int:
    """A number from 0 to 4294967295."""
    word = scalar(node)
    if not re.fullmatch(r"\d{1,10}", word.value, re.ASCII) or int(word.value) > 0xFFFFFFFF:
        raise refused("Can't decode YAML scalar value", word.span, "use a whole number")
    return int(word.value)


def duration(node: Node) -> int:
    """A stretch of time such as `90s` or `5m`, in nanoseconds."""
    word = scalar(node)
    match = _DURATION.match(word.value)
    if match is None or int(match.group(1)) == 0:
        raise refused(f"'{word.value}' is not a duration", word.span, "write it as 30s, 5m or 1h")
    return int(match.group(1)) * _UNITS[match.group(2)]


def sequence(node: Node) -> Sequence:
    """A node as a list."""
    if not isinstance(node, Sequence):
        raise refused("Value is not a sequence", node.span, "write it as [a, b] or one '- a' a line")
    return node


def scalars(node: Node) -> list[Scalar]:
    """A node as a list of single values; numbers stay the text they were written as."""
    found = []
    for one in sequence(node).items:
        if not isinstance(one, Scalar):
            raise refused("Value is not a scalar value", one.span)
        found.append(one)
    return found
