"""Recorded events: one JSON object per line, as docs/events.md describes."""

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_args, get_type_hints

import orjson

from sensor.event import Event, Fd, Process
from sensor.fields import ALL
from sensor.fields.catalog import Catalog
from sensor.fields.coerce import coerced, coerced_list
from sensor.fields.kinds import Type
from sensor.fields.syscall import SYSCALL

MAX_LINE = 4 << 20
"""Bytes of one event."""

PROCESS_KEYS = {
    bound: field.via[1]
    for bound, field in SYSCALL.fields.items()
    if field.via is not None and field.via[0] == "proc"
} | {
    "proc.pid.ts": "start_time",
    "proc.start_ticks": "start_ticks",
    "thread.tid": "tid",
    "thread.cgroups": "cgroups",
    "proc.cwd": "cwd",
    "proc.cap_inheritable": "cap_inheritable",
    "proc.cap_permitted": "cap_permitted",
    "proc.cap_effective": "cap_effective",
    "proc.exe_ino": "exe_ino",
    "proc.exe_ino.ctime": "exe_ino_ctime",
    "proc.exe_ino.mtime": "exe_ino_mtime",
}  # fmt: skip
FD_KEYS = {
    name: field.via[1] for name, field in SYSCALL.fields.items() if field.via is not None and field.via[0] == "fd"
} | {
    "fd.cip": "cip",
    "fd.cport": "cport",
    "fd.sip": "sip",
    "fd.sport": "sport",
    "fd.l4proto": "l4proto",
}  # fmt: skip
_EVENT = frozenset({"evt.type", "evt.time", "evt.source", "evt.num", "evt.cpu", "evt.rawres"})
_LISTS = {"args": "proc.args", "env": "proc.env"}
_BUFFERS = frozenset({"data", "img", "msgcontrol"})
_TYPES = {int: Type.INT64, str: Type.CHARBUF, bool: Type.BOOL}
_NOUNS = {Type.INT64: "a whole number", Type.CHARBUF: "a text", Type.BOOL: "true or false"}


def _attributes(owner: type[Process | Fd]) -> dict[str, Type | None]:
    """The attributes that hold one value, with its type; None for a list of texts."""
    found: dict[str, Type | None] = {}
    for name, declared in get_type_hints(owner).items():
        kind = next(one for one in get_args(declared) or (declared,) if one is not type(None))
        if kind is not Process:
            found[name] = _TYPES.get(kind)
    return found


_PROCESS = _attributes(Process)
_FD = _attributes(Fd)


class BadRecording(ValueError):
    """A line that is no event; the text names the file and the line."""


def events(path: Path | str) -> Iterator[Event]:
    """The events of a recording, in its order; raises OSError, or BadRecording at the first bad line.

    A name that ends in .gz is a compressed recording.
    """
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                event = read(line)
            except ValueError as error:
                raise BadRecording(f"{path}:{number}: {error}") from None
            event.num = event.num or number
            yield event


def numbered(path: Path, number: int) -> Event | None:
    """The event of that number, from 1, None where there are fewer; raises as `events` does.

    A file may also hold one event over several lines, as people and tools print it.
    """
    try:
        return next(islice(events(path), number - 1, None), None)
    except BadRecording:
        if number != 1 or path.stat().st_size > MAX_LINE:
            raise
        try:
            return read(path.read_bytes())
        except ValueError:
            pass
        raise


def read(line: bytes | str) -> Event:
    """One event; raises ValueError with what is wrong."""
    if len(line) > MAX_LINE:
        raise ValueError(f"the line is longer than {MAX_LINE} bytes")
    found = orjson.loads(line)
    if not isinstance(found, dict):
        raise ValueError("an event is a JSON object")
    return event_of(found)


