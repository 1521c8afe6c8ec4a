"""fork, exit and chdir on the running kernel: what the process table lives on."""

import signal
import subprocess
from pathlib import Path

import pytest

from sensor.context.clock import boot_id
from sensor.event import Event, Process
from sensor.probes.ebpf import KernelSource
from tests.probes.conftest import Workload, collect, of_type


def process_of(event: Event) -> Process:
    assert event.proc is not None
    return event.proc


@pytest.mark.parametrize(
    ("make", "types"),
    [
        ("os.fork()", {"clone", "fork"}),
        ("ctypes.CDLL(None).syscall(57)", {"fork"}),
        ("ctypes.CDLL(None).syscall(56, 17, 0, 0, 0, 0)", {"clone"}),
        ("ctypes.CDLL(None).syscall(435, (ctypes.c_uint64 * 8)(0, 0, 0, 0, 17), 64)", {"clone3"}),
    ],
)
def test_23_children_are_reported_by_their_maker_and_themselves(workload: Workload, make: str, types: set[str]) -> None:
    code = (
        f"import ctypes\nfor n in range(23):\n    pid = {make}\n    if pid == 0: os._exit(n)\n    os.waitpid(pid, 0)\n"
    )
    events = workload(code, descendants=True)
    made = of_type(events, "fork", "vfork", "clone", "clone3")
    ended = of_type(events, "procexit")
    assert {event.type for event in made} <= types
    assert [event.res for event in made] == [process_of(event).pid for event in ended[:-1]]
    assert [event.args["ret"] for event in ended] == [*range(23), 0]
    assert {process_of(event).ppid for event in ended[:-1]} == {process_of(ended[-1]).pid}


def test_a_child_is_as_its_maker_until_it_starts_a_program(workload: Workload) -> None:
    events = workload("os.chdir('/etc')\nif os.fork() == 0: os.open('passwd', 0)\nelse: os.wait()", descendants=True)
    (opened,) = [event for event in of_type(events, "openat") if event.args["name"] == "passwd"]
    child, parent = process_of(opened), process_of(opened).parent
    assert parent is not None
    assert child.pid != parent.pid
    assert (child.exe, child.args, child.cwd, child.env) == (parent.exe, parent.args, "/etc", parent.env)
    assert child.start_time > parent.start_time


def test_an_orphan_gets_the_parent_the_kernel_gives_it(workload: Workload) -> None:
    code = (
        "import ctypes\n"
        "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"  # PR_SET_CHILD_SUBREAPER
        "read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        os.read(read, 1)\n"
        "        os.mkdir('orphan')\n"
        "        os._exit(0)\n"
        "    os._exit(0)\n"
        "os.wait(); os.write(write, b'x'); os.wait()\n"
    )
    events = workload(code, descendants=True)
    (made,) = of_type(events, "mkdir")
    assert process_of(made).ppid == process_of(events[-1]).pid
    assert process_of(made).parent is not None
    assert process_of(made).parent.pid == process_of(events[-1]).pid  # type: ignore[union-attr]


def test_threads_are_neither_made_nor_ended_processes(workload: Workload) -> None:
    events = workload("import threading\nfor n in range(5): threading.Thread(target=print).start()")
    assert of_type(events, "fork", "vfork", "clone", "clone3") == []
    assert len(of_type(events, "procexit")) == 1


@pytest.mark.parametrize(
    ("code", "ret", "sig"), [("sys.exit(7)", 7, 0), ("os.kill(os.getpid(), 9)", 0, signal.SIGKILL)]
)
def test_how_a_process_ended_is_told(source: KernelSource, code: str, ret: int, sig: int) -> None:
    with subprocess.Popen(["python3", "-S", "-c", f"import os, sys; {code}"]) as child:
        event = collect(source, child.pid)[-1]
    assert (event.type, event.args["ret"], event.args["sig"]) == ("procexit", ret, sig)
    assert process_of(event).exited is True


def test_a_process_killed_while_it_runs_leaves_no_error(source: KernelSource) -> None:
    before = source.malformed
    with subprocess.Popen(["sleep", "1000"]) as child:
        child.kill()
        events = collect(source, child.pid)
    assert events[-1].args["sig"] == signal.SIGKILL
    assert source.malformed == before


@pytest.mark.parametrize("move", ["os.chdir('inner')", "os.fchdir(os.open('inner', 0))"])
def test_the_working_directory_follows_its_process(workload: Workload, tmp_path: Path, move: str) -> None:
    events = workload(f"os.mkdir('inner'); {move}; os.mkdir('deeper')")
    deeper = of_type(events, "mkdir")[-1]
    assert process_of(deeper).cwd == str(tmp_path / "inner")
    assert deeper.args["path"].absolute == str(tmp_path / "inner" / "deeper")


def test_an_event_says_in_which_boot_it_happened(workload: Workload) -> None:
    assert {event.boot_id for event in workload("")} == {boot_id()}
