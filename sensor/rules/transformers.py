"""Transformers: what each takes, gives and does. A missing operand gives a missing result."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from sensor.fields.kinds import STRINGS, Type
from sensor.rules import text

Shape = tuple[Type, bool]
"""A type, and whether it is a list of them."""


def result(name: str, operands: Sequence[Shape], argument: str | None) -> Shape:
    """Type of what the transformer gives; raises ValueError where it does not take these operands."""
    if argument is not None and name != "getopt":
        raise ValueError(f"transformer '{name}' takes no argument in brackets")
    return _RESULTS[name](name, operands, argument)


def _count(name: str, operands: Sequence[Shape], number: int) -> None:
    if len(operands) != number:
        raise ValueError(f"transformer '{name}' takes {number} operand{'s' * (number > 1)}, not {len(operands)}")


def _same(allowed: frozenset[Type]) -> Callable[[str, Sequence[Shape], str | None], Shape]:
    def check(name: str, operands: Sequence[Shape], argument: str | None) -> Shape:
        _count(name, operands, 1)
        if operands[0][0] not in allowed:
            raise ValueError(f"transformer '{name}' does not work on a field of type {operands[0][0]}")
        return operands[0]

    return check


def _len(name: str, operands: Sequence[Shape], argument: str | None) -> Shape:
    _count(name, operands, 1)
    kind, is_list = operands[0]
    if not is_list and kind not in STRINGS and kind is not Type.BYTEBUF:
        raise ValueError(f"transformer 'len' does not work on a field of type {kind}")
    return Type.UINT64, False


def _join(name: str, operands: Sequence[Shape], argument: str | None) -> Shape:
    _count(name, operands, 2)
    (kind, separator_is_list), (_, is_list) = operands
    if separator_is_list or kind not in STRINGS:
        raise ValueError("transformer 'join' takes a single string first: the separator")
    if not is_list:
        raise ValueError("transformer 'join' takes a list second: a list field, or (a, b)")
    return Type.CHARBUF, False


def _concat(name: str, operands: Sequence[Shape], argument: str | None) -> Shape:
    if len(operands) < 2:
        raise ValueError("transformer 'concat' takes at least 2 operands")
    for kind, is_list in operands:
        if is_list or kind not in STRINGS:
            raise ValueError("transformer 'concat' takes single strings")
    return Type.CHARBUF, False


def _getopt(name: str, operands: Sequence[Shape], argument: str | None) -> Shape:
    _count(name, operands, 2)
    (kind, is_list), (options_kind, options_is_list) = operands
    if not is_list or kind not in STRINGS:
        raise ValueError("transformer 'getopt' takes a list of arguments first")
    if options_is_list or options_kind not in STRINGS:
        raise ValueError("transformer 'getopt' takes an option string second")
    if argument is not None and len(argument) != 1:
        raise ValueError("the argument of 'getopt' is one option character")
    return Type.CHARBUF, argument is None


_TEXT_OR_BYTES = frozenset({Type.CHARBUF, Type.BYTEBUF})
_RESULTS: dict[str, Callable[[str, Sequence[Shape], str | None], Shape]] = {
    "tolower": _same(STRINGS),
    "toupper": _same(STRINGS),
    "b64": _same(_TEXT_OR_BYTES),
    "basename": _same(STRINGS),
    "len": _len,
    "join": _join,
    "concat": _concat,
    "getopt": _getopt,
}


def each(apply: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A one-value function as one that also works element by element, and passes a missing value on."""

    def applied(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, list | tuple):
            found = [apply(one) for one in value]
            return None if None in found else found
        return apply(value)

    return applied


def decode_base64(value: str | bytes) -> str | bytes | None:
    """The decoded value, of the same kind; padding may be missing; None where it is not base64."""
    try:
        raw = value.encode("ascii") if isinstance(value, str) else value
        decoded = base64.b64decode(raw.rstrip(b"=") + b"=" * (-len(raw.rstrip(b"=")) % 4), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return decoded.decode(errors="surrogateescape") if isinstance(value, str) else decoded


def basename(value: str) -> str:
    """What follows the last slash."""
    return value.rpartition("/")[2]


def length(value: Any) -> int | None:
    """Elements of a list, bytes of a string or buffer."""
    if value is None:
        return None
    return len(value.encode(errors="surrogateescape")) if isinstance(value, str) else len(value)


def join(separator: str | None, items: Sequence[Any] | None) -> str | None:
    """The items' printed forms with the separator between them."""
    if separator is None or items is None or any(item is None for item in items):
        return None
    return separator.join(printed(item) for item in items)


def printed(value: Any) -> str:
    """A value inside a joined string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)


def concat(*parts: str | None) -> str | None:
    """All parts, one after the other."""
    found = [part for part in parts if part is not None]
    return "".join(found) if len(found) == len(parts) else None


def getopt(arguments: Sequence[str] | None, options: str | None) -> list[str] | None:
    """Options and their values in a row, as getopt(3) reads them; an unknown option is `?`."""
    if arguments is None or options is None:
        return None
    found: list[str] = []
    for option, value in _options(arguments, options):
        if option:
            found.append(option)
        if value is not None:
            found.append(value)
    return found


def getopt_value(arguments: Sequence[str] | None, options: str | None, wanted: str) -> str | None:
    """The last value given to one option, its name where it takes none; None where it is not there."""
    if arguments is None or options is None:
        return None
    found = None
    for option, value in _options(arguments, options, named=True):
        if option == wanted:
            found = option if value is None else value
    return found


def _options(arguments: Sequence[str], options: str, named: bool = False) -> list[tuple[str, str | None]]:
    """(option, value) pairs. An option whose value is missing has the value "" and, unless `named`, no name."""
    spec = options.lstrip(":+-")
    takes = {char: spec[at + 1 : at + 2] == ":" for at, char in enumerate(spec) if char != ":"}
    found: list[tuple[str, str | None]] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--" or len(word) < 2 or word[0] != "-":
            break
        if word.startswith("--"):
            continue
        cluster = word[1:]
        while cluster:
            option, cluster = cluster[0], cluster[1:]
            if option not in takes:
                found.append(("?", None))
            elif not takes[option]:
                found.append((option, None))
            elif cluster or rest:
                found.append((option, cluster or rest.pop(0)))
                cluster = ""
            else:
                found.append((option if named else "", ""))
    return found


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tolower": each(text.lower),
    "toupper": each(text.upper),
    "b64": each(decode_base64),
    "basename": each(basename),
    "len": length,
    "join": join,
    "concat": concat,
    "getopt": getopt,
}
