"""Probes in the running kernel: compiled, attached, and read from.

`Module` knows programs, maps and records; what a record means is for `sensor.probes.decode`.
"""

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from sensor.probes import attach, schema
from sensor.probes.errors import ProbeError
from sensor.probes.ring import Ring, SharedArray

log = structlog.get_logger(__name__)

FOLDER = Path(__file__).resolve().parents[2] / "bpf"
RING_BYTES = 8 << 20
WANTED_SLOTS = 512
"""Event types the `wanted` map has room for: one page of 64-bit values."""

WANT_SUCCESS, WANT_DENIED, WANT_FAILED = 1, 2, 4
"""Which outcomes of an event type are reported; the same numbers as in bpf/common.h."""

_COMPILE_SECONDS = 60
_ADVICE = {
    "ModuleNotFoundError": "install it with: apt-get install python3-bpfcc",
    "ImportError": "reinstall it with: apt-get install --reinstall python3-bpfcc",
    "BtfError": "the probes need a kernel built with CONFIG_DEBUG_INFO_BTF=y (5.15 or newer)",
}


def probe_names() -> list[str]:
    """Every probe there is: one C file each."""
    return sorted(path.stem for path in FOLDER.glob("*.c"))


def read_schema(probes: Sequence[str]) -> schema.Schema:
    """What the named probes declare; raises ProbeError for a name that is not a probe's."""
    unknown = sorted(set(probes) - set(probe_names()))
    if unknown:
        raise ProbeError(f"no probe is called {', '.join(unknown)}; there are {', '.join(probe_names())}")
    return schema.read(FOLDER / "common.h", [FOLDER / f"{name}.c" for name in probes])


class Module:
    """The named probes, loaded; `attach` makes them run. Raises ProbeError if they cannot be loaded."""

    def __init__(self, probes: Sequence[str], defines: dict[str, int] | None = None) -> None:
        self.schema = read_schema(probes)
        self.attached: dict[str, int] = {}
        """Descriptor of each attachment by the program's function."""
        cpus = os.sysconf("SC_NPROCESSORS_CONF")
        request = {
            "common": str(FOLDER / "common.h"),
            "probes": [str(FOLDER / f"{name}.c") for name in probes],
            "defines": {
                "SELF": os.getpid(),
                "RING_PAGES": RING_BYTES // os.sysconf("SC_PAGE_SIZE"),
                "CPUS": cpus,
                "WANTED_SLOTS": WANTED_SLOTS,
                **(defines or {}),
            },
        }
        reply, descriptors = _compile(request)
        events, lost, wanted, *programs = descriptors
        self._descriptors = descriptors
        self._programs = dict(zip(reply["programs"], programs, strict=True))
        self.refused: dict[str, str] = reply["refused"]
        self.ring = Ring(events, RING_BYTES)
        self._lost = SharedArray(lost, cpus)
        self._wanted = SharedArray(wanted, WANTED_SLOTS)

    @property
    def lost(self) -> int:
        """Events that found the ring buffer full since the probes were loaded."""
        return self._lost.total()

    def want(self, outcomes: Mapping[str, int]) -> None:
        """Report exactly these event types, each with these outcomes (WANT_*); takes effect at once."""
        for event in self.schema.events:
            self._wanted[event.number] = outcomes.get(event.name, 0)

    def attach(self, probes: Iterable[str]) -> dict[str, str]:
        """Attach the programs of these probes and detach all others.

        Returns what could not be attached, by function, with the reason: not every kernel and processor
        has every system call. Raises ProbeError where nothing can be attached at all.
        """
        events = (attach.tracefs() or _mounted_tracefs()) / "events"
        failed = dict(self.refused)
        chosen = set(probes)
        for program in self.schema.programs:
            function = program.function
            if program.probe not in chosen:
                if function in self.attached:
                    os.close(self.attached.pop(function))
                continue
            if function in self.attached or function not in self._programs:
                continue
            fd = self._programs[function]
            try:
                self.attached[function] = (
                    attach.raw_tracepoint(fd, program.tracepoint)
                    if program.raw
                    else attach.tracepoint(fd, program.tracepoint, events)
                )
            except OSError as error:
                failed[function] = error.strerror or str(error)
        if failed and not self.attached:
            function, reason = next(iter(failed.items()))
            raise ProbeError(
                f"the kernel refused every probe (first: {function}: {reason}); "
                "run as root or with CAP_BPF and CAP_PERFMON"
            )
        return failed

    def close(self) -> None:
        """Detach everything and give all memory back."""
        self.ring.close()
        self._lost.close()
        self._wanted.close()
        for fd in (*self.attached.values(), *self._descriptors):
            os.close(fd)
        self.attached.clear()
        self._descriptors.clear()


def _mounted_tracefs() -> Path:
    try:
        return attach.mount_tracefs()
    except OSError as error:
        raise ProbeError(
            f"tracefs is not mounted and cannot be ({error.strerror}); "
            "run as root: mount -t tracefs nodev /sys/kernel/tracing"
        ) from error


def _compile(request: Mapping[str, object]) -> tuple[dict[str, Any], list[int]]:
    """Have `sensor.probes.compiler` do it in a process of its own; see there for the answer."""
    ours, theirs = socket.socketpair()
    root = str(FOLDER.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    with ours, theirs:
        with subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "sensor.probes.compiler", str(theirs.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            env=environment,
        ) as child:
            theirs.close()
            try:
                _, words = child.communicate(json.dumps(request).encode(), timeout=_COMPILE_SECONDS)
            except subprocess.TimeoutExpired as error:
                child.kill()
                raise ProbeError(f"compiling the probes took more than {_COMPILE_SECONDS} s") from error
        said = words.decode(errors="replace").strip()
        if not select.select([ours], [], [], 0)[0]:
            raise ProbeError(f"the probe compiler ended without an answer: {said[-2000:]}")
        answer, descriptors, _, _ = socket.recv_fds(ours, 1 << 20, 253, socket.MSG_CMSG_CLOEXEC)
    reply = json.loads(answer) if answer else {"error": "RuntimeError", "message": said}
    if "error" in reply:
        advice = _ADVICE.get(reply["error"], said[-2000:])
        raise ProbeError(f"the probes do not compile: {reply['message']}; {advice}".rstrip("; "))
    if said:
        log.warning("probe_compiler_said", text=said[-2000:])
    return reply, list(descriptors)
