"""Events as lines of a recording: what `sensor.sources.replay` reads again."""

from typing import Any

import orjson

from sensor.event import Event, Fd, Process
from sensor.fields.process import ancestors
from sensor.sources.replay import FD_KEYS, PROCESS_KEYS

_INNER = tuple(name for name in Process.__dataclass_fields__ if name not in ("parent", "session_leader", "exited"))


def line(event: Event) -> bytes:
    """One event as one line of JSON."""
    return orjson.dumps(recorded(event), option=orjson.OPT_APPEND_NEWLINE)


def recorded(event: Event) -> dict[str, Any]:
    """One event as an object; what is not known is left out."""
    found: dict[str, Any] = {"evt.type": event.type, "evt.time": event.time}
    if event.source != "syscall":
        found["evt.source"] = event.source
    for key, value in (("evt.num", event.num or None), ("evt.cpu", event.cpu), ("evt.rawres", event.res)):
        if value is not None:
            found[key] = value
    if event.args:
        found["args"] = {name: _plain(value) for name, value in event.args.items()}
    if event.proc is not None:
        found |= _process(event.proc)
    if event.fd is not None:
        found |= _descriptor(event.fd)
    if event.payload is not None:
        found["payload"] = event.payload
    return found | (event.given or {})


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode(errors="replace")
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return value


def _process(process: Process) -> dict[str, Any]:
    found = {
        key: value
        for key, attribute in PROCESS_KEYS.items()
        if (value := getattr(process, attribute)) is not None and (value or attribute not in _ZERO_IS_UNKNOWN)
    }
    for key, words in (("proc.args", process.args), ("proc.env", process.env)):
        if words is not None:
            found[key] = [_plain(word) for word in words]
    chain = [_inner(one) for one in ancestors(process)]
    if chain:
        found["ancestors"] = chain
    if process.session_leader is not None:
        found["session_leader"] = _inner(process.session_leader)
    return {key: _plain(value) for key, value in found.items()}


_ZERO_IS_UNKNOWN = frozenset({"tid", "ppid", "start_time", "start_ticks", "exe_ino", "exe_ino_ctime", "exe_ino_mtime"})


def _inner(process: Process) -> dict[str, Any]:
    found = {name: getattr(process, name) for name in _INNER}
    return {
        name: _plain(value)
        for name, value in found.items()
        if value is not None and (value or name not in _ZERO_IS_UNKNOWN)
    }


def _descriptor(fd: Fd) -> dict[str, Any]:
    return {key: _plain(value) for key, attribute in FD_KEYS.items() if (value := getattr(fd, attribute)) is not None}
