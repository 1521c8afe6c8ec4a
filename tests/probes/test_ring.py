"""The ring buffer, the loader and their edges, on the running kernel."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sensor.probes import ProbeError, bytecode, loader
from sensor.probes.bytecode import Bytecode
from sensor.probes.compiling import compile_apart
from sensor.probes.ebpf import KernelSource
from sensor.probes.loader import WANT_SUCCESS, Module, probe_names
from tests.probes.conftest import SECONDS, everything

OPENS = "import os\nfor n in range({}): os.close(os.open('/etc/hostname', 0))"


def flood(count: int) -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", OPENS.format(count)], check=True, timeout=SECONDS)


@pytest.fixture
def small(source: KernelSource, monkeypatch: pytest.MonkeyPatch) -> Module:
    """The open probe with the smallest ring buffer; `source` only says whether this machine can."""
    monkeypatch.setattr(loader, "RING_BYTES", os.sysconf("SC_PAGE_SIZE"))
    module = Module(["open"])
    module.want({"openat": WANT_SUCCESS})
    module.attach(["open"])
    return module


def test_what_does_not_fit_is_counted_and_reading_goes_on(small: Module) -> None:
    flood(2000)
    lost = small.lost
    assert lost > 1000
    assert sum(1 for _ in small.ring.records()) > 10
    assert small.ring.pending() == 0
    flood(1)
    assert sum(1 for _ in small.ring.records()) >= 1
    small.close()


def test_records_come_whole_when_the_buffer_wraps_round(small: Module) -> None:
    seen = 0
    for _ in range(40):
        flood(3)
        for record in small.ring.records():
            assert int.from_bytes(record[:2], "little") == 2
            assert len(record) >= small.schema.layouts["opened"].offset(0) + 72
            seen += 1
    assert seen >= 40
    small.close()


def test_closing_detaches_everything(source: KernelSource) -> None:
    module = Module(["open"])
    module.want({"openat": WANT_SUCCESS})
    module.attach(["open"])
    descriptors = [*module.attached.values()]
    assert len(descriptors) == 4
    module.close()
    for fd in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_all_programs_are_detached_in_little_more_time_than_one(source: KernelSource) -> None:
    module = Module(probe_names())
    module.attach(probe_names())
    programs = len(module.attached)
    began = time.monotonic()
    module.attach(["mkdir"])
    # One after the other takes 30 ms each on an idle machine, which is longer than a stop may take.
    assert time.monotonic() - began < programs * 0.012
    module.close()


def test_probes_that_are_no_longer_chosen_are_detached(source: KernelSource) -> None:
    module = Module(["open", "mkdir"])
    module.attach(["open", "mkdir"])
    assert len(module.attached) == 6
    module.attach(["mkdir"])
    assert sorted(module.attached) == ["on__syscalls__sys_exit_mkdir", "on__syscalls__sys_exit_mkdirat"]
    module.close()


def test_an_unknown_probe_is_named_with_those_there_are() -> None:
    with pytest.raises(ProbeError, match="no probe is called opne; there are chdir, chmod"):
        Module(["opne"])


def test_a_record_of_no_known_type_is_counted_and_left_out(source: KernelSource) -> None:
    before = source.malformed
    known = source._decoders.pop(next(number for number, d in source._decoders.items() if d.event.name == "mkdir"))
    try:
        with subprocess.Popen(["mkdir", "/proc/none"], stderr=subprocess.DEVNULL) as child:
            types = {event.type for event in everything(source, child.pid)}
    finally:
        source._decoders[known.event.number] = known
    assert "procexit" in types
    assert source.malformed > before


def test_compiled_probes_are_kept_and_need_no_compiler_again(
    source: KernelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Module(["mkdir"], tmp_path / "cache").close()
    assert len(list((tmp_path / "cache").iterdir())) == 1
    monkeypatch.setattr(sys, "executable", "/bin/false")
    second = Module(["mkdir"], tmp_path / "cache")
    assert second.attach(["mkdir"]) == {}
    second.close()
    with pytest.raises(ProbeError, match="the compiler ended with status 1"):
        Module(["unlink"], tmp_path / "cache")


def test_a_program_the_verifier_refuses_is_named_with_its_words(source: KernelSource, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    Module(["mkdir"], cache).close()
    (path,) = cache.iterdir()
    code = bytecode.kept(path)
    assert code is not None
    name = "on__syscalls__sys_exit_mkdir"
    endless = bytes.fromhex("05 00 ff ff 00 00 00 00")  # a jump to itself
    bytecode.keep(path, Bytecode(code.maps, {**code.programs, name: endless}))
    module = Module(["mkdir"], cache)
    assert list(module.refused) == [name]
    assert "Invalid argument" in module.refused[name] or "back-edge" in module.refused[name]
    assert list(module.attach(["mkdir"])) == [name]
    assert list(module.attached) == ["on__syscalls__sys_exit_mkdirat"]
    module.close()


def test_a_probe_that_does_not_compile_is_told_with_the_compilers_words(source: KernelSource, tmp_path: Path) -> None:
    broken = tmp_path / "broken.c"
    broken.write_text("/* broken.c -- nothing */\nint nonsense(void) { return missing_name; }\n")
    with pytest.raises(ProbeError, match="missing_name"):
        compile_apart(loader.FOLDER / "common.h", [broken], {"RING_PAGES": 1, "CPUS": 1, "WANTED_SLOTS": 512})


def test_waiting_for_nothing_ends_in_time(source: KernelSource) -> None:
    module = Module(["ptrace"])
    start = time.monotonic()
    assert module.ring.wait(0.05) is False
    assert 0.05 <= time.monotonic() - start < SECONDS
    assert module.ring.wait(0) is False
    module.close()
