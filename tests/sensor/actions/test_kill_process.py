"""Killing real processes: only the one meant, only when nothing forbids it."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sensor.actions import procinfo
from sensor.actions.base import Run, Skipped, State
from sensor.actions.guard import Guard, Refused
from sensor.actions.kill_process import KillProcess
from sensor.context.clock import boot_id

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that is nobody's child here: started by a shell that has exited since."""
    pid = start_stranger(["sleep", "300"])
    yield pid
    end(pid)


def start_stranger(command: list[str]) -> int:
    script = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL).pid)"
    out = subprocess.run([sys.executable, "-c", script, *command], check=True, stdout=subprocess.PIPE, text=True)
    pid = int(out.stdout)
    # Between fork and exec it is still Python.
    while procinfo.exepath(pid) == procinfo.exepath(os.getpid()) and command[0] != sys.executable:
        os.sched_yield()
    return pid


def end(pid: int) -> None:
    seen = procinfo.look(pid)
    if seen is not None and not seen.gone:
        os.kill(pid, signal.SIGKILL)


def target(pid: int, **changes: Any) -> dict[str, Any]:
    seen = procinfo.look(pid)
    assert seen is not None
    return {
        "pid": pid,
        "start_ticks": seen.start_ticks,
        "start_time": procinfo.started_at_ns(seen.start_ticks),
        "exepath": seen.exepath,
        "name": seen.name,
        "boot_id": boot_id(),
        "cmdline": "",
        **changes,
    }


def request(target: dict[str, Any], mode: str = "automatic", expires_in: int = 60) -> Run:
    return Run(
        id="run-1",
        kind="kill_process",
        lease="lease-1",
        target=target,
        mode=mode,
        expires_at=NOW + timedelta(seconds=expires_in),
    )


def kill(guard: Guard | None = None) -> KillProcess:
    return KillProcess(guard or Guard(), clock=lambda: NOW)


def lives(pid: int) -> bool:
    seen = procinfo.look(pid)
    return seen is not None and not seen.gone


def test_the_process_of_the_alert_is_killed_and_seen_to_be_gone(stranger: int) -> None:
    outcome = kill().run(request(target(stranger)))
    assert outcome.state is State.SUCCEEDED
    assert outcome.detail["name"] == "sleep"
    assert not lives(stranger)


def test_a_dry_run_checks_everything_and_touches_nothing(stranger: int) -> None:
    outcome = kill().run(request(target(stranger), mode="dry_run"))
    assert outcome.state is State.WOULD_HAVE
    assert lives(stranger)


def test_a_dry_run_is_refused_where_the_deed_would_be() -> None:
    with pytest.raises(Refused, match="the sensor"):
        kill().run(request(target(os.getpid()), mode="dry_run"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start_ticks": 1}, "belongs to another"),
        ({"boot_id": "another-boot"}, "restarted"),
        ({"start_ticks": None, "start_time": 1_000_000_000}, "started at another time"),
        ({"boot_id": None, "start_time": 1_000_000_000}, "started at another time"),
    ],
)
def test_another_process_with_the_same_id_lives(stranger: int, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Skipped, match=reason):
        kill().run(request(target(stranger, **changes)))
    assert lives(stranger)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start_ticks": None, "start_time": None}, "does not say when"),
        ({"start_ticks": None, "exepath": "/bin/other"}, "executable"),
        ({"boot_id": None, "exepath": "/bin/other"}, "executable"),
        ({"pid": "1 or 2"}, "no process id"),
        ({"pid": True}, "no process id"),
    ],
)
def test_a_target_that_is_not_proven_is_refused(stranger: int, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        kill().run(request({**target(stranger), **changes}))
    assert lives(stranger)


def test_start_time_and_executable_are_enough_where_ticks_are_missing(stranger: int) -> None:
    outcome = kill().run(request(target(stranger, start_ticks=None, boot_id=None)))
    assert outcome.state is State.SUCCEEDED


def test_a_process_that_became_another_program_is_still_the_one(stranger: int) -> None:
    outcome = kill().run(request(target(stranger, exepath="/usr/bin/before-exec")))
    assert outcome.state is State.SUCCEEDED
    assert outcome.detail["exepath_in_alert"] == "/usr/bin/before-exec"


def test_what_the_action_itself_protects_is_refused(stranger: int) -> None:
    run = msgspec.structs.replace(request(target(stranger)), params={"protected": "/usr/bin/x\nsleep\n"})
    with pytest.raises(Refused, match="sleep is protected by the action's settings"):
        kill().run(run)
    assert lives(stranger)


def test_an_expired_request_is_refused(stranger: int) -> None:
    with pytest.raises(Refused, match="expired"):
        kill().run(request(target(stranger), expires_in=0))
    assert lives(stranger)


def test_a_process_that_has_gone_is_skipped(stranger: int) -> None:
    meant = target(stranger)
    kill().run(request(meant))
    with pytest.raises(Skipped, match="already exited"):
        kill().run(request(meant))


def test_a_zombie_is_skipped() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        with pytest.raises(Skipped, match="already exited"):
            kill().run(request(target(child.pid)))
    finally:
        child.wait()


LEADERLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(300,)).start()
ctypes.CDLL(None).syscall(60, 0)  # exit(2): this thread only
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the test knows the number of exit(2) on x86_64 only")
def test_a_process_whose_leader_thread_has_left_is_not_mistaken_for_a_zombie() -> None:
    pid = start_stranger([sys.executable, "-c", LEADERLESS])
    try:
        while (seen := procinfo.look(pid)) is not None and seen.state != "Z":
            os.sched_yield()
        outcome = kill().run(request(target(pid)))
        assert outcome.state is State.SUCCEEDED
    finally:
        end(pid)


