"""A literal's text → the constant it is compared as, by the field's type. Anything wrong is an error at load."""

import re
import socket
from collections.abc import Callable
from typing import Any

from sensor.alert import Priority
from sensor.fields.kinds import SIGNED, STRINGS, UNSIGNED, Type
from sensor.rules import net

INTEGER = re.compile(r"\s*([+-]?\d+)\Z", re.ASCII)
HEX = re.compile(r"(?:[0-9a-fA-F]{2})+\Z")


def constant(kind: Type, operator: str, text: str) -> Any:
    """The constant; raises ValueError with a sentence that names the text."""
    if operator in ("bcontains", "bstartswith"):
        return _hex(text)
    if kind in STRINGS:
        return text
    if kind in UNSIGNED or kind in SIGNED or kind is Type.DOUBLE:
        return _integer(kind, text)
    return _READERS[kind](text)


def _hex(text: str) -> bytes:
    if not HEX.match(text):
        raise ValueError(f"'{text}' is not a valid hex string: it needs an even number of digits 0-9, a-f")
    return bytes.fromhex(text)


def _integer(kind: Type, text: str) -> int:
    match = INTEGER.match(text)
    if match is None or len(text) > 40:
        raise ValueError(f"'{text[:40]}' is not a valid number{_number_advice(text)}")
    number = int(match.group(1))
    if kind in UNSIGNED:
        # As in C: a negative number compared with an unsigned field is a very large one.
        return number % (1 << UNSIGNED[kind]) if number < 0 else _within(number, 1 << UNSIGNED[kind], text)
    bits = SIGNED.get(kind, 64)
    return _within(number, 1 << (bits - 1), text)


def _within(number: int, limit: int, text: str) -> int:
    if not -limit <= number < limit:
        raise ValueError(f"'{text}' is not a valid number for this field: it is too large")
    return number


def _number_advice(text: str) -> str:
    if re.match(r"\d+(ns|us|ms|s|m|h|d)\Z", text):
        return ": there are no units, durations are in nanoseconds"
    if re.match(r"\d+\s*([kKmMgG][iI]?[bB]?)\Z", text):
        return ": there are no units, sizes are in bytes"
    if text[:2].lower() == "0x":
        return ": write it in decimal"
    if re.match(r"[+-]?\d+\.\d*\Z", text):
        return ": only whole numbers are compared"
    if re.match(r"[+-]?\d+(\.\d*)?[eE]", text):
        return ": write the number out"
    return ""


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"'{text}' is not a boolean: use true or false")
    return text == "true"


def _port(text: str) -> int:
    if not text:
        return 0
    if text.isdecimal() and len(text) < 20:
        return int(text) & 0xFFFF
    try:
        return socket.getservbyname(text)
    except OSError:
        raise ValueError(f"'{text}' is neither a port number nor a known service") from None


def _priority(text: str) -> int:
    return int(Priority.named(text))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


_READERS: dict[Type, Callable[[str], Any]] = {
    Type.BYTEBUF: _bytes,
    Type.BOOL: _boolean,
    Type.PORT: _port,
    Type.IPADDR: net.literal_address,
    Type.IPNET: net.literal_network,
    Type.PRIORITY: _priority,
    Type.DYN: str,
}
