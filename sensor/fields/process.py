"""`proc.*` and `thread.*`: which process did it."""

from collections.abc import Callable, Iterator
from typing import Any

from sensor.event import Event, Process
from sensor.fields import flags
from sensor.fields.catalog import Extract, Field
from sensor.fields.kinds import Type

MAX_ANCESTORS = 100
"""A longer chain is a loop in damaged data."""


def ancestors(process: Process | None) -> Iterator[Process]:
    """The parents, nearest first."""
    found = process.parent if process is not None else None
    for _ in range(MAX_ANCESTORS):
        if found is None:
            return
        yield found
        found = found.parent


def ancestor(process: Process | None, steps: int) -> Process | None:
    """The process itself for 0, its parent for 1, …"""
    for _ in range(min(steps, MAX_ANCESTORS)):
        if process is None:
            return None
        process = process.parent
    return process


def arguments(process: Process) -> str | None:
    """The arguments, with blanks between."""
    return None if process.args is None else " ".join(process.args)


def command_line(process: Process) -> str | None:
    """Name and arguments."""
    return _line(process.name, process)


def exe_line(process: Process) -> str | None:
    """argv[0] and arguments."""
    return _line(process.exe, process)


def _line(first: str | None, process: Process) -> str | None:
    if first is None:
        return None
    return f"{first} {' '.join(process.args)}" if process.args else first


def cwd(process: Process) -> str | None:
    """The working directory, with a slash behind it."""
    if process.cwd is None:
        return None
    return process.cwd if process.cwd.endswith("/") else f"{process.cwd}/"


def pid(process: Process) -> int:
    """The process id."""
    return process.pid


def of(read: Callable[[Process], Any]) -> Extract:
    """What `read` says about the event's process."""
    return lambda event: None if event.proc is None else read(event.proc)


def of_parent(read: Callable[[Process], Any]) -> Extract:
    """What `read` says about its parent."""
    return lambda event: None if event.proc is None or event.proc.parent is None else read(event.proc.parent)


def of_leader(read: Callable[[Process], Any]) -> Extract:
    """What `read` says about the leader of its session."""

    def extract(event: Event) -> Any:
        process = event.proc
        if process is None:
            return None
        return "" if (leader := session_leader(process)) is None else read(leader)

    return extract


def session_leader(process: Process) -> Process | None:
    """The leader of the session: as recorded, or the oldest ancestor that has the same session."""
    if process.session_leader is not None:
        return process.session_leader
    if process.sid is None:
        return None
    oldest = process
    for one in ancestors(process):
        if one.sid != process.sid:
            break
        oldest = one
    return oldest


def group_leader(process: Process) -> Process | None:
    """The leader of the process group: the oldest ancestor that has the same one."""
    group = process.vpgid if process.vpgid is not None else process.pgid
    if group is None:
        return None
    oldest = process
    for one in ancestors(process):
        if (one.vpgid if one.vpgid is not None else one.pgid) != group:
            break
        oldest = one
    return oldest


def of_group(read: Callable[[Process], Any]) -> Extract:
    """What `read` says about the leader of its process group."""
    return of(lambda process: "" if (leader := group_leader(process)) is None else read(leader))


def _of_all(read: Callable[[Process], Any]) -> Extract:
    def extract(event: Event) -> tuple[Any, ...] | None:
        return tuple(value for one in ancestors(event.proc) if (value := read(one)) is not None) or None

    return extract


def _of_nth(read: Callable[[Process], Any]) -> Callable[[str], Extract]:
    def bind(argument: str) -> Extract:
        steps = int(argument[:4])

        def extract(event: Event) -> Any:
            found = ancestor(event.proc, steps)
            return None if found is None else read(found)

        return extract

    return bind


def environment(name: str) -> Callable[[Process], str | None]:
    """A reader of one environment variable; "" where it is not set."""
    prefix = f"{name}="

    def read(process: Process) -> str | None:
        if process.env is None:
            return None
        return next((entry[len(prefix) :] for entry in process.env if entry.startswith(prefix)), "")

    return read


def _nth_argument(argument: str) -> Extract:
    number = int(argument[:6])

    def read(process: Process) -> str | None:
        if process.args is None:
            return None
        return process.args[number] if number < len(process.args) else ""

    return of(read)