def test_a_thread_is_refused_with_the_process_it_belongs_to() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        with pytest.raises(Refused, match=f"thread of process {os.getpid()}"):
            kill().run(request(target(thread.native_id)))
    finally:
        release.set()
        thread.join()


def test_process_one_is_refused_without_looking() -> None:
    with pytest.raises(Refused, match="process 1"):
        kill().run(request({"pid": 1, "start_ticks": 1}))


def test_children_that_stay_behind_are_named() -> None:
    pid = start_stranger(["sh", "-c", "sleep 301 & sleep 302 & wait"])
    while len(procinfo.children(pid)) < 2:
        os.sched_yield()
    left = procinfo.children(pid)
    try:
        outcome = kill().run(request(target(pid)))
        assert sorted(outcome.detail["children_left"]) == sorted(left)
    finally:
        for child in left:
            end(child)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_we_may_not_kill_is_a_failure_that_says_what_is_missing(stranger: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Real and effective ids of nobody: signals to root's processes are refused.
        libc.setresuid(65534, 65534, 65534)
        try:
            state = kill().run(request(target(stranger, exepath=None))).state
        except BaseException as error:
            state = type(error).__name__
        os.write(writer, str(state).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as said:
        assert said.read() == "failed"
    assert lives(stranger)


def copied_sleep(folder: Path, name: str) -> str:
    sleep = shutil.which("sleep")
    assert sleep is not None
    copy = folder / name
    shutil.copy(os.path.realpath(sleep), copy)
    copy.chmod(0o755)
    return str(copy)


@pytest.mark.skipif(os.geteuid() != 0, reason="a protected program belongs to root")
@pytest.mark.parametrize("name", ["sshd", "containerd-shim-runc-v2", "kubelet", "systemd-journald", "dbus-daemon"])
def test_a_protected_program_is_refused(tmp_path: Path, name: str) -> None:
    pid = start_stranger([copied_sleep(tmp_path, name), "300"])
    try:
        with pytest.raises(Refused, match="protected list"):
            kill().run(request(target(pid)))
        assert lives(pid)
    finally:
        end(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_protected_name_on_somebody_elses_file_is_a_disguise(tmp_path: Path) -> None:
    disguised = copied_sleep(tmp_path, "sshd")
    os.chown(disguised, 65534, 65534)
    pid = start_stranger([disguised, "300"])
    assert kill().run(request(target(pid))).state is State.SUCCEEDED


def test_a_name_that_is_only_the_comm_protects_nobody() -> None:
    renaming = "open('/proc/self/comm', 'w').write('sshd'); import time; time.sleep(300)"
    pid = start_stranger([sys.executable, "-c", renaming])
    while (seen := procinfo.look(pid)) is not None and seen.name != "sshd":
        os.sched_yield()
    assert kill().run(request(target(pid))).state is State.SUCCEEDED
