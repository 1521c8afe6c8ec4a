"""Who is never touched."""

import os
import subprocess
import sys

import pytest

from sensor.actions import procinfo
from sensor.actions.guard import Guard, Refused
from sensor.actions.procinfo import PF_KTHREAD, Seen


def seen(**changes: object) -> Seen:
    values = {
        "pid": 999_999_999,
        "name": "x",
        "state": "S",
        "ppid": 1,
        "flags": 0,
        "threads": 1,
        "start_ticks": 1,
        "leader": 999_999_999,
        "container_init": False,
        "exepath": "/opt/x",
        **changes,
    }
    return Seen(**values)  # type: ignore[arg-type]


def test_an_ordinary_process_passes() -> None:
    Guard().check(seen())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pid": 1}, "process 1"),
        ({"flags": PF_KTHREAD}, "kernel threads"),
        ({"exepath": "/opt/precious"}, "this node's settings"),
        ({"exepath": "/usr/bin/kubelet"}, "kubelet is on the protected list"),
        ({"exepath": None, "name": "containerd-shim"}, "protected list"),
    ],
)
def test_the_protected_are_refused_with_the_reason(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        Guard(extra=("/opt/precious",)).check(seen(**changes))


def test_ourselves_our_ancestors_and_our_children_are_protected() -> None:
    child = subprocess.Popen(["sleep", "300"])
    try:
        for pid in (os.getpid(), os.getppid(), child.pid):
            found = procinfo.look(pid)
            assert found is not None
            with pytest.raises(Refused):
                Guard().check(found)
    finally:
        child.kill()
        child.wait()


WEB = "import subprocess; print(subprocess.Popen(['sleep', '300']).pid, flush=True); import time; time.sleep(300)"
SUPERVISOR = f"""
import subprocess, sys
web = subprocess.Popen([sys.executable, "-c", {WEB!r}], stdout=subprocess.PIPE, text=True)
print(web.pid, web.stdout.readline(), flush=True)
web.wait()
"""


def test_the_products_programs_are_protected_but_not_what_an_attacker_starts_below_them() -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    web, attacker = map(int, supervisor.stdout.readline().split())
    try:
        guard = Guard(tree=supervisor.pid)
        with pytest.raises(Refused, match="product's own"):
            guard.check(procinfo.look(web))  # type: ignore[arg-type]
        guard.check(procinfo.look(attacker))  # type: ignore[arg-type]
    finally:
        for pid in (attacker, web):
            os.kill(pid, 9)
        supervisor.wait()
        supervisor.stdout.close()
