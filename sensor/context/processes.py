"""The table of processes: seeded from /proc, kept by what the probes report, bounded.

A process is its pid and its start time: where the kernel reports another start time for a pid, the pid was
given out anew. Nothing here raises for a process that is gone; what is not known stays None.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import structlog

from sensor.context.clock import boot_offset, ticks
from sensor.context.procfs import PROC, read_process
from sensor.event import Process

log = structlog.get_logger(__name__)

LIMIT = 65_536
"""Processes kept; a table of live processes is far smaller, so beyond this something is wrong."""
KEPT_AFTER_EXIT = 1024
"""Ended processes kept for those who ask a moment later."""
MISSES_REMEMBERED = 4096

_SLOTS = tuple(field.name for field in fields(Process))


class Processes:
    """pid → Process. Not for use by several threads at once."""

    def __init__(self, limit: int = LIMIT, proc: Path = PROC, offset: int | None = None) -> None:
        """`offset` turns times since boot into times since the epoch; measured once, so identities stay."""
        self.offset = boot_offset() if offset is None else offset
        self.evicted = 0
        """Processes dropped because the table was full."""
        self._limit = limit
        self._proc = proc
        self._processes: dict[int, Process] = {}
        self._ended: deque[Process] = deque()
        self._gone: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._processes)

    def __iter__(self) -> Iterator[Process]:
        return iter(list(self._processes.values()))

    def seed_from_proc(self) -> None:
        """Read every process there is now; one that is known already is left alone."""
        for entry in self._proc.iterdir():
            if entry.name.isdigit() and int(entry.name) not in self._processes:
                self._read(int(entry.name))
        for process in self._processes.values():
            self._link(process)

    def get(self, pid: int) -> Process | None:
        """The process with this pid, looked up in /proc where it is not known yet; None where it is gone."""
        process = self._processes.get(pid)
        if process is None and pid > 0 and pid not in self._gone:
            process = self._read(pid)
            if process is not None:
                self._link(process)
        return process

    def observe(self, pid: int, ppid: int, started: int, uid: int, gid: int) -> Process:
        """The process an event came from, brought up to date with what the event says.

        `started` is nanoseconds since boot, exactly as the kernel has it.
        """
        process = self._processes.get(pid)
        if process is None or process.start_time != started + self.offset:
            process = self._identify(pid, ppid, started)
        if process.ppid != ppid:
            process.ppid = ppid
            process.parent = self.get(ppid)
        process.uid = uid
        process.gid = gid
        return process

    def forked(self, parent: Process, pid: int, ppid: int, started: int, vpid: int) -> Process:
        """A new process: everything but its identity is as its maker has it at this moment."""
        child = _copy(parent)
        child.pid = child.tid = pid
        child.ppid = ppid
        child.vpid = vpid
        child.start_time = started + self.offset
        child.start_ticks = ticks(started)
        child.exited = False
        child.parent = parent if ppid == parent.pid else self.get(ppid)
        self._keep(child)
        return child

    def exited(self, process: Process) -> None:
        """The process has ended; it stays for a moment for those who ask late."""
        process.exited = True
        self._ended.append(process)
        while len(self._ended) > KEPT_AFTER_EXIT:
            oldest = self._ended.popleft()
            if self._processes.get(oldest.pid) is oldest:
                del self._processes[oldest.pid]
            oldest.parent = oldest.session_leader = None

    def thread(self, process: Process, tid: int, name: str) -> Process:
        """The process as one of its other threads: its own tid and name, all else shared."""
        view = _copy(process)
        view.tid = tid
        view.name = name
        return view

    def _identify(self, pid: int, ppid: int, started: int) -> Process:
        """Find out about a process whose start was not seen, or whose pid now belongs to another one."""
        start_ticks = ticks(started)
        process = self._processes.get(pid)
        if process is None or process.start_ticks != start_ticks:
            process = read_process(pid, self.offset, self._proc)
            if process is None or process.start_ticks != start_ticks:
                # Gone already: the event itself is all there is to know.
                process = Process(pid=pid, tid=pid, ppid=ppid, start_ticks=start_ticks)
            self._keep(process)
            process.ppid = ppid
            process.parent = self.get(ppid)
        # /proc is exact to a clock tick, the probe to a nanosecond.
        process.start_time = started + self.offset
        return process

    def _read(self, pid: int) -> Process | None:
        process = read_process(pid, self.offset, self._proc)
        if process is None:
            if len(self._gone) >= MISSES_REMEMBERED:
                self._gone.clear()
            self._gone[pid] = None
        else:
            self._keep(process)
        return process

    def _keep(self, process: Process) -> None:
        self._gone.pop(process.pid, None)
        if process.pid not in self._processes and len(self._processes) >= self._limit:
            # The one that was added first; if it lives, its next event brings it back.
            del self._processes[next(iter(self._processes))]
            self.evicted += 1
        self._processes[process.pid] = process

    def _link(self, process: Process) -> None:
        if process.parent is None and process.ppid:
            process.parent = self.get(process.ppid)


def _copy(process: Process) -> Process:
    """A shallow copy; several times faster than copy.copy() or dataclasses.replace()."""
    copy = object.__new__(Process)
    for slot in _SLOTS:
        setattr(copy, slot, getattr(process, slot))
    return copy
