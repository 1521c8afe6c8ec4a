"""Kill process: the node's sensor sends SIGKILL to exactly the process that the alert is about."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from routing.actions.base import NotApplicable, Refused, Responder, Subject, Target
from routing.kinds import option

# Without these nobody can sign in, or every container of the node dies. By path, because anyone can choose a name.
LIFE_LINES = (
    "/usr/lib/systemd/systemd\n/lib/systemd/systemd\n/sbin/init\n/usr/sbin/sshd\n/usr/bin/dbus-daemon\n"
    "/usr/bin/kubelet\n/usr/bin/containerd\n/usr/bin/containerd-shim-runc-v2\n/usr/bin/dockerd\n/usr/bin/crio\n"
    "/usr/bin/conmon"
)
# A pid is at most 2^22 on any Linux (PID_MAX_LIMIT in include/linux/threads.h).
PID_MAX = 1 << 22


class KillProcess(Responder):
    """Pid and start time name the process; the node compares both with what runs there before it acts."""

    kind = "kill_process"
    label = "Kill process"
    summary = "Sends SIGKILL to the process that raised the alert, if it is still the same one."
    where = "node"
    needs = ("proc.pid", "proc.pid.ts")
    repeatable = True

    @dataclass(frozen=True)
    class Params:
        protected: str = option(
            "Processes that are never killed, one a line: an absolute path of an executable, or a name. "
            "Anyone can give a process a name, so a name here is also a way to hide. "
            "The node has its own list, which always counts as well.",
            default=LIFE_LINES,
            label="Protected processes",
            multiline=True,
        )

    def target(self, subject: Subject) -> Target:
        fields = subject.output_fields
        pid = _whole(fields, "proc.pid")
        if pid > PID_MAX:
            raise NotApplicable(f"proc.pid is {pid}, which no Linux uses")
        start_ticks = fields.get("proc.start_ticks")
        return {
            "pid": pid,
            "start_time": _whole(fields, "proc.pid.ts"),
            "start_ticks": start_ticks if type(start_ticks) is int else None,
            "name": str(fields.get("proc.name") or ""),
            "exepath": str(fields["proc.exepath"]) if fields.get("proc.exepath") else None,
            # The alert's own boot, not the one its sensor told of last: the alert may have been spooled before it.
            "boot_id": str(fields["proc.boot_id"]) if fields.get("proc.boot_id") else None,
            "cmdline": str(fields.get("proc.cmdline") or ""),
        }

    def target_key(self, target: Target) -> str:
        return f"{target['pid']}@{target['start_time']}"

    def describe(self, target: Target, hostname: str) -> str:
        name = f" ({target['name']})" if target["name"] else ""
        return f"Kill pid {target['pid']}{name} on {hostname}"

    def guard(self, target: Target) -> None:
        if target["pid"] <= 1:
            raise Refused("process 1 is protected")
        if target["pid"] == 2:
            raise Refused("kernel threads are protected")
        for entry in filter(None, (line.strip() for line in self.params.protected.splitlines())):
            if _is(entry, target):
                raise Refused(f"{entry} is a protected process")


def _is(entry: str, target: Target) -> bool:
    """Whether a line of the list means this process; an executable that is not known is judged by its name."""
    exepath, name = target["exepath"], target["name"]
    if entry.startswith("/"):
        return bool(exepath == entry if exepath else name == PurePosixPath(entry).name)
    return entry in (name, PurePosixPath(exepath).name if exepath else name)


def _whole(fields: Any, name: str) -> int:
    value = fields[name]
    if type(value) is not int or value < 0:
        raise NotApplicable(f"{name} is {value!r}, which is not a whole number")
    return value
