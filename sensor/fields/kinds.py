"""The types a field can have, and which operators each allows.

Names are upstream's (without its `PT_` prefix), so that a catalog printed by us reads like one printed by Falco.
"""

from enum import StrEnum


class Type(StrEnum):
    """What a field's value is; a missing value is None whatever the type."""

    CHARBUF = "CHARBUF"
    FSPATH = "FSPATH"
    BYTEBUF = "BYTEBUF"
    BOOL = "BOOL"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    PORT = "PORT"
    RELTIME = "RELTIME"
    ABSTIME = "ABSTIME"
    DOUBLE = "DOUBLE"
    IPADDR = "IPADDR"
    IPNET = "IPNET"
    DYN = "DYN"
    """A raw event argument: an integer, a string or bytes, known only when the event is there."""
    PRIORITY = "PRIORITY"
    """An alert's priority: ordered so that `>= warning` means at least as severe. Only catalogs over alerts have it."""


STRINGS = frozenset({Type.CHARBUF, Type.FSPATH})
UNSIGNED = {Type.UINT8: 8, Type.UINT16: 16, Type.UINT32: 32, Type.UINT64: 64, Type.RELTIME: 64, Type.ABSTIME: 64}
SIGNED = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
NUMBERS = frozenset({*UNSIGNED, *SIGNED, Type.PORT, Type.DOUBLE})
LIST_ELEMENTS = frozenset({Type.CHARBUF, Type.UINT64, Type.RELTIME, Type.ABSTIME, Type.BOOL, Type.IPADDR, Type.IPNET})

ORDERED = frozenset({"<", "<=", ">", ">="})
EQUALITY = frozenset({"=", "==", "!="})
SETS = frozenset({"in", "intersects"})
_TEXT = frozenset({"contains", "startswith", "endswith"})
_TEXT_ONLY = frozenset({"icontains", "glob", "iglob", "regex", "pmatch"})
_BYTES_ONLY = frozenset({"bcontains", "bstartswith"})
_EVERY = EQUALITY | SETS | {"exists"}


def allowed_operators(kind: Type, is_list: bool = False) -> frozenset[str]:
    """The operators a field of this type takes; a list field takes only `exists`, `in` and `intersects`."""
    if is_list:
        return SETS | {"exists"}
    if kind in STRINGS:
        return _EVERY | ORDERED | _TEXT | _TEXT_ONLY
    if kind is Type.BYTEBUF:
        return _EVERY | _TEXT | _BYTES_ONLY
    if kind in NUMBERS or kind is Type.PRIORITY:
        return _EVERY | ORDERED
    if kind is Type.DYN:
        return _EVERY | ORDERED | _TEXT | _TEXT_ONLY | _BYTES_ONLY
    return _EVERY


def family(kind: Type, is_list: bool = False) -> str:
    """The word error messages use for a type: `numeric`, `string`, `network`, `buffer`, `list`."""
    if is_list:
        return "list"
    if kind in STRINGS:
        return "string"
    if kind is Type.BYTEBUF:
        return "buffer"
    if kind in (Type.IPADDR, Type.IPNET):
        return "network"
    return "numeric"
