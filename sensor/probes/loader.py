"""Probes in the running kernel: compiled, loaded, attached, and read from.

`Module` knows programs, maps and records; what a record means is for `sensor.probes.decode`.
"""

import os
import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from sensor.probes import attach, bytecode, schema, syscalls
from sensor.probes.bytecode import Bytecode
from sensor.probes.compiling import compile_apart
from sensor.probes.errors import ProbeError
from sensor.probes.ring import Ring, SharedArray

log = structlog.get_logger(__name__)

FOLDER = Path(__file__).resolve().parents[2] / "bpf"
RING_BYTES = 8 << 20
DETACHING_THREADS = 16
"""The service may have 64 threads and processes (TasksMax= in deploy/)."""
WANTED_SLOTS = 512
"""Event types the `wanted` map has room for: one page of 64-bit values. Slot 0 has the sensor's pid."""

WANT_SUCCESS, WANT_DENIED, WANT_FAILED = 1, 2, 4
"""Which outcomes of an event type are reported; the same numbers as in bpf/common.h."""

_CODE = ("bytecode.py", "compiler.py", "kernel.py", "layout.py", "schema.py")
"""Modules that decide what the compiler makes of the C files."""


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

    def __init__(self, probes: Sequence[str], cache: Path | None = None) -> None:
        """`cache` is the folder for compiled probes (`bytecode.cache_folder()` where None)."""
        self.schema = read_schema(probes)
        self.attached: dict[str, int] = {}
        """Descriptor of each attachment by the program's function."""
        self.refused: dict[str, str] = {}
        """What the kernel's verifier would not load, by function, with its words."""
        self._programs: dict[str, int] = {}
        self._maps: dict[str, int] = {}
        cpus = _possible_cpus()
        defines = {
            "RING_PAGES": RING_BYTES // os.sysconf("SC_PAGE_SIZE"),
            "CPUS": cpus,
            "WANTED_SLOTS": WANTED_SLOTS,
        }
        try:
            self._load(self._bytecode(probes, defines, cache or bytecode.cache_folder()))
        except BaseException:
            self._close_descriptors()
            raise
        self.ring = Ring(self._maps["events"], RING_BYTES)
        self._lost = SharedArray(self._maps["lost"], cpus)
        self._wanted = SharedArray(self._maps["wanted"], WANTED_SLOTS)
        self._wanted[0] = os.getpid()

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

        Returns what could not be attached, by function, with the reason: not every kernel has every
        system call. Raises ProbeError where nothing can be attached at all.
        """
        events = attach.events_folder()
        failed = dict(self.refused)
        chosen = {program.function for program in self.schema.programs if program.probe in set(probes)}
        _detach([self.attached.pop(function) for function in self.attached.keys() - chosen])
        for program in self.schema.programs:
            function = program.function
            if function not in chosen or function in self.attached or function not in self._programs:
                continue
            try:
                self.attached[function] = attach.attach(program, self._programs[function], events)
            except OSError as error:
                failed[function] = error.strerror or str(error)
        if failed and not self.attached:
            raise _refused(failed)
        return failed

    def close(self) -> None:
        """Detach everything and give all memory back."""
        self.ring.close()
        self._lost.close()
        self._wanted.close()
        self._close_descriptors()

    def _bytecode(self, probes: Sequence[str], defines: Mapping[str, int], cache: Path) -> Bytecode:
        """From the cache, or compiled now and kept there."""
        here = Path(__file__).parent
        path = cache / bytecode.key(
            self.schema.text().encode(),
            repr(sorted(defines.items())).encode(),
            *((here / name).read_bytes() for name in _CODE),
            _kernel_identity(),
        )
        found = bytecode.kept(path)
        if found is None:
            found = compile_apart(FOLDER / "common.h", [FOLDER / f"{name}.c" for name in probes], defines)
            bytecode.keep(path, found)
        return found

    def _load(self, code: Bytecode) -> None:
        try:
            for one in code.maps:
                self._maps[one.name] = syscalls.create_map(
                    one.kind, one.key_size, one.value_size, one.entries, one.flags, one.name
                )
        except OSError as error:
            raise _refused({one.name: error.strerror or str(error)}) from error
        descriptors = list(self._maps.values())
        for program in self.schema.programs:
            function = program.function
            kind = syscalls.PROGRAM_RAW_TRACEPOINT if program.raw else syscalls.PROGRAM_TRACEPOINT
            instructions = bytecode.renumbered(code.programs[function], descriptors.__getitem__)
            try:
                self._programs[function] = syscalls.load_program(kind, instructions, program.name)
            except OSError as error:
                # One program refused must not take the others along.
                self.refused[function] = error.strerror or str(error)
        if self.refused and not self._programs:
            raise _refused(self.refused)

    def _close_descriptors(self) -> None:
        _detach(self.attached.values())
        self.attached.clear()
        for group in (self._programs, self._maps):
            for fd in group.values():
                os.close(fd)
            group.clear()


def _detach(descriptors: Collection[int]) -> None:
    """Close attachments side by side: the kernel waits about 30 ms for each, and all can wait for the same moment."""
    with ThreadPoolExecutor(DETACHING_THREADS) as threads:
        for _ in threads.map(os.close, descriptors):
            pass


def _refused(reasons: Mapping[str, str]) -> ProbeError:
    what, reason = next(iter(reasons.items()))
    return ProbeError(
        f"the kernel refused every probe (first: {what}: {reason}); run as root or with CAP_BPF and CAP_PERFMON"
    )


def _possible_cpus() -> int:
    """One more than the highest number a processor of this machine may get."""
    try:
        text = Path("/sys/devices/system/cpu/possible").read_text()
    except OSError:
        return os.cpu_count() or 1
    return int(text.strip().replace("-", ",").split(",")[-1]) + 1


def _kernel_identity() -> bytes:
    """What differs for every kernel build: its build id, and its release for people who look."""
    try:
        notes = Path("/sys/kernel/notes").read_bytes()
    except OSError:
        notes = b""
    return f"{platform.release()} {platform.version()}".encode() + notes
