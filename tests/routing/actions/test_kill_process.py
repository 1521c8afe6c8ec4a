import pytest

from routing.actions.base import NotApplicable, Refused, Subject
from routing.actions.kill_process import KillProcess

FIELDS = {
    "proc.pid": 4242,
    "proc.pid.ts": 1_700_000_000_000_000_000,
    "proc.start_ticks": 123_456,
    "proc.boot_id": "boot-1",
    "proc.name": "xmrig",
    "proc.exepath": "/tmp/xmrig",
    "proc.cmdline": "xmrig -o pool",
}


def target(**changes):
    return KillProcess({}).target_of(Subject("node-7", {**FIELDS, **changes}))


def test_the_target_is_what_the_node_compares():
    assert target() == {
        "pid": 4242,
        "start_time": 1_700_000_000_000_000_000,
        "start_ticks": 123_456,
        "name": "xmrig",
        "exepath": "/tmp/xmrig",
        "boot_id": "boot-1",
        "cmdline": "xmrig -o pool",
    }


def test_what_an_alert_need_not_carry_is_null():
    bare = KillProcess({}).target_of(Subject("node-7", {"proc.pid": 7, "proc.pid.ts": 1}))
    assert bare == {
        "pid": 7,
        "start_time": 1,
        "start_ticks": None,
        "name": "",
        "exepath": None,
        "boot_id": None,
        "cmdline": "",
    }


def test_it_is_worded_for_the_button():
    assert KillProcess({}).describe(target(), "node-7") == "Kill pid 4242 (xmrig) on node-7"
    assert KillProcess({}).describe(target(**{"proc.name": None}), "node-7") == "Kill pid 4242 on node-7"


def test_a_number_no_linux_uses_as_pid_is_no_target():
    with pytest.raises(NotApplicable, match="no Linux"):
        target(**{"proc.pid": 2**40})


@pytest.mark.parametrize("pid", [0, 1, 2])
def test_the_first_processes_are_protected(pid):
    with pytest.raises(Refused, match="protected"):
        KillProcess({}).guard(target(**{"proc.pid": pid}))


@pytest.mark.parametrize(
    ("protected", "exepath", "name"),
    [
        ("/usr/sbin/sshd", "/usr/sbin/sshd", "sshd"),
        ("/usr/sbin/sshd", None, "sshd"),
        ("backup\nvault", "/opt/vault/bin/vault", "anything"),
        (" vault ", "/opt/v", "vault"),
    ],
)
def test_a_protected_process_is_refused(protected, exepath, name):
    named = target(**{"proc.exepath": exepath, "proc.name": name})
    with pytest.raises(Refused, match=r"protected process"):
        KillProcess({"protected": protected}).guard(named)
    KillProcess({"protected": ""}).guard(named)


def test_taking_a_protected_name_protects_nobody_whose_executable_is_known():
    KillProcess({}).guard(target(**{"proc.name": "sshd", "proc.exepath": "/tmp/sshd"}))


def test_the_life_lines_of_a_node_are_protected_by_default():
    for exepath in ("/usr/sbin/sshd", "/usr/lib/systemd/systemd", "/usr/bin/containerd", "/usr/bin/kubelet"):
        with pytest.raises(Refused):
            KillProcess({}).guard(target(**{"proc.exepath": exepath}))
