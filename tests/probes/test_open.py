"""Opens on the running kernel."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sensor.context.files import AT_FDCWD
from sensor.probes.ebpf import KernelSource
from tests.probes.conftest import Workload, everything, of_type

NOBODY = 65534


def test_every_one_of_23_opens_is_reported_once(workload: Workload, tmp_path: Path) -> None:
    events = workload("for n in range(23): os.close(os.open(f'{path}/f{n}', os.O_RDWR | os.O_CREAT, 0o640))")
    opened = [event for event in of_type(events, "openat") if event.args["name"].startswith(f"{tmp_path}/f")]
    assert len(opened) == 23
    assert {event.args["mode"] for event in opened} == {0o640}
    assert {event.args["flags"] for event in opened} == {os.O_RDWR | os.O_CREAT | os.O_CLOEXEC}


@pytest.mark.parametrize(
    ("code", "result", "name", "absolute"),
    [
        ("os.open('/etc/passwd', 0)", 0, "/etc/passwd", "/etc/passwd"),
        ("os.open('/etc//./passwd', 0)", 0, "/etc//./passwd", "/etc/passwd"),
        ("os.open('../../../../../../../etc/passwd', 0)", 0, "../../../../../../../etc/passwd", "/etc/passwd"),
        ("os.mkdir('d'); os.chdir('d'); os.open('../x', os.O_CREAT)", 0, "../x", "{path}/x"),
        ("d = os.open('/etc', 0); os.open('passwd', 0, dir_fd=d)", 0, "passwd", "/etc/passwd"),
        ("os.open('/nowhere', 0)", -errno.ENOENT, "/nowhere", "/nowhere"),
        ("os.open('none', 0)", -errno.ENOENT, "none", "{path}/none"),
        ("os.open('x' * 300, 0)", -errno.ENAMETOOLONG, "x" * 300, "{path}/" + "x" * 300),
        ("os.open(b'/\\xff\\xc3\\xa9', 0)", -errno.ENOENT, "/\ufffdé", "/\ufffdé"),
    ],
)
def test_the_path_is_told_as_given_and_made_absolute(
    workload: Workload, tmp_path: Path, code: str, result: int, name: str, absolute: str
) -> None:
    code = f"try:\n    {code}\nexcept OSError: pass"
    (event,) = [event for event in of_type(workload(code), "openat") if event.args["name"] == name]
    assert event.res is not None
    assert event.fd is not None
    assert min(event.res, 0) == result
    assert event.fd.nameraw == name
    assert event.fd.name == absolute.replace("{path}", str(tmp_path))
    assert event.fd.num == event.args["fd"] == event.res


def test_a_path_longer_than_the_kernel_takes_is_cut_not_lost(workload: Workload) -> None:
    code = "try:\n    os.open('/' + 'a/' * 3000, 0)\nexcept OSError: pass"
    (event,) = [event for event in of_type(workload(code), "openat") if event.args["name"].startswith("/a/a")]
    assert event.res == -errno.ENAMETOOLONG
    assert len(event.args["name"]) == 4095


def test_inode_device_and_kind_are_those_of_the_file(workload: Workload, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    events = workload(
        "os.open('file', 0); os.open(path, os.O_DIRECTORY); os.mkfifo('fifo'); os.open('fifo', os.O_RDWR)"
    )
    found = {event.args["name"]: event.fd for event in of_type(events, "openat")}
    file, folder, fifo = found["file"], found[str(tmp_path)], found["fifo"]
    assert file is not None
    assert folder is not None
    assert fifo is not None
    status = (tmp_path / "file").stat()
    assert (file.ino, file.dev, file.typechar) == (status.st_ino, status.st_dev, "f")
    assert (folder.ino, folder.typechar) == (tmp_path.stat().st_ino, "d")
    assert fifo.typechar == "p"


def test_who_is_denied_is_told_with_the_effective_user(workload: Workload, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    code = f"os.setresuid(1, {NOBODY}, 0)\ntry:\n    os.open('/etc/shadow', 0)\nexcept PermissionError: pass"
    (event,) = [event for event in of_type(workload(code), "openat") if event.args["name"] == "/etc/shadow"]
    assert event.proc is not None
    assert (event.res, event.proc.uid) == (-errno.EACCES, NOBODY)


@pytest.mark.parametrize(
    ("type_", "call", "arguments"),
    [
        ("open", "libc.open(b'f', os.O_RDWR | os.O_CREAT, 0o600)", None),
        (
            "open",
            "libc.syscall(2, b'f', os.O_RDWR | os.O_CREAT, 0o600)",
            {"flags": os.O_RDWR | os.O_CREAT, "mode": 0o600},
        ),
        ("creat", "libc.syscall(85, b'f', 0o600)", {"mode": 0o600}),
        (
            "openat2",
            "libc.syscall(437, -100, b'f', (ctypes.c_uint64 * 3)(os.O_RDWR | os.O_CREAT, 0o600, 8), 24)",
            {"flags": os.O_RDWR | os.O_CREAT, "mode": 0o600, "resolve": 8, "dirfd": AT_FDCWD},
        ),
    ],
)
def test_each_way_to_open_has_its_own_event(
    workload: Workload, tmp_path: Path, type_: str, call: str, arguments: dict[str, int] | None
) -> None:
    events = workload(f"import ctypes\nlibc = ctypes.CDLL(None)\nassert {call} >= 0")
    opened = [event for event in of_type(events, "open", "openat", "creat", "openat2") if event.args["name"] == "f"]
    assert len(opened) == 1
    assert opened[0].fd is not None
    assert opened[0].fd.name == str(tmp_path / "f")
    if arguments is not None:
        assert opened[0].type == type_
        assert {name: opened[0].args[name] for name in arguments} == arguments


def test_a_mode_is_told_only_where_a_file_may_be_made(workload: Workload) -> None:
    call = "ctypes.CDLL(None).syscall(257, -100, b'/etc/hostname', 0, 0o7777)"
    events = workload(f"import ctypes\nassert {call} >= 0\nos.open(path, os.O_TMPFILE | os.O_RDWR, 0o640)")
    modes = {event.args["name"]: event.args["mode"] for event in of_type(events, "openat")}
    assert modes["/etc/hostname"] == 0
    assert 0o640 in modes.values()


def test_a_thread_is_told_apart_from_its_process(workload: Workload) -> None:
    events = workload(
        "import threading, ctypes\n"
        "def work():\n"
        "    ctypes.CDLL(None).prctl(15, b'worker', 0, 0, 0)\n"
        "    os.open('/etc/hostname', 0)\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
    )
    (event,) = [event for event in of_type(events, "openat") if event.args["name"] == "/etc/hostname"]
    assert event.proc is not None
    assert event.proc.tid != event.proc.pid
    assert event.proc.name == "worker"


DEEP = "os.makedirs('/'.join('d' * 60)); os.chdir('/'.join('d' * 60)); up = '../' * 200\n"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("os.open(up + 'etc/shadow', 0)", "/etc/shadow"),
        ("d = os.open('.', 0); os.open(up + 'etc/shadow', 0, dir_fd=d); os.read(0, 1)", "/etc/shadow"),
        ("os.execv('/bin/sh', ['sh', '-c', f': < {up}etc/shadow'])", "/etc/shadow"),
    ],
)
def test_no_directory_is_too_deep_to_see_what_is_opened_from_there(
    source: KernelSource, tmp_path: Path, code: str, name: str
) -> None:
    command = [sys.executable, "-I", "-S", "-c", f"import os\n{DEEP}{code}"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        names = []
        for event in everything(source, child.pid):
            if event.proc and event.proc.pid == child.pid and event.fd is not None:
                names.append(event.fd.name)
            if name in names:
                # Only now may it go: what a deep directory is called is read from the process while it lives.
                child.stdin.close()
    assert name in names


def test_what_the_sensor_does_itself_is_not_reported(source: KernelSource, tmp_path: Path) -> None:
    (tmp_path / "own").write_text("written by the process that holds the probes")
    with subprocess.Popen(["/bin/true"]) as child:
        pids = {event.proc.pid for event in everything(source, child.pid) if event.proc}
    assert child.pid in pids
    assert os.getpid() not in pids


def test_an_event_nobody_asks_for_is_not_reported(source: KernelSource, workload: Workload) -> None:
    try:
        source.want(frozenset({"openat", "execve", "procexit"}))
        types = {event.type for event in workload("os.open('/etc/hostname', 0); os.mkdir('d')")}
    finally:
        source.want(None)
    assert types == {"openat", "execve", "procexit"}
