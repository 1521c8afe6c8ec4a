"""The running kernel and known workloads: a child process does something, its events are collected."""

import copy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.context.processes import Processes
from sensor.event import Event
from sensor.probes import doctor
from sensor.probes.ebpf import KernelSource

SECONDS = 30
"""Longest wait for a workload; it takes milliseconds unless the machine is busy."""

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.kernel)


@pytest.fixture(scope="session")
def source() -> Iterator[KernelSource]:
    """All probes, attached once for all tests of this worker; skipped with the reason where they cannot be."""
    missing = [finding for finding in doctor() if not finding.ok]
    if missing:
        pytest.skip(f"{missing[0].name}: {missing[0].detail}; {missing[0].advice}")
    source = KernelSource(None, Processes())
    source.open()
    yield source
    source.close()


Workload = Callable[..., list[Event]]


@pytest.fixture
def workload(source: KernelSource, tmp_path: Path) -> Workload:
    """Run Python code in a child process and get the child's events, from the start of its program to its end.

    The code finds `os`, `sys` and `path` (a folder of this test, its working directory). Events of other
    processes are left out, so tests can run side by side; `descendants=True` adds the child's children.
    """

    def run(code: str, *, descendants: bool = False, **popen: Any) -> list[Event]:
        given = f"import os, sys\npath = {str(tmp_path)!r}\n{code}"
        command = [sys.executable, "-I", "-S", "-c", given]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, **popen) as child:
            events = collect(source, child.pid, descendants)
            _, said = child.communicate()
        assert child.returncode == 0, said
        started = next(index for index, event in enumerate(events) if event.type == "execve" and event.res == 0)
        return events[started:]

    return run


def collect(source: KernelSource, pid: int, descendants: bool = False) -> list[Event]:
    """Events of a process until it has ended; each with its process as it was then."""
    found: list[Event] = []
    family = {pid}
    for event in everything(source, pid):
        process = event.proc
        assert process is not None
        if descendants and process.ppid in family:
            family.add(process.pid)
        if process.pid in family:
            event.proc = copy.copy(process)
            found.append(event)
    return found


def everything(source: KernelSource, until: int) -> Iterator[Event]:
    """Events of all processes until the one with the pid `until` has ended."""
    end = time.monotonic() + SECONDS
    ended = False
    while not ended and time.monotonic() < end:
        for event in source.poll(0.5):
            yield event
            ended = ended or (event.type == "procexit" and event.proc is not None and event.proc.pid == until)
    assert ended, f"process {until} did not end within {SECONDS} s"


def of_type(events: list[Event], *types: str) -> list[Event]:
    """The events of these types."""
    return [event for event in events if event.type in types]
