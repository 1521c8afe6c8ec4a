"""One process as /proc shows it; for those that were there before the probes, or whose start was missed."""

import os
from pathlib import Path

from sensor.context.clock import from_ticks
from sensor.context.containers import container_id
from sensor.event import Process

PROC = Path("/proc")
_ENV_BYTES = 4095
"""As much of argv and the environment as the exec probe keeps."""
_UNSET = 0xFFFFFFFF
_V1_CONTROLLERS = ("pids", "memory", "cpu")


def read_process(pid: int, boot_offset: int, proc: Path = PROC) -> Process | None:
    """The process, or None where it is gone; what /proc does not tell stays None.

    `boot_offset` turns times since boot into times since the epoch. The start time is exact to one clock
    tick only.
    """
    folder = f"{proc}/{pid}"
    stat = _read(f"{folder}/stat")
    if not stat:
        return None
    # comm may hold spaces and parentheses; the last one closes it (proc_pid_stat(5)).
    opened, closed = stat.find(b"("), stat.rfind(b")")
    fields = stat[closed + 2 :].split()
    if len(fields) < 20:
        return None
    start_ticks = int(fields[19])
    process = Process(
        pid=pid,
        tid=pid,
        ppid=int(fields[1]),
        start_time=from_ticks(start_ticks) + boot_offset,
        start_ticks=start_ticks,
        name=stat[opened + 1 : closed].decode(errors="replace"),
        pgid=int(fields[2]),
        sid=int(fields[3]),
        tty=int(fields[4]) & _UNSET,
        cwd=_link(f"{folder}/cwd"),
    )
    _add_status(process, _read(f"{folder}/status"))
    _add_command(process, _read(f"{folder}/cmdline", _ENV_BYTES))
    _add_executable(process, f"{folder}/exe")
    environment = _read(f"{folder}/environ", _ENV_BYTES)
    if environment is not None:
        process.env = strings(environment)
    loginuid = _read(f"{folder}/loginuid")
    if loginuid and loginuid.strip().isdigit():
        process.loginuid = signed_uid(int(loginuid))
    cgroups = _read(f"{folder}/cgroup")
    if cgroups:
        process.cgroups = cgroup_paths(cgroups.decode(errors="replace"))
        process.container_id = container_id(process.cgroups)
    return process


def strings(data: bytes) -> list[str]:
    """NUL-separated strings, as argv and the environment lie in memory."""
    if not data:
        return []
    return data.removesuffix(b"\0").decode(errors="replace").split("\0")


def signed_uid(uid: int) -> int:
    """-1 for the kernel's `no such user` (4294967295)."""
    return -1 if uid == _UNSET else uid


def cgroup_paths(text: str) -> str:
    """The process's path in /proc/PID/cgroup: the v2 one, or where v1 hierarchies are in use the first of theirs.

    bpf/exec.c asks the same controllers in the same order.
    """
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths.update(dict.fromkeys(controllers.split(","), path))
    below = (paths[name] for name in ("", *_V1_CONTROLLERS) if paths.get(name, "/") != "/")
    return next(below, "/")


def _add_status(process: Process, status: bytes | None) -> None:
    lines = dict(line.split(b":", 1) for line in (status or b"").splitlines() if b":" in line)
    uids, gids = lines.get(b"Uid", b"").split(), lines.get(b"Gid", b"").split()
    if len(uids) == 4 and len(gids) == 4:
        process.uid, process.gid = int(uids[1]), int(gids[1])
    pids, groups, sessions = (lines.get(key, b"").split() for key in (b"NSpid", b"NSpgid", b"NSsid"))
    if pids and groups and sessions:
        process.vpid, process.vpgid, process.sid = int(pids[-1]), int(groups[-1]), int(sessions[-1])
    if b"CapEff" in lines:
        process.cap_inheritable = int(lines[b"CapInh"], 16)
        process.cap_permitted = int(lines[b"CapPrm"], 16)
        process.cap_effective = int(lines[b"CapEff"], 16)


def _add_command(process: Process, command: bytes | None) -> None:
    words = strings(command or b"")
    if words:
        process.exe, process.args = words[0], words[1:]
    else:
        # A kernel thread, or a process that is just leaving.
        process.exe, process.args = process.name, []


def _add_executable(process: Process, path: str) -> None:
    target = _link(path)
    if target is None:
        return
    process.exepath = target.removesuffix(" (deleted)")
    process.is_exe_from_memfd = target.startswith("/memfd:")
    try:
        status = os.stat(path)
    except OSError:
        return
    process.exe_ino = status.st_ino
    process.exe_ino_ctime = status.st_ctime_ns
    process.exe_ino_mtime = status.st_mtime_ns


def _read(path: str, limit: int = 1 << 16) -> bytes | None:
    """A file's start, or None where the process or our permission to read it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, limit)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
