"""Bytes of the ring buffer to values: one `Decoder` per event type, made from the C struct's layout."""

import struct
from operator import itemgetter
from typing import Any

from sensor.context.files import AT_FDCWD, absolute, directory
from sensor.event import RelativePath
from sensor.probes.schema import EventType

HEAD = (
    "type", "cpu", "pid", "time", "start_time", "res", "tid", "ppid", "uid", "gid", "comm_low", "comm_high",
)  # fmt: skip
"""Members of `struct head` in its order: the values of every event start with them."""
_PID = HEAD.index("pid")


class Malformed(Exception):
    """A record is not what its type says; never raised for anything a traced program can do."""


class Decoder:
    """Decodes the records of one event type."""

    def __init__(self, event: EventType) -> None:
        """Raises ValueError if the struct does not start with the head this module knows."""
        layout = event.layout
        if layout.members[: len(HEAD)] != tuple(f"head.{member}" for member in HEAD):
            raise ValueError(f"struct {layout.name} does not start with struct head as decode.py knows it")
        self.event = event
        self.at = {member: index for index, member in enumerate(layout.members)}
        """Position of every member among the values."""
        self._struct = struct.Struct(layout.format)
        self._names = tuple(parameter.rpartition(".")[2] for parameter in event.parameters)
        self._pick = _picker([self.at[parameter] for parameter in event.parameters])
        kinds = [
            (name, self.at[parameter], layout.kinds[self.at[parameter]])
            for name, parameter in zip(self._names, event.parameters, strict=True)
        ]
        # A path's directory descriptor is the parameter before it: `dirfd, name`, `olddirfd, oldpath, …`.
        before = [
            None,
            *(at if name.endswith(("dirfd", "dir")) and kind == "s32" else None for name, at, kind in kinds),
        ]
        self._texts = [
            (name, at, self.at.get(f"base_{name}"), dirfd)
            for (name, at, kind), dirfd in zip(kinds, before, strict=False)
            if kind == "text"
        ]
        self._bytes = [(name, at) for name, at, kind in kinds if kind == "bytes"]

    def values(self, record: bytes) -> tuple[Any, ...]:
        """All members by position; raises Malformed."""
        if len(record) < self._struct.size:
            raise Malformed(f"{self.event.name}: {len(record)} bytes, its struct has {self._struct.size}")
        return self._struct.unpack_from(record)

    def arguments(self, record: bytes, values: tuple[Any, ...], cwd: str | None = None) -> dict[str, Any]:
        """The parameters by name; raises Malformed.

        Where a directory was too deep for the probe, a relative path is read from `cwd` or as /proc shows it, so
        that nobody hides a file by opening it from far below.
        """
        arguments = dict(zip(self._names, self._pick(values), strict=True))
        for name, at, base, dirfd in self._texts:
            text = string(record, values[at])
            if base is not None and text is not None and text[:1] != "/":
                start = tree(record, values[base])
                if start is None:
                    start = _start(values[_PID], AT_FDCWD if dirfd is None else values[dirfd], cwd)
                path = absolute(text, start)
                if path is not None:
                    text = RelativePath(text, path)
            arguments[name] = text
        for name, at in self._bytes:
            arguments[name] = piece(record, values[at])
        return arguments


def _start(pid: int, dirfd: int, cwd: str | None) -> str | None:
    return cwd if dirfd == AT_FDCWD and cwd is not None else directory(pid, dirfd)


def _picker(indexes: list[int]) -> Any:
    """A function that takes these positions out of a tuple, as a tuple."""
    if len(indexes) == 1:
        only = indexes[0]
        return lambda values: (values[only],)
    return itemgetter(*indexes) if indexes else lambda values: ()


def piece(record: bytes, place: int) -> bytes | None:
    """The bytes at a place (offset in the upper half, length in the lower); None where nothing was read."""
    if not place:
        return None
    start = place >> 16
    end = start + (place & 0xFFFF)
    if end > len(record):
        raise Malformed(f"a string ends at {end} in a record of {len(record)} bytes")
    return record[start:end]


def string(record: bytes, place: int) -> str | None:
    """A text without its NUL; bytes that are not UTF-8 become U+FFFD."""
    found = piece(record, place)
    return None if found is None else found.rstrip(b"\0").decode(errors="replace")


def strings(record: bytes, place: int) -> list[str] | None:
    """A list of texts."""
    found = piece(record, place)
    return None if found is None else found.removesuffix(b"\0").decode(errors="replace").split("\0")


def tree(record: bytes, place: int) -> str | None:
    """A path whose components were stored leaf first."""
    found = piece(record, place)
    if found is None:
        return None
    names = found.removesuffix(b"\0").decode(errors="replace").split("\0")
    names.reverse()
    return "/" + "/".join(names)


def comm(low: int, high: int) -> str:
    """A thread's name from the two words the head keeps it in."""
    return struct.pack("=QQ", low, high).partition(b"\0")[0].decode(errors="replace")