def event_of(recorded: dict[str, Any]) -> Event:
    """The event of one JSON object."""
    kind, when = recorded.get("evt.type", ""), recorded.get("evt.time")
    if not isinstance(kind, str) or not isinstance(when, int) or isinstance(when, bool):
        raise ValueError("an event needs evt.type, a text, and evt.time, nanoseconds since the epoch")
    source = recorded.get("evt.source", "syscall")
    if not isinstance(source, str) or (not kind and source == "syscall"):
        raise ValueError("evt.source is not a text" if not isinstance(source, str) else "evt.type is empty")
    event = Event(type=kind, time=when, source=source, payload=recorded.get("payload"))
    event.num = _number(recorded, "evt.num") or 0
    event.cpu = _number(recorded, "evt.cpu")
    event.res = _number(recorded, "evt.rawres")
    event.args = _args(recorded)
    event.proc = _process(recorded)
    event.fd = _descriptor(recorded)
    event.given = _given(recorded, ALL.get(source, SYSCALL))
    return event


def _number(recorded: dict[str, Any], key: str) -> int | None:
    value = recorded.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(f"{key} is not a whole number")
    return value


def _args(recorded: dict[str, Any]) -> dict[str, Any]:
    args = recorded.get("args", {})
    if not isinstance(args, dict):
        raise ValueError("args is not an object")
    return {name: _bytes(value) if name in _BUFFERS else value for name, value in args.items()}


def _bytes(value: Any) -> Any:
    """A buffer's bytes, which JSON has as text."""
    return value.encode(errors="surrogateescape") if isinstance(value, str) else value


def _process(recorded: dict[str, Any]) -> Process | None:
    keys = {**PROCESS_KEYS, **{key: attribute for attribute, key in _LISTS.items()}}
    found = {
        attribute: _value(key, _PROCESS[attribute], recorded[key])
        for key, attribute in keys.items()
        if recorded.get(key) is not None
    }
    if not found:
        return None
    found.setdefault("pid", 0)
    process = Process(**found)
    process.parent = _ancestors(recorded.get("ancestors"))
    leader = recorded.get("session_leader")
    process.session_leader = _one_process(leader) if isinstance(leader, dict) else None
    return process


def _value(key: str, kind: Type | None, value: Any) -> Any:
    """A value as the attribute it is for holds it; raises ValueError where it cannot be that."""
    if kind is None:
        return value.split() if isinstance(value, str) else coerced_list(Type.CHARBUF, value)
    found = None if isinstance(value, list | dict) else coerced(kind, value)
    if found is None:
        raise ValueError(f"{key} is not {_NOUNS[kind]}")
    return found


def _ancestors(chain: Any) -> Process | None:
    """The parent, its parent, …: objects with the keys of a process, nearest first."""
    if chain is None:
        return None
    if not isinstance(chain, list) or len(chain) > 100:
        raise ValueError("ancestors is not a list of at most 100 processes")
    found: Process | None = None
    for one in reversed(chain):
        process = _one_process(one)
        process.parent = found
        found = process
    return found


def _one_process(one: Any) -> Process:
    if not isinstance(one, dict):
        raise ValueError("a process is an object")
    unknown = one.keys() - _PROCESS.keys()
    if unknown:
        raise ValueError(f"a process has no '{min(unknown)}'")
    found = {name: _value(name, _PROCESS[name], value) for name, value in one.items() if value is not None}
    return Process(**{"pid": 0, **found})


def _descriptor(recorded: dict[str, Any]) -> Fd | None:
    found = {
        attribute: _value(key, _FD[attribute], recorded[key])
        for key, attribute in FD_KEYS.items()
        if recorded.get(key) is not None
    }
    return Fd(**found) if found else None


def _given(recorded: dict[str, Any], catalog: Catalog) -> dict[str, Any] | None:
    """Fields that no attribute of an event holds: recorded values, which win over what would be computed."""
    taken = PROCESS_KEYS.keys() | FD_KEYS.keys() | _EVENT | set(_LISTS.values())
    found = {}
    for key, value in recorded.items():
        if "." not in key or key in taken:
            continue
        try:
            bound = catalog.find(*_split(key))
        except LookupError:
            found[key] = value
            continue
        several = bound.is_list or bound.spread
        found[bound.label] = (coerced_list if several else coerced)(bound.field.type, value)
    return found or None


def _split(key: str) -> tuple[str, str | None]:
    name, bracket, argument = key.partition("[")
    return (name, argument.removesuffix("]")) if bracket else (name, None)
