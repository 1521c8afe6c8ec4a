"""The live event source: probes in the running kernel, completed with the process table."""

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog

from sensor.context.clock import boot_id, boot_offset
from sensor.context.files import AT_FDCWD, absolute, directory
from sensor.context.processes import Processes
from sensor.event import Event, Process
from sensor.probes import checkup, complete
from sensor.probes.decode import Decoder, Malformed, comm, string, tree
from sensor.probes.loader import WANT_DENIED, WANT_FAILED, WANT_SUCCESS, Module, probe_names

log = structlog.get_logger(__name__)

STATE = ("chdir", "exec", "exit", "fork")
"""Probes that always run: the process table lives on them."""

FAILED_OPENS = {"all": WANT_DENIED | WANT_FAILED, "denied": WANT_DENIED, "none": 0}
_EVERYTHING = WANT_SUCCESS | WANT_DENIED | WANT_FAILED
_NAMES_REMEMBERED = 16_384


class KernelSource:
    """Events of this machine's kernel, each complete with its process, descriptor and parameters."""

    def __init__(
        self,
        probes: Sequence[str] | None,
        table: Processes,
        event_types: frozenset[str] | None = None,
        failed_opens: str = "all",
        cache: Path | None = None,
    ) -> None:
        """`probes` by name, None for all; `event_types` that rules ask for, None for all.

        `failed_opens` says which opens that failed are reported: `all`, `denied` (EPERM and EACCES) or
        `none`. Programs look for files in many places, so most opens that fail mean nothing. `cache` is where
        compiled probes are kept; None is `sensor.probes.bytecode.cache_folder()`.
        """
        self.malformed = 0
        """Records that could not be decoded: a defect of ours, or memory gone bad."""
        self._names = probe_names() if probes is None else sorted({*probes, *STATE})
        self._asked = None if probes is None else set(probes)
        self._table = table
        self._types = event_types
        self._failed_opens = FAILED_OPENS[failed_opens]
        self._cache = cache
        self._module: Module | None = None
        self._decoders: dict[int, Decoder] = {}
        self._reported: set[int] = set()
        self._comms: dict[tuple[int, int], str] = {}
        self._descriptors = complete.Descriptors()
        self._failed: set[str] = set()
        self._count = 0
        self._boot_id = boot_id()

    @property
    def lost(self) -> int:
        """Events that the kernel dropped because nobody read fast enough."""
        return self._module.lost if self._module else 0

    @property
    def attached(self) -> list[str]:
        """Names of the probes that run."""
        if self._module is None:
            return []
        running = self._module.attached
        return sorted({program.probe for program in self._module.schema.programs if program.function in running})

    def open(self) -> None:
        """Compile and attach the probes, then read the processes there are; raises ProbeError."""
        checkup.demand()
        self._module = Module(self._names, self._cache)
        self._decoders = {event.number: Decoder(event) for event in self._module.schema.events}
        self.want(self._types)
        # After attaching: a process that starts meanwhile is reported, so none falls between.
        self._table.seed_from_proc()

    def want(self, event_types: frozenset[str] | None) -> None:
        """Report these event types from now on (None: all); what no rule asks for costs nothing.

        Raises ProbeError where nothing can be attached.
        """
        self._types = event_types
        if self._module is None:
            return
        chosen = [
            event
            for event in self._module.schema.events
            if (event_types is None or event.name in event_types)
            and (self._asked is None or event.probe in self._asked)
        ]
        self._reported = {event.number for event in chosen}
        outcomes = {event.name: WANT_SUCCESS for event in self._module.schema.events if event.probe in STATE}
        for event in chosen:
            outcomes[event.name] = WANT_SUCCESS | self._failed_opens if event.probe == "open" else _EVERYTHING
        self._module.want(outcomes)
        failed = self._module.attach({*STATE, *(event.probe for event in chosen)})
        if failed.keys() - self._failed:
            # Of a system call that this kernel was built without nothing can be missed.
            absent = all(reason == os.strerror(errno.ENOENT) for reason in failed.values())
            log.log(logging.DEBUG if absent else logging.INFO, "programs_not_attached", **failed)
        self._failed = set(failed)

    def poll(self, timeout_s: float) -> Iterator[Event]:
        """Wait up to `timeout_s` seconds for events, then give all there are."""
        module = self._module
        if module is None or not module.ring.wait(timeout_s):
            return
        # Anew each time: somebody may set the clock.
        offset = boot_offset()
        for record in module.ring.records():
            try:
                event = self._event(record, offset)
            except (Malformed, KeyError):
                self.malformed += 1
                continue
            if event is not None:
                yield event

    def close(self) -> None:
        """Detach the probes; nothing of them stays in the kernel."""
        if self._module is not None:
            self._module.close()
            self._module = None

    def _event(self, record: bytes, offset: int) -> Event | None:
        """Decode one record, bring the process table up to date; None where nobody asked for the event."""
        decoder = self._decoders[int.from_bytes(record[:2], "little")]
        values = decoder.values(record)
        number, cpu, pid, time, started, res, tid, ppid, uid, gid, low, high = values[:12]
        process = self._table.observe(pid, ppid, started, uid, gid)
        name = self._comms.get((low, high)) or self._name(low, high)
        if tid == pid:
            process.name = name
        else:
            process = self._table.thread(process, tid, name)
        probe = decoder.event.probe
        if probe in STATE and res >= 0:
            self._update(probe, process, decoder, record, values)
        if number not in self._reported:
            return None
        arguments = decoder.arguments(record, values, process.cwd)
        if probe == "exec":
            arguments = (
                complete.execution_arguments(process, arguments)
                if res >= 0
                else complete.failed_execution_arguments(decoder, record, values, arguments)
            )
        self._count += 1
        return Event(
            type=decoder.event.name,
            time=time + offset,
            num=self._count,
            cpu=cpu,
            res=res,
            args=arguments,
            proc=process,
            fd=self._descriptors.describe(decoder, record, values, arguments),
            boot_id=self._boot_id,
        )

    def _update(self, probe: str, process: Process, decoder: Decoder, record: bytes, values: tuple[Any, ...]) -> None:
        at = decoder.at
        if probe == "fork":
            child, ppid, started, vpid = (
                values[at[name]] for name in ("child", "child_parent", "child_start_time", "vpid")
            )
            self._table.forked(process, child, ppid, started, vpid)
        elif probe == "exec":
            complete.executed(process, decoder, record, values)
        elif probe == "chdir":
            process.cwd = (
                tree(record, values[at["cwd"]])
                or directory(process.pid, AT_FDCWD)
                or absolute(string(record, values[at["path"]]) or "", process.cwd if values[at["path"]] else None)
            )
        else:
            self._table.exited(process)

    def _name(self, low: int, high: int) -> str:
        if len(self._comms) >= _NAMES_REMEMBERED:
            self._comms.clear()
        name = self._comms[low, high] = comm(low, high)
        return name