def _ancestor_environment(argument: str) -> Extract:
    read = environment(argument)
    return lambda event: next((value for one in ancestors(event.proc) if (value := read(one))), None)


def _cgroup(subsystem: str) -> Extract:
    def read(process: Process) -> str | None:
        if process.cgroups is None:
            return None
        for part in process.cgroups.replace(",", " ").split():
            name, equals, path = part.partition("=")
            if equals and name == subsystem:
                return path
        return process.cgroups if "=" not in process.cgroups else None

    return of(read)


def duration(event: Event, process: Process | None) -> int | None:
    """Nanoseconds between the start of a process and the event."""
    if process is None or not process.start_time:
        return None
    return max(0, event.time - process.start_time)


def _capabilities(attribute: str) -> Extract:
    def read(process: Process) -> str | None:
        mask = getattr(process, attribute)
        return None if mask is None else flags.capabilities(mask)

    return of(read)


def _known(attribute: str) -> Extract:
    """A number for which 0 means that it is not known."""
    return of(lambda process: getattr(process, attribute) or None)


def _same(left: str, right: str) -> Extract:
    def read(process: Process) -> bool | None:
        one, other = getattr(process, left), getattr(process, right)
        return None if one is None or other is None else bool(one == other)

    return of(read)


def _since_change(process: Process) -> int | None:
    if not process.exe_ino_ctime or not process.start_time:
        return None
    return max(0, process.start_time - process.exe_ino_ctime)


def _login_shell(event: Event) -> int | None:
    shells = [one for one in ancestors(event.proc) if (one.name or "") in _SHELLS]
    return shells[-1].pid if shells else None


_SHELLS = frozenset(["ash", "bash", "csh", "dash", "fish", "ksh", "sh", "tcsh", "zsh"])


def _plain(name: str, kind: Type, attribute: str, doc: str) -> Field:
    return Field(name=name, type=kind, doc=doc, via=("proc", attribute))


def _one(name: str, kind: Type, extract: Extract | None, doc: str, **more: Any) -> Field:
    return Field(name=name, type=kind, doc=doc, extract=extract, **more)


def _name(process: Process) -> str | None:
    return process.name


def _exe(process: Process) -> str | None:
    return process.exe


def _exepath(process: Process) -> str | None:
    return process.exepath


def _family(name: str, kind: Type, read: Callable[[Process], Any], doc: str) -> Field:
    return Field(
        name=f"proc.{name}",
        type=kind,
        doc=f"{doc} of the ancestor so many steps up ([0] is the process itself); without a number, of any.",
        extract=_of_all(read),
        bind=_of_nth(read),
        argument="optional",
        index=True,
        spread="any",
        transformable=False,
    )


