"""What happened: one event, the process that did it and the file descriptor it was done to.

Plain data. Decoders (`sensor.sources`, `sensor.probes`) make these objects, `sensor.context` completes
them, `sensor.fields` reads them. A thing that is not known is ``None``; a field read from it is then
missing, and a missing field makes every comparison false.
"""

from dataclasses import dataclass, field
from typing import Any

NANOSECONDS = 1_000_000_000


class RelativePath(str):
    """A path parameter as the program gave it, relative; `absolute` is where it led at that moment."""

    __slots__ = ("absolute",)
    absolute: str

    def __new__(cls, text: str, absolute: str) -> "RelativePath":
        path = super().__new__(cls, text)
        path.absolute = absolute
        return path


@dataclass(slots=True)
class Process:
    """A process as the kernel and /proc showed it; `parent` is filled by `sensor.context.processes`."""

    pid: int
    tid: int = 0
    ppid: int = 0
    start_time: int = 0
    """Nanoseconds since the epoch (`proc.pid.ts`): with `pid`, the identity of a process."""
    start_ticks: int = 0
    """Start time as /proc/PID/stat field 22 has it (clock ticks since boot); what a kill re-checks."""
    name: str | None = None
    """The task's comm: at most 15 bytes."""
    exe: str | None = None
    """argv[0]."""
    exepath: str | None = None
    args: list[str] | None = None
    """argv without its first element."""
    cwd: str | None = None
    env: list[str] | None = None
    uid: int | None = None
    gid: int | None = None
    loginuid: int | None = None
    """-1 where no login is recorded (the kernel's 4294967295)."""
    tty: int | None = None
    """Controlling terminal's device number; 0 is none."""
    sid: int | None = None
    pgid: int | None = None
    vpid: int | None = None
    vpgid: int | None = None
    cap_inheritable: int | None = None
    cap_permitted: int | None = None
    cap_effective: int | None = None
    cgroups: str | None = None
    """The cgroup v2 path, or the v1 paths joined with commas."""
    container_id: str | None = None
    """First 12 characters of the container's id, or `host`; None while unknown."""
    is_exe_from_memfd: bool | None = None
    is_exe_upper_layer: bool | None = None
    is_exe_writable: bool | None = None
    exe_ino: int | None = None
    exe_ino_ctime: int | None = None
    exe_ino_mtime: int | None = None
    exited: bool = False
    parent: "Process | None" = field(default=None, repr=False)
    session_leader: "Process | None" = field(default=None, repr=False)


@dataclass(slots=True)
class Fd:
    """The file descriptor that an event is about."""

    num: int | None = None
    typechar: str | None = None
    """One character as upstream prints it: f file, 4/6 IP sockets, u unix socket, p pipe, d directory, …"""
    name: str | None = None
    """Absolute path of a file, or the printed tuple of a connection: `10.0.0.1:4242->10.0.0.2:443`."""
    nameraw: str | None = None
    """The path as it was given, before it was made absolute."""
    l4proto: str | None = None
    """tcp, udp, icmp, raw."""
    cip: str | None = None
    cport: int | None = None
    """Client side of a connection."""
    sip: str | None = None
    sport: int | None = None
    """Server side of a connection."""
    is_server: bool | None = None
    """True where this end accepted the connection: then the server side is the local one."""
    connected: bool | None = None
    name_changed: bool | None = None
    dev: int | None = None
    ino: int | None = None


@dataclass(slots=True)
class Event:
    """One event, of whichever source."""

    type: str
    """As `evt.type` names it: `openat`, `execve`, `connect`, `procexit`, …"""
    time: int
    """Nanoseconds since the epoch."""
    source: str = "syscall"
    num: int = 0
    """Counts events of one source from 1."""
    cpu: int | None = None
    res: int | None = None
    """The system call's result (`evt.rawres`): negative errno on failure."""
    args: dict[str, Any] = field(default_factory=dict)
    """Parameters by the names that `evt.arg.NAME` uses, raw (flags as integers)."""
    proc: Process | None = None
    fd: Fd | None = None
    payload: Any = None
    """The decoded JSON document of a source that is not the kernel."""
    boot_id: str | None = None
    """The boot of this node during which it happened; None where no kernel of ours reported it (a recording)."""
    given: dict[str, Any] | None = None
    """Fields by full name that were recorded rather than computed (a replayed event); they win."""
