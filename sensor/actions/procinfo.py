"""A fresh look at one process in /proc, for decisions that must not come from a cache."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PF_KTHREAD = 0x00200000
"""Task flag of kernel threads (include/linux/sched.h), in field 9 of /proc/PID/stat."""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as /proc shows it now."""

    pid: int
    name: str
    state: str
    """One letter of proc(5): R, S, D, Z, …"""
    ppid: int
    flags: int
    threads: int
    start_ticks: int
    leader: int
    """The thread-group leader's id; differs from `pid` for a thread."""
    container_init: bool
    """It is process 1 of a pid namespace below ours."""
    exepath: str | None
    """None for kernel threads, zombies, and where we may not look."""

    @property
    def gone(self) -> bool:
        """Exited. A leader that left while its other threads run on shows as a zombie, too, but is not gone."""
        return self.state in "ZX" and self.threads <= 1

    @property
    def kernel_thread(self) -> bool:
        return bool(self.flags & PF_KTHREAD)


def look(pid: int) -> Seen | None:
    """What `pid` is now; None if there is no such process."""
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
        status = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses and may hold any byte, parentheses too; fields count from after the last one.
    opened, closed = stat.index(b"("), stat.rindex(b")")
    rest = stat[closed + 2 :].split()
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    namespaced = lines.get("NSpid", "").split()
    return Seen(
        pid=pid,
        name=stat[opened + 1 : closed].decode("utf-8", "replace"),
        state=rest[0].decode(),
        ppid=int(rest[1]),
        flags=int(rest[6]),
        threads=int(rest[17]),
        start_ticks=int(rest[19]),
        leader=int(lines["Tgid"]),
        container_init=len(namespaced) > 1 and namespaced[-1] == "1",
        exepath=exepath(pid),
    )


def exepath(pid: int) -> str | None:
    """The executable's path, also when the file was deleted since."""
    try:
        return os.readlink(PROC / str(pid) / "exe").removesuffix(" (deleted)")
    except OSError:
        return None


def children(pid: int) -> list[int]:
    """Processes whose parent is `pid` (any of its threads); empty where the kernel does not tell."""
    found: list[int] = []
    try:
        for listing in (PROC / str(pid) / "task").glob("*/children"):
            found += [int(word) for word in listing.read_text().split()]
    except OSError:
        return found
    return found


def kernel_release() -> str:
    """As `uname -r` prints it."""
    return os.uname().release


def started_at_ns(start_ticks: int) -> int:
    """Start time since the epoch; as exact as `btime` is, which is to the second."""
    for line in (PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return int(line.split()[1]) * 1_000_000_000 + start_ticks * 1_000_000_000 // TICKS_PER_SECOND
    raise OSError("/proc/stat has no btime line")
