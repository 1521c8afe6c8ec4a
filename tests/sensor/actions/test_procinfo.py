"""Reading one process from /proc."""

import os
import subprocess
import time

import psutil

from sensor.actions import procinfo


def test_we_see_ourselves_as_others_do() -> None:
    seen = procinfo.look(os.getpid())
    assert seen is not None
    other = psutil.Process()
    assert (seen.ppid, seen.leader, seen.exepath) == (other.ppid(), os.getpid(), other.exe())
    assert abs(procinfo.started_at_ns(seen.start_ticks) / 1e9 - other.create_time()) < 2
    assert not seen.kernel_thread
    assert not seen.gone


def test_nobody_is_none() -> None:
    assert procinfo.look(2**22 + 1) is None


def test_a_name_with_parentheses_and_blanks_does_not_shift_the_fields(tmp_path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.write_text("#!/bin/sh\nsleep 300\n")
    program.chmod(0o755)
    child = subprocess.Popen([str(program)])
    try:
        until = time.monotonic() + 5
        while (seen := procinfo.look(child.pid)) is not None and seen.name != "a) R 1 (b":
            assert time.monotonic() < until
        assert seen is not None
        assert seen.ppid == os.getpid()
    finally:
        child.kill()
        child.wait()
