"""Programs started on the running kernel."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sensor.context.procfs import read_process
from sensor.event import Event, Process, RelativePath
from sensor.probes.ebpf import KernelSource
from tests.probes.conftest import Workload, collect, of_type

TRUE = os.path.realpath("/bin/true")


def process_of(event: Event) -> Process:
    assert event.proc is not None
    return event.proc


def test_every_one_of_23_programs_is_reported_with_its_arguments(workload: Workload) -> None:
    code = "for n in range(23): os.spawnv(os.P_WAIT, '/bin/true', ['true', str(n), 'a b', ''])"
    started = [event for event in of_type(workload(code, descendants=True), "execve") if event.args["exe"] == "true"]
    assert [process_of(event).args for event in started] == [[str(n), "a b", ""] for n in range(23)]
    assert {process_of(event).name for event in started} == {"true"}
    assert {process_of(event).exepath for event in started} == {TRUE}


def test_a_process_that_is_gone_has_told_everything_itself(workload: Workload, tmp_path: Path) -> None:
    code = "os.execve('/bin/true', ['renamed', '-x'], {'COLOUR': 'blue', 'EMPTY': ''})"
    event = of_type(workload(code), "execve")[-1]
    process = process_of(event)
    assert process.exe == "renamed"
    assert process.args == ["-x"]
    assert process.env == ["COLOUR=blue", "EMPTY="]
    assert process.cwd == str(tmp_path)
    assert process.parent is not None
    assert process.parent.pid == process.ppid == os.getpid()
    assert event.args["filename"] == "/bin/true"
    assert event.args["cwd"] == str(tmp_path)
    assert process.exe_ino == os.stat("/bin/true").st_ino
    assert process.exe_ino_mtime == os.stat("/bin/true").st_mtime_ns
    assert process.exe_ino_ctime == os.stat("/bin/true").st_ctime_ns


def test_the_kernel_and_proc_tell_the_same(source: KernelSource) -> None:
    """What the probe reports of a live process is what /proc shows of it."""
    command = [sys.executable, "-I", "-S", "-c", "input()", "argument"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as child:
        shown = None
        while shown is None or shown.args != command[1:]:
            shown = read_process(child.pid, source._table.offset)
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.close()
        (event,) = of_type(collect(source, child.pid), "execve")
    told = process_of(event)
    names = (
        "pid ppid start_ticks name exe exepath args cwd env uid gid loginuid tty sid pgid vpid vpgid cap_inheritable "
        "cap_permitted cap_effective cgroups container_id exe_ino exe_ino_ctime exe_ino_mtime is_exe_from_memfd"
    )
    differing = {
        name: (getattr(told, name), getattr(shown, name))
        for name in names.split()
        if getattr(told, name) != getattr(shown, name)
    }
    assert differing == {}
    assert 0 <= told.start_time - shown.start_time < 10_000_000


@pytest.mark.parametrize(
    ("call", "result", "filename", "argv"),
    [
        ("os.execv('/nowhere/x', ['x', 'one', 'two'])", -errno.ENOENT, "/nowhere/x", ["x", "one", "two"]),
        ("os.execv('rel/x', ['x'])", -errno.ENOENT, "rel/x", ["x"]),
        ("os.execv('/etc/passwd', ['p'])", -errno.EACCES, "/etc/passwd", ["p"]),
        ("os.execv('/nowhere', ['n'] + ['a'] * 100)", -errno.ENOENT, "/nowhere", ["n"] + ["a"] * 15),
    ],
)
def test_a_program_that_cannot_be_started_is_told_with_what_was_tried(
    workload: Workload, tmp_path: Path, call: str, result: int, filename: str, argv: list[str]
) -> None:
    events = of_type(workload(f"try:\n    {call}\nexcept OSError: pass"), "execve")
    event = events[-1]
    assert event.res == event.args["res"] == result
    assert event.args["filename"] == filename
    assert [event.args["exe"], *event.args["args"]] == argv
    assert process_of(event).exe == sys.executable
    if not filename.startswith("/"):
        assert isinstance(event.args["filename"], RelativePath)
        assert event.args["filename"].absolute == f"{tmp_path}/{filename}"


def test_arguments_beyond_a_page_are_cut(workload: Workload) -> None:
    events = workload("os.execv('/bin/true', ['true'] + ['x' * 99] * 100)")
    arguments = process_of(of_type(events, "execve")[-1]).args
    assert arguments is not None
    assert len("\0".join(["true", *arguments])) == 4095


def test_a_script_is_told_as_its_interpreter(workload: Workload, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    event = of_type(workload("os.execv('./script', ['x', 'y'])"), "execve")[-1]
    process = process_of(event)
    assert process.name == "script"
    assert process.exepath == os.path.realpath("/bin/sh")
    assert process.args == ["./script", "y"]


def test_a_program_in_memory_is_recognised(workload: Workload) -> None:
    events = workload(
        "fd = os.memfd_create('ghost', 0)\nos.write(fd, open('/bin/true', 'rb').read())\nos.execve(fd, ['ghost'], {})\n"
    )
    event = of_type(events, "execve", "execveat")[-1]
    assert process_of(event).is_exe_from_memfd is True
    assert process_of(of_type(events, "execve")[0]).is_exe_from_memfd is False


def test_execveat_has_its_own_type(workload: Workload) -> None:
    code = (
        "import ctypes\n"
        "d = os.open('/bin', 0)\n"
        "argv = (ctypes.c_char_p * 2)(b'true', None)\n"
        "ctypes.CDLL(None).syscall(322, d, b'true', argv, None, 0)\n"
    )
    (event,) = of_type(workload(code), "execveat")
    assert process_of(event).exepath == TRUE


def test_a_writable_program_of_another_user_is_told(workload: Workload, tmp_path: Path) -> None:
    own, foreign = tmp_path / "own", tmp_path / "foreign"
    for copy in (own, foreign):
        shutil.copy("/bin/true", copy)
        copy.chmod(0o755)
    os.chown(own, 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(0o755)
    code = "os.setgid(65534); os.setuid(65534); os.spawnv(os.P_WAIT, {!r}, ['x'])"
    for path, writable in ((own, True), (foreign, False)):
        event = of_type(workload(code.format(str(path)), descendants=True), "execve")[-1]
        assert process_of(event).uid == 65534
        assert process_of(event).exepath == str(path)
        assert process_of(event).is_exe_writable is writable
