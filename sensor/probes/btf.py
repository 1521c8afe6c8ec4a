"""The kernel's own description of its structs (BTF): where a member lies, what an enumerator is worth.

A small reader of /sys/kernel/btf/vmlinux; the format is the kernel's Documentation/bpf/btf.rst. Only what
the probes ask for is decoded: structs and enums by name, members by a dotted path through embedded and
anonymous structs.
"""

import struct
from functools import lru_cache
from pathlib import Path

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_MAGIC = 0xEB9F
_HEADER = struct.Struct("HBBIIIII")
_TYPE = struct.Struct("III")
_MEMBER = struct.Struct("III")
_ENUMERATOR = struct.Struct("Ii")

_ARRAY, _STRUCT, _UNION, _ENUM, _TYPEDEF = 3, 4, 5, 6, 8
_QUALIFIERS = {_TYPEDEF, 9, 10, 11, 18}
"""typedef, volatile, const, restrict, type tag: they name another type and add nothing to its layout."""

_FIXED_TAIL = {1: 4, _ARRAY: 12, 14: 4, 17: 4}
_TAIL_PER_MEMBER = {_STRUCT: 12, _UNION: 12, _ENUM: 8, 13: 8, 15: 12, 19: 12}


class BtfError(Exception):
    """The kernel's type information is missing, damaged, or does not know what was asked for."""


class Btf:
    """One BTF blob; raises BtfError if it is not one."""

    def __init__(self, blob: bytes) -> None:
        if len(blob) < _HEADER.size:
            raise BtfError("the BTF data is shorter than its header")
        magic, _, _, header, type_offset, type_size, string_offset, _ = _HEADER.unpack_from(blob)
        if magic != _MAGIC:
            raise BtfError(f"the BTF data starts with {magic:#x}, not {_MAGIC:#x}")
        self._blob = blob
        self._strings = header + string_offset
        self._offsets: list[int] = [0]
        self._named: dict[tuple[int, int], int] = {}
        try:
            self._index(header + type_offset, header + type_offset + type_size)
        except (struct.error, KeyError) as error:
            raise BtfError(f"the BTF data is damaged: {error}") from error

    def _index(self, position: int, end: int) -> None:
        """Remember where every type lies and which struct or enum has which name offset."""
        unpack, offsets, named = _TYPE.unpack_from, self._offsets, self._named
        blob = self._blob
        while position < end:
            name, info, _ = unpack(blob, position)
            kind = info >> 24 & 0x1F
            if kind in (_STRUCT, _UNION, _ENUM):
                named.setdefault((kind, name), len(offsets))
            offsets.append(position)
            if kind in _TAIL_PER_MEMBER:
                position += 12 + _TAIL_PER_MEMBER[kind] * (info & 0xFFFF)
            else:
                position += 12 + _FIXED_TAIL.get(kind, 0)

    def offset(self, struct_name: str, *paths: str) -> int:
        """Byte offset of the first of the dotted member paths that exists.

        Several paths serve members that were renamed between kernels. Raises BtfError if none exists.
        """
        for path in paths:
            found = self._walk(self._find(_STRUCT, struct_name), path.split("."))
            if found is not None:
                return found
        raise BtfError(f"struct {struct_name} has no member {' or '.join(paths)} on this kernel")

    def size(self, struct_name: str) -> int:
        """Size of a struct in bytes; raises BtfError if there is none of that name."""
        return int(_TYPE.unpack_from(self._blob, self._offsets[self._find(_STRUCT, struct_name)])[2])

    def enumerator(self, enum_name: str, *names: str) -> int:
        """Value of the first of the names that the enum has; raises BtfError if it has none of them."""
        position = self._offsets[self._find(_ENUM, enum_name)]
        _, info, _ = _TYPE.unpack_from(self._blob, position)
        values = {}
        for index in range(info & 0xFFFF):
            name, value = _ENUMERATOR.unpack_from(self._blob, position + 12 + 8 * index)
            values[self._text(name)] = value
        for name in names:
            if name in values:
                return int(values[name])
        raise BtfError(f"enum {enum_name} has no {' or '.join(names)} on this kernel")

    def _find(self, kind: int, name: str) -> int:
        wanted = name.encode() + b"\0"
        position = self._blob.find(b"\0" + wanted, self._strings)
        while position >= 0:
            number = self._named.get((kind, position + 1 - self._strings))
            if number is not None:
                return number
            position = self._blob.find(b"\0" + wanted, position + 1)
        raise BtfError(f"this kernel has no {'enum' if kind == _ENUM else 'struct'} {name}")

    def _walk(self, number: int, path: list[str]) -> int | None:
        """Offset of a member path within type `number`, looking through anonymous members."""
        position = self._offsets[number]
        _, info, _ = _TYPE.unpack_from(self._blob, position)
        bitfields = info >> 31
        for index in range(info & 0xFFFF):
            member: tuple[int, int, int] = _MEMBER.unpack_from(self._blob, position + 12 + 12 * index)
            name, member_type, bits = member
            at = (bits & 0xFFFFFF if bitfields else bits) // 8
            text = self._text(name)
            if text == path[0]:
                if len(path) == 1:
                    return at
                inner = self._composite(member_type)
            elif text == "":
                inner = self._composite(member_type)
            else:
                continue
            if inner is None:
                continue
            found = self._walk(inner, path[1:] if text else path)
            if found is not None:
                return at + found
        return None

    def _composite(self, number: int) -> int | None:
        """The struct or union behind typedefs and qualifiers, or None for any other type."""
        while True:
            entry: tuple[int, int, int] = _TYPE.unpack_from(self._blob, self._offsets[number])
            _, info, target = entry
            kind = info >> 24 & 0x1F
            if kind in (_STRUCT, _UNION):
                return number
            if kind not in _QUALIFIERS:
                return None
            number = target

    def _text(self, offset: int) -> str:
        start = self._strings + offset
        return self._blob[start : self._blob.index(b"\0", start)].decode()


@lru_cache(maxsize=1)
def vmlinux() -> Btf:
    """The running kernel's BTF, read once; raises BtfError if the kernel does not offer it."""
    try:
        return Btf(VMLINUX.read_bytes())
    except OSError as error:
        raise BtfError(f"{VMLINUX} cannot be read ({error.strerror})") from error