FIELDS = (
    _plain("proc.name", Type.CHARBUF, "name", "Name of the task (comm), at most 15 bytes."),
    _plain("proc.exe", Type.CHARBUF, "exe", "argv[0], which a process may choose."),
    _plain("proc.exepath", Type.CHARBUF, "exepath", "Path of the executable, from the kernel."),
    Field(name="proc.args", type=Type.CHARBUF, doc="Arguments without argv[0]; [n] is the nth of them.",
          extract=of(arguments), bind=_nth_argument, argument="optional", index=True),
    _one("proc.cmdline", Type.CHARBUF, of(command_line), "Name and arguments."),
    _one("proc.exeline", Type.CHARBUF, of(exe_line), "argv[0] and arguments."),
    _one("proc.cmdnargs", Type.UINT64, of(lambda p: None if p.args is None else len(p.args)), "Number of arguments."),
    _one("proc.cmdlenargs", Type.UINT64, of(lambda p: None if p.args is None else sum(map(len, p.args))),
         "Length of all arguments."),
    _one("proc.pname", Type.CHARBUF, of_parent(_name), "Name of the parent."),
    _one("proc.pexe", Type.CHARBUF, of_parent(_exe), "argv[0] of the parent."),
    _one("proc.pexepath", Type.CHARBUF, of_parent(_exepath), "Path of the parent's executable."),
    _one("proc.pcmdline", Type.CHARBUF, of_parent(command_line), "Name and arguments of the parent."),
    _family("aname", Type.CHARBUF, _name, "Name"),
    _family("aexe", Type.CHARBUF, _exe, "argv[0]"),
    _family("aexepath", Type.CHARBUF, _exepath, "Executable path"),
    _family("acmdline", Type.CHARBUF, command_line, "Name and arguments"),
    _family("aargs", Type.CHARBUF, arguments, "Arguments"),
    _family("apid", Type.INT64, pid, "Id"),
    Field(name="proc.env", type=Type.CHARBUF, doc="Environment; [NAME] is one variable's value.",
          extract=of(lambda p: None if p.env is None else " ".join(p.env)),
          bind=lambda name: of(environment(name)), argument="optional"),
    Field(name="proc.aenv", type=Type.CHARBUF, doc="A variable in the environment of the nearest ancestor with it.",
          extract=lambda e: " ".join(" ".join(one.env or ()) for one in ancestors(e.proc)) or None,
          bind=_ancestor_environment, argument="optional", transformable=False),
    _one("proc.cwd", Type.CHARBUF, of(cwd), "Working directory, with a slash at the end."),
    _plain("proc.tty", Type.UINT32, "tty", "Device number of the controlling terminal; 0 is none."),
    _plain("proc.pid", Type.INT64, "pid", "Process id."),
    _plain("proc.ppid", Type.INT64, "ppid", "Process id of the parent."),
    _plain("proc.vpid", Type.INT64, "vpid", "Process id as seen inside its namespace."),
    _one("proc.pvpid", Type.INT64, of_parent(lambda p: p.vpid), "The parent's id as seen inside its namespace."),
    _plain("proc.sid", Type.INT64, "sid", "Session id."),
    _one("proc.sname", Type.CHARBUF, of_leader(_name), "Name of the session's leader."),
    _one("proc.sid.exe", Type.CHARBUF, of_leader(_exe), "argv[0] of the session's leader."),
    _one("proc.sid.exepath", Type.CHARBUF, of_leader(_exepath), "Executable of the session's leader."),
    _plain("proc.vpgid", Type.INT64, "vpgid", "Process group as seen inside its namespace."),
    _one("proc.vpgid.name", Type.CHARBUF, of_group(_name), "Name of the process group's leader."),
    _one("proc.vpgid.exe", Type.CHARBUF, of_group(_exe), "argv[0] of the process group's leader."),
    _one("proc.vpgid.exepath", Type.CHARBUF, of_group(_exepath), "Executable of the process group's leader."),
    _plain("proc.pgid", Type.INT64, "pgid", "Process group."),
    _one("proc.pgid.name", Type.CHARBUF, of_group(_name), "Name of the process group's leader."),
    _one("proc.pgid.exe", Type.CHARBUF, of_group(_exe), "argv[0] of the process group's leader."),
    _one("proc.pgid.exepath", Type.CHARBUF, of_group(_exepath), "Executable of the process group's leader."),
    _one("proc.is_sid_leader", Type.BOOL, _same("sid", "vpid"), "Leads its session."),
    _one("proc.is_vpgid_leader", Type.BOOL, _same("vpgid", "vpid"), "Leads its process group (ids in the namespace)."),
    _one("proc.is_pgid_leader", Type.BOOL, _same("pgid", "pid"), "Leads its process group (ids of the node)."),
    _one("proc.duration", Type.RELTIME, lambda e: duration(e, e.proc), "Nanoseconds since the process started."),
    _one("proc.ppid.duration", Type.RELTIME, lambda e: duration(e, e.proc.parent if e.proc else None),
         "Nanoseconds since the parent started."),
    _one("proc.pid.ts", Type.RELTIME, _known("start_time"), "Start of the process, nanoseconds since the epoch."),
    _one("proc.ppid.ts", Type.RELTIME, of_parent(lambda p: p.start_time or None), "Start of the parent."),
    _plain("proc.is_exe_writable", Type.BOOL, "is_exe_writable", "The process may write to its executable."),
    _plain("proc.is_exe_upper_layer", Type.BOOL, "is_exe_upper_layer",
           "The executable is in the writable layer of an overlay: not part of the image."),
    _one("proc.is_exe_lower_layer", Type.BOOL,
         of(lambda p: None if p.is_exe_upper_layer is None else not p.is_exe_upper_layer),
         "The executable is in a read-only layer of an overlay."),
    _plain("proc.is_exe_from_memfd", Type.BOOL, "is_exe_from_memfd", "The executable never was on a disk."),
    _one("proc.exe_ino", Type.INT64, _known("exe_ino"), "Inode of the executable."),
    _one("proc.exe_ino.ctime", Type.ABSTIME, _known("exe_ino_ctime"), "Last change of the executable's inode."),
    _one("proc.exe_ino.mtime", Type.ABSTIME, _known("exe_ino_mtime"), "Last write to the executable."),
    _one("proc.exe_ino.ctime_duration_proc_start", Type.ABSTIME, of(_since_change),
         "Nanoseconds from the last change of the executable to the start of the process."),
    _one("proc.exe_ino.ctime_duration_pidns_start", Type.ABSTIME, None,
         "Nanoseconds from the start of the namespace to that change."),
    _one("proc.pidns_init_start_ts", Type.UINT64, None, "Start of the process's namespace."),
    _one("proc.loginshellid", Type.INT64, _login_shell, "The oldest shell among the ancestors."),
    _one("proc.fdopencount", Type.UINT64, None, "Open descriptors."),
    _one("proc.fdlimit", Type.INT64, None, "How many descriptors it may open."),
    _one("proc.fdusage", Type.DOUBLE, None, "Share of that limit in use."),
    _one("proc.vmsize", Type.UINT64, None, "Virtual memory, kB."),
    _one("proc.vmrss", Type.UINT64, None, "Resident memory, kB."),
    _one("proc.vmswap", Type.UINT64, None, "Swapped memory, kB."),
    _one("proc.nthreads", Type.UINT64, None, "Threads."),
    _one("proc.nchilds", Type.UINT64, None, "Threads other than the first."),
    *(
        _one(f"proc.fd.{stream}.{part}", Type.CHARBUF, None, f"{part.capitalize()} of {stream}.")
        for stream in ("stdin", "stdout", "stderr") for part in ("name", "type")
    ),
    *(
        _one(f"proc.is_container_{kind}", Type.BOOL, None, "Always missing.", deprecated="is always missing")
        for kind in ("healthcheck", "liveness_probe", "readiness_probe")
    ),
    _one("thread.cap_permitted", Type.CHARBUF, _capabilities("cap_permitted"), "Permitted capabilities."),
    _one("thread.cap_inheritable", Type.CHARBUF, _capabilities("cap_inheritable"), "Inheritable capabilities."),
    _one("thread.cap_effective", Type.CHARBUF, _capabilities("cap_effective"), "Effective capabilities."),
    _one("thread.tid", Type.INT64, of(lambda p: p.tid or p.pid), "Id of the thread."),
    _one("thread.ismain", Type.BOOL, of(lambda p: p.tid in (0, p.pid)), "The first thread of its process."),
    _one("thread.vtid", Type.INT64, of(lambda p: p.vpid if p.tid in (0, p.pid) else None),
         "Id of the thread as seen inside its namespace."),
    _one("thread.nametid", Type.CHARBUF, of(lambda p: f"{p.name or ''}{p.tid or p.pid}"), "Name and id of the thread."),
    _one("thread.cgroups", Type.CHARBUF, _known("cgroups"), "Its control groups."),
    Field(name="thread.cgroup", type=Type.CHARBUF, doc="One control group, by subsystem: thread.cgroup.cpu.",
          bind=_cgroup, argument="required", dotted=True),
    *(
        _one(f"thread.{name}", kind, None, doc)
        for name, kind, doc in (
            ("pfmajor", Type.UINT64, "Major page faults."), ("pfminor", Type.UINT64, "Minor page faults."),
            ("exectime", Type.RELTIME, "CPU time of the last turn."),
            ("totexectime", Type.RELTIME, "CPU time in all."),
            ("cpu", Type.DOUBLE, "CPU used in the last second."),
            ("cpu.user", Type.DOUBLE, "CPU used in user mode."),
            ("cpu.system", Type.DOUBLE, "CPU used in the kernel."),
            ("vmsize", Type.UINT64, "Virtual memory of the first thread, kB."),
            ("vmrss", Type.UINT64, "Resident memory of the first thread, kB."),
        )
    ),
)  # fmt: skip
