"""`evt.*` and `syscall.type`: the event itself."""

import time
from collections.abc import Callable
from typing import Any

from sensor.alert import rfc3339
from sensor.event import NANOSECONDS, Event
from sensor.fields import event_types, flags, lookups, parameters
from sensor.fields.catalog import Extract, Field
from sensor.fields.coerce import coerced
from sensor.fields.kinds import Type

_NOT_SYSCALLS = frozenset(
    [
        "procexit",
        "container",
        "asyncevent",
        "pluginevent",
        "drop",
        "switch",
        "scapevent",
        "procinfo",
        "cpu_hotplug",
        "signaldeliver",
        "page_fault",
        "tracer",
        "notification",
        "infra",
        "mesos",
        "k8s",
        "useradded",
        "userdeleted",
        "groupadded",
        "groupdeleted",
    ]
)
_GONE = "is not available due to the drop of enter events"
_READS = frozenset(["read", "pread", "preadv", "readv", "recv", "recvfrom", "recvmsg", "recvmmsg"])
_WRITES = frozenset(["write", "pwrite", "pwritev", "writev", "send", "sendto", "sendmsg", "sendmmsg", "sendfile"])
_WAITS = frozenset(
    ["poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "nanosleep", "clock_nanosleep", "futex"]
)
_CATEGORIES = {
    "file": "open openat openat2 creat close rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir link "
    "linkat symlink symlinkat chmod fchmod fchmodat chown fchown lchown fchownat mount umount umount2 stat lstat "
    "fstat access chdir fchdir chroot dup dup2 dup3",
    "net": "socket bind connect listen accept accept4 shutdown socketpair setsockopt getsockopt getpeername",
    "process": "execve execveat clone clone3 fork vfork procexit setns unshare prctl setsid setpgid ptrace",
    "memory": "mmap mmap2 munmap mprotect brk mlock mlock2 munlock mlockall munlockall",
    "user": "setuid setgid setresuid setresgid setreuid setregid getuid geteuid getgid getegid capset",
    "signal": "kill tkill tgkill signaldeliver",
    "io-read": " ".join(_READS),
    "io-write": " ".join(_WRITES),
}
_CATEGORY = {name: category for category, names in _CATEGORIES.items() for name in names.split()}


def clock(event: Event) -> str:
    """Local time with nanoseconds: `12:34:56.123456789`."""
    return f"{seconds_clock(event)}.{event.time % NANOSECONDS:09d}"


def seconds_clock(event: Event) -> str:
    """Local time: `12:34:56`."""
    return time.strftime("%H:%M:%S", time.localtime(event.time // NANOSECONDS))


def datetime_seconds(event: Event) -> str:
    """Local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.time // NANOSECONDS))


def result(event: Event) -> str | None:
    """`SUCCESS`, or the name of the error."""
    if event.res is None:
        return None
    return "SUCCESS" if event.res >= 0 else flags.error(event.res)


def failed(event: Event) -> bool | None:
    """Whether the call returned an error."""
    return None if event.res is None else event.res < 0


def _open_flags(event: Event) -> int | None:
    if event.type not in event_types.OPENS:
        return None
    value = event.args.get("flags")
    return value if isinstance(value, int) else None


def is_open_read(event: Event) -> bool:
    """Opened for reading: O_RDONLY or O_RDWR."""
    value = _open_flags(event)
    return value is not None and value & 3 in (0, 2) and not value & flags.OPEN["O_PATH"]


def is_open_write(event: Event) -> bool:
    """Opened for writing: O_WRONLY or O_RDWR."""
    value = _open_flags(event)
    return value is not None and value & 3 in (1, 2)


def is_open_exec(event: Event) -> bool:
    """A file created with a permission to execute it."""
    mode = event.args.get("mode")
    if not isinstance(mode, int) or not mode & 0o111:
        return False
    if event.type == "creat":
        return True
    value = _open_flags(event)
    creates = flags.OPEN["O_CREAT"] | (flags.OPEN["O_TMPFILE"] & ~flags.OPEN["O_DIRECTORY"])
    return event.type != "open_by_handle_at" and value is not None and bool(value & creates)


def is_open_create(event: Event) -> bool:
    """The call created the file; known where the probe says so, and for O_TMPFILE."""
    created = event.args.get("created")
    if isinstance(created, bool):
        return created
    value = _open_flags(event)
    temporary = flags.OPEN["O_TMPFILE"]
    return value is not None and value & temporary == temporary and (event.res or 0) >= 0


def buffer(event: Event) -> bytes | None:
    """The data of a read or write."""
    data = event.args.get("data")
    if isinstance(data, str):
        return data.encode(errors="surrogateescape")
    return bytes(data) if isinstance(data, bytes | bytearray) else None


def _argument(name: str) -> Extract:
    if name.isdecimal():
        number = int(name[:4])
        return lambda event: _nth(event, number)
    if name not in parameters.NAMES:
        raise ValueError(f"filter_check called with nonexistent field evt.arg.{name}: no event has this parameter")
    return lambda event: parameters.text(event, name)


def _nth(event: Event, number: int) -> str | None:
    names = list(parameters.BY_EVENT.get(event.type, event.args))
    return parameters.text(event, names[number]) if number < len(names) else None


def _raw_argument(name: str) -> Extract:
    if name not in parameters.NAMES:
        raise ValueError(f"filter_check called with nonexistent field evt.rawarg.{name}: no event has this parameter")

    def read(event: Event) -> Any:
        value = event.args.get(name)
        if value is None and name == "res":
            value = event.res
        if value is None and name == "fd" and event.fd is not None:
            value = event.fd.num
        return None if value in ("", b"") else value

    return read


def _type_is(name: str) -> Extract:
    wrong = event_types.wrong(name)
    if wrong:
        raise ValueError(wrong)
    return lambda event: int(event.type == name)


def _around(text: str) -> Extract:
    if not text.isdecimal():
        raise ValueError("evt.around takes a time in nanoseconds, as %evt.rawtime prints it")
    middle = int(text[:20])
    return lambda event: abs(event.time - middle) // 1_000_000


def _failed_in(part: str) -> Extract:
    return lambda event: int(bool(failed(event)) and _CATEGORY.get(event.type, "other") == part)


def _is_in(names: frozenset[str]) -> Callable[[Event], bool]:
    return lambda event: event.type in names


def _one(name: str, kind: Type, doc: str, extract: Extract | None = None, **more: Any) -> Field:
    return Field(name=name, type=kind, doc=doc, extract=extract, **more)


ANY_SOURCE = (
    Field(name="evt.num", type=Type.UINT64, doc="Number of the event in its source, from 1.", via=("", "num")),
    _one("evt.time", Type.CHARBUF, "Local time with nanoseconds.", clock),
    _one("evt.time.s", Type.CHARBUF, "Local time, to the second.", seconds_clock),
    _one("evt.time.iso8601", Type.CHARBUF, "UTC date and time, RFC 3339, nanoseconds.", lambda e: rfc3339(e.time)),
    _one("evt.datetime", Type.CHARBUF, "Local date and time with nanoseconds.",
         lambda e: f"{datetime_seconds(e)}.{e.time % NANOSECONDS:09d}"),
    _one("evt.datetime.s", Type.CHARBUF, "Local date and time, to the second.", datetime_seconds),
    Field(name="evt.rawtime", type=Type.ABSTIME, doc="Nanoseconds since the epoch.", via=("", "time")),
    _one("evt.rawtime.s", Type.ABSTIME, "Whole seconds since the epoch.", lambda e: e.time // NANOSECONDS),
    _one("evt.rawtime.ns", Type.ABSTIME, "Nanoseconds within the second.", lambda e: e.time % NANOSECONDS),
    _one("evt.reltime", Type.RELTIME, "Nanoseconds since the start of a recording."),
    _one("evt.reltime.s", Type.RELTIME, "Seconds since the start of a recording."),
    _one("evt.reltime.ns", Type.RELTIME, "Nanoseconds within that second."),
    _one("evt.pluginname", Type.CHARBUF, "The event source, where it is not the kernel.",
         lambda e: None if e.source == "syscall" else e.source),
    _one("evt.plugininfo", Type.CHARBUF, "One line about an event that is not from the kernel.",
         lambda e: coerced(Type.CHARBUF, e.args.get("info"))),
    Field(name="evt.source", type=Type.CHARBUF, doc="The event source: syscall, k8s_audit, …", via=("", "source")),
    _one("evt.is_async", Type.BOOL, "Whether the event came from outside the flow of events.",
         lambda e: e.type in ("container", "asyncevent")),
    _one("evt.asynctype", Type.CHARBUF, "What kind of such an event it is.",
         lambda e: e.type if e.type in ("container", "asyncevent") else None),
    _one("evt.hostname", Type.CHARBUF, "Name of the node.", lambda e: lookups.current().hostname),
)  # fmt: skip

SYSCALL = (
    Field(name="evt.type", type=Type.CHARBUF, doc="Name of the event: openat, execve, procexit, …",
          via=("", "type"), values=event_types.wrong, near=event_types.nearest),
    Field(name="evt.type.is", type=Type.UINT32, doc="1 for events of the type named behind it: evt.type.is.open.",
          bind=_type_is, argument="required", dotted=True),
    Field(name="syscall.type", type=Type.CHARBUF, doc="As evt.type, missing for what is no system call.",
          extract=lambda e: None if e.type in _NOT_SYSCALLS else e.type,
          values=event_types.wrong, near=event_types.nearest),
    _one("evt.category", Type.CHARBUF, "file, net, process, memory, user, signal, io-read, io-write or other.",
         lambda e: _CATEGORY.get(e.type, "other")),
    Field(name="evt.cpu", type=Type.INT16, doc="CPU on which it happened.", via=("", "cpu")),
    _one("evt.args", Type.CHARBUF, "All parameters: name=value name=value(meaning).", parameters.everything),
    Field(name="evt.arg", type=Type.CHARBUF, doc="One parameter, by name or number: evt.arg.flags, evt.arg[0].",
          bind=_argument, argument="required", dotted=True),
    Field(name="evt.rawarg", type=Type.DYN, doc="One parameter by name, with its own type: evt.rawarg.res.",
          bind=_raw_argument, argument="required", dotted=True, transformable=False),
    _one("evt.info", Type.CHARBUF, "As evt.args.", parameters.everything),
    _one("evt.buffer", Type.BYTEBUF, "Data read or written, as much as was captured.", buffer,
         text=parameters.raw_text),
    _one("evt.buflen", Type.UINT64, "Length of that data.",
         lambda e: None if (data := buffer(e)) is None else len(data)),
    _one("evt.buflen.in", Type.UINT64, "Length of data read.",
         lambda e: len(buffer(e) or b"") if e.type in _READS else None),
    _one("evt.buflen.out", Type.UINT64, "Length of data written.",
         lambda e: len(buffer(e) or b"") if e.type in _WRITES else None),
    _one("evt.res", Type.CHARBUF, "SUCCESS, or the error's name: ENOENT.", result),
    Field(name="evt.rawres", type=Type.INT64, doc="Result as a number: -2.", via=("", "res")),
    _one("evt.failed", Type.BOOL, "Whether the result is an error.", failed),
    _one("evt.is_io", Type.BOOL, "Reads or writes a descriptor.", _is_in(_READS | _WRITES)),
    _one("evt.is_io_read", Type.BOOL, "Reads a descriptor.", _is_in(_READS)),
    _one("evt.is_io_write", Type.BOOL, "Writes a descriptor.", _is_in(_WRITES)),
    _one("evt.io_dir", Type.CHARBUF, "r or w.",
         lambda e: "r" if e.type in _READS else "w" if e.type in _WRITES else None),
    _one("evt.is_wait", Type.BOOL, "Makes the thread wait.", _is_in(_WAITS)),
    _one("evt.is_syslog", Type.BOOL, "A write to the system log.",
         lambda e: e.type in _WRITES and e.fd is not None and "/dev/log" in (e.fd.name or "")),
    _one("evt.count", Type.UINT32, "Always 1.", lambda e: 1),
    _one("evt.count.error", Type.UINT32, "1 when it failed.", lambda e: int(bool(failed(e)))),
    *(
        _one(f"evt.count.error.{part}", Type.UINT32, f"1 when it failed and is about {part}.",
             _failed_in(part))
        for part in ("file", "net", "memory", "other")
    ),
    _one("evt.count.exit", Type.UINT32, "1 for exit events, which all are.", lambda e: 1),
    _one("evt.count.procinfo", Type.UINT32, "1 for procinfo events.", lambda e: int(e.type == "procinfo")),
    _one("evt.count.threadinfo", Type.UINT32, "1 for procinfo events.", lambda e: int(e.type == "procinfo")),
    Field(name="evt.around", type=Type.UINT64, doc="Milliseconds between the event and the time in brackets.",
          bind=_around, argument="required", transformable=False, filter_only=True),
    _one("evt.abspath", Type.CHARBUF, "The path of a call that takes a directory and a name, made absolute.",
         lambda e: _path_of(e, ("name", "path", "filename", "linkpath"))),
    _one("evt.abspath.src", Type.CHARBUF, "The first of two paths.", lambda e: _path_of(e, ("oldpath",))),
    _one("evt.abspath.dst", Type.CHARBUF, "The second of two paths.", lambda e: _path_of(e, ("newpath",))),
    _one("evt.is_open_read", Type.BOOL, "open, openat, openat2 or open_by_handle_at, for reading.", is_open_read),
    _one("evt.is_open_write", Type.BOOL, "open, openat, openat2 or open_by_handle_at, for writing.", is_open_write),
    _one("evt.is_open_exec", Type.BOOL, "Creates a file that may be executed.", is_open_exec),
    _one("evt.is_open_create", Type.BOOL, "Created the file.", is_open_create),
    _one("evt.dir", Type.CHARBUF, "Always <: only exits reach the rules.", lambda e: "<", deprecated=_GONE),
    *(
        _one(name, kind, "Always missing: there are no enter events.", deprecated=_GONE)
        for name, kind in (
            ("evt.latency", Type.RELTIME), ("evt.latency.s", Type.RELTIME), ("evt.latency.ns", Type.RELTIME),
            ("evt.latency.human", Type.CHARBUF), ("evt.wait_latency", Type.RELTIME),
        )
    ),
    *(
        _one(name, Type.RELTIME, "Always missing: events are not compared with the one before.")
        for name in ("evt.deltatime", "evt.deltatime.s", "evt.deltatime.ns")
    ),
)  # fmt: skip


def _path_of(event: Event, names: tuple[str, ...]) -> str | None:
    for name in names:
        value = event.args.get(name)
        if isinstance(value, str):
            return parameters.led_to(event, value)
    return None
