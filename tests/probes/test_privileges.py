"""Tracing, identities, namespaces, code in memory and in the kernel: on the running kernel."""

import errno
from typing import Any

import pytest

from tests.probes.conftest import Workload, of_type

LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
MOUNTED = {"dev": "none", "dir": "/nowhere", "type": "tmpfs", "flags": 1}


@pytest.mark.parametrize(
    ("call", "type_", "result", "arguments"),
    [
        ("libc.ptrace(0, 0, 0, 0)", "ptrace", 0, {"request": 0}),
        ("libc.ptrace(16, 4194303, 0, 0)", "ptrace", -errno.ESRCH, {"request": 16, "pid": 4194303}),
        ("os.memfd_create('ghost', 2)", "memfd_create", None, {"name": "ghost", "flags": 2}),
        ("os.setuid(65534)", "setuid", 0, {"uid": 65534}),
        ("os.setresuid(1, 2, 3)", "setresuid", 0, {"ruid": 1, "euid": 2, "suid": 3}),
        ("os.setreuid(-1, 7)", "setreuid", 0, {"ruid": -1, "euid": 7}),
        ("libc.unshare(0x04000000)", "unshare", 0, {"flags": 0x04000000}),
        ("libc.setns(os.open('/proc/self/ns/uts', 0), 0x04000000)", "setns", 0, {"nstype": 0x04000000}),
        ("libc.mount(b'none', b'/nowhere', b'tmpfs', 1, None)", "mount", -errno.ENOENT, MOUNTED),
        ("libc.umount2(b'/nowhere', 2)", "umount2", -errno.ENOENT, {"name": "/nowhere", "flags": 2}),
        ("libc.syscall(321, 9999, None, 0)", "bpf", -errno.EINVAL, {"cmd": 9999}),
    ],
)  # fmt: skip
def test_each_call_is_told_with_its_arguments(
    workload: Workload, call: str, type_: str, result: int | None, arguments: dict[str, Any]
) -> None:
    (event,) = of_type(workload(LIBC + call), type_)
    assert event.res is not None
    assert event.res >= 0 if result is None else event.res == result
    assert {name: event.args[name] for name in arguments} == arguments


def test_what_a_debugger_does_all_day_is_left_out(workload: Workload) -> None:
    code = LIBC + "for n in range(23): libc.ptrace(7, 4194303, 0, 0)"
    assert of_type(workload(code), "ptrace") == []


def test_the_new_user_is_the_events_user(workload: Workload) -> None:
    events = workload("os.setuid(65534)")
    (event,) = of_type(events, "setuid")
    assert event.proc is not None
    assert event.proc.uid == 65534


def test_a_file_in_memory_is_a_memfd(workload: Workload) -> None:
    (event,) = of_type(workload("os.memfd_create('ghost')"), "memfd_create")
    assert event.fd is not None
    assert (event.fd.typechar, event.fd.name, event.fd.num) == ("m", "ghost", event.res)
