"""Processes as /proc shows them: recorded folders, and this very process."""

import os
import sys
from pathlib import Path

import pytest

from sensor.context.procfs import cgroup_paths, read_process, signed_uid, strings
from sensor.event import Process

STATUS = """Name:\tweird
Uid:\t1000\t1001\t1002\t1003
Gid:\t100\t101\t102\t103
NSpid:\t4242\t7
NSpgid:\t4240\t6
NSsid:\t4239\t5
CapInh:\t0000000000000000
CapPrm:\t00000000a80425fb
CapEff:\t0000000000000400
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """One process with a name that has everything a name may have."""
    folder = tmp_path / "4242"
    folder.mkdir()
    after = ["S", "41", "4240", "4239", "34816", "4240", *["0"] * 13, "987654", "0", "0"]
    (folder / "stat").write_text(f"4242 (we) ird (x) {' '.join(after)}\n")
    (folder / "status").write_text(STATUS)
    (folder / "cmdline").write_bytes(b"./prog\0-v\0\0two words\0")
    (folder / "environ").write_bytes(b"A=1\0B=\0")
    (folder / "loginuid").write_text("4294967295")
    (folder / "cgroup").write_text("0::/system.slice/x.service\n")
    (folder / "cwd").symlink_to("/srv")
    (folder / "exe").symlink_to("/memfd:ghost (deleted)")
    return tmp_path


def read(proc: Path) -> Process:
    process = read_process(4242, 1_000, proc)
    assert process is not None
    return process


def test_all_that_proc_tells_is_taken(proc: Path) -> None:
    process = read(proc)
    assert (process.name, process.ppid, process.tty) == ("we) ird (x", 41, 34816)
    assert (process.exe, process.args) == ("./prog", ["-v", "", "two words"])
    assert (process.uid, process.gid) == (1001, 101)
    assert (process.vpid, process.pgid, process.vpgid, process.sid) == (7, 4240, 6, 5)
    assert (process.cap_permitted, process.cap_effective) == (0xA80425FB, 0x400)
    assert (process.env, process.cwd, process.loginuid) == (["A=1", "B="], "/srv", -1)
    assert (process.exepath, process.is_exe_from_memfd) == ("/memfd:ghost", True)
    assert (process.cgroups, process.container_id) == ("/system.slice/x.service", "host")
    assert process.start_ticks == 987654
    assert process.start_time == 987654 * (1_000_000_000 // os.sysconf("SC_CLK_TCK")) + 1_000


@pytest.mark.parametrize("gone", ["status", "cmdline", "environ", "loginuid", "cgroup", "cwd", "exe"])
def test_whatever_cannot_be_read_is_missing_and_no_error(proc: Path, gone: str) -> None:
    (proc / "4242" / gone).unlink()
    assert read(proc).pid == 4242


@pytest.mark.parametrize("stat", ["", "4242 (x", "4242 (x) S 1 2"])
def test_a_process_that_vanishes_while_it_is_read_is_gone(proc: Path, stat: str) -> None:
    (proc / "4242/stat").write_text(stat)
    assert read_process(4242, 0, proc) is None
    assert read_process(4243, 0, proc) is None


def test_a_kernel_thread_is_called_by_its_name(proc: Path) -> None:
    (proc / "4242/cmdline").write_bytes(b"")
    assert (read(proc).exe, read(proc).args) == ("we) ird (x", [])


def test_this_process_reads_as_itself() -> None:
    process = read_process(os.getpid(), 0)
    assert process is not None
    assert (process.pid, process.ppid, process.uid) == (os.getpid(), os.getppid(), os.geteuid())
    assert process.exepath == os.path.realpath(sys.executable)
    assert process.cwd == os.getcwd()
    assert process.sid == os.getsid(0)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("0::/a\n", "/a"),
        ("0::/\n", "/"),
        ("9:name=systemd:/s\n8:pids:/p\n4:memory:/m\n0::/\n", "/p"),
        ("9:name=systemd:/s\n8:pids:/\n4:memory:/m\n2:cpu,cpuacct:/c\n0::/\n", "/m"),
        ("8:pids:/p\n0::/unified\n", "/unified"),
        ("2:cpu,cpuacct:/docker/a:b\n", "/docker/a:b"),
        ("", "/"),
    ],
)
def test_the_cgroup_is_the_first_that_is_not_a_root(text: str, path: str) -> None:
    assert cgroup_paths(text) == path


def test_strings_are_split_at_nul_and_may_be_empty() -> None:
    assert strings(b"") == []
    assert strings(b"a\0\0b\0") == ["a", "", "b"]
    assert strings(b"cut off") == ["cut off"]
    assert strings(b"\xff\0") == ["\ufffd"]


def test_no_login_is_minus_one() -> None:
    assert signed_uid(4294967295) == -1
    assert signed_uid(1000) == 1000
