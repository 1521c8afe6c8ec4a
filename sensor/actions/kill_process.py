"""Kill process: SIGKILL to exactly the process that the alert is about.

A pid alone names nobody: it may have been given to another process since. So the process is pinned by a
pidfd first and then compared with the alert (boot, start time, executable); from there on the pidfd is the
process, whatever happens to the number.
"""

import os
import select
import signal
import time
from contextlib import suppress
from typing import Any

from sensor.actions import procinfo
from sensor.actions.base import NodeAction, Outcome, Run, Skipped, State
from sensor.actions.guard import Refused
from sensor.actions.procinfo import Seen
from sensor.context.clock import boot_id

EXIT_SECONDS = 5.0
"""How long a killed process may take to go; longer means it hangs in the kernel (state D)."""
START_TOLERANCE_NS = 2_000_000_000
"""Between a start time computed from `btime` (whole seconds, and it moves with the clock) and the alert's."""


class KillProcess(NodeAction):
    """Send SIGKILL to the process that raised the alert."""

    kind = "kill_process"

    def run(self, run: Run) -> Outcome:
        """As NodeAction.run; detail has pid, name, exepath, waited_ms and the children left behind."""
        pid = run.target.get("pid")
        if not isinstance(pid, int) or isinstance(pid, bool):
            raise Refused("the target has no process id")
        if pid <= 1:
            raise Refused("process 1 is protected")
        handle = _pin(pid)
        try:
            seen = procinfo.look(pid)
            if seen is None or seen.gone:
                raise Skipped("the process has already exited")
            if seen.leader != pid:
                raise Refused(f"{pid} is a thread of process {seen.leader}")
            _compare(run.target, seen)
            self.guard.check(seen)
            _check_listed(run.params.get("protected", ""), seen)
            detail = _describe(run.target, seen)
            if run.dry:
                return Outcome(State.WOULD_HAVE, f"would have killed pid {pid} ({seen.name})", detail)
            if self.clock() >= run.expires_at:
                raise Refused("the request has expired")
            return _kill(handle, seen, detail)
        finally:
            os.close(handle)


def _pin(pid: int) -> int:
    """A file descriptor that stays this process, as pidfd_open(2)."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise Skipped("the process has already exited") from None
    except OSError as error:
        # Before Linux 6.9 a thread's id is EINVAL, since then ENOENT.
        seen = procinfo.look(pid)
        if seen is not None and seen.leader != pid:
            raise Refused(f"{pid} is a thread of process {seen.leader}") from None
        raise Refused(f"the process cannot be pinned: {error.strerror}") from None


def _compare(target: dict[str, Any], seen: Seen) -> None:
    """Raise unless `seen` is the process of the alert. What cannot be compared is no proof."""
    boot, ticks, started = target.get("boot_id"), target.get("start_ticks"), target.get("start_time")
    if boot and boot != boot_id():
        raise Skipped("the node was restarted since; the process is gone")
    if not ticks and not started:
        raise Refused("the alert does not say when the process started")
    if ticks and ticks != seen.start_ticks:
        raise Skipped("the process has exited and its id belongs to another one now")
    if boot and ticks:
        # Proven. The executable may differ: a process that execs is still the one that did it.
        return
    if not started or abs(started - procinfo.started_at_ns(seen.start_ticks)) > START_TOLERANCE_NS:
        raise Skipped("a process with this id runs, but it started at another time")
    if target.get("exepath") != seen.exepath:
        raise Refused("without boot id and exact start time the executable must be the alert's, and it is not")


def _check_listed(protected: Any, seen: Seen) -> None:
    """The server's own list, one path or name a line, against what the process really runs."""
    name = os.path.basename(seen.exepath or "") or seen.name
    for entry in str(protected).split("\n"):
        if entry.strip() and entry.strip() in (seen.exepath, name):
            raise Refused(f"{entry.strip()} is protected by the action's settings")


def _describe(target: dict[str, Any], seen: Seen) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "pid": seen.pid,
        "name": seen.name,
        "exepath": seen.exepath,
        "start_ticks": seen.start_ticks,
    }
    if target.get("exepath") not in (None, seen.exepath):
        detail["exepath_in_alert"] = target["exepath"]
    if seen.container_init:
        # Its runtime will see the container end, and may start it again.
        detail["container_init"] = True
    return detail


def _kill(handle: int, seen: Seen, detail: dict[str, Any]) -> Outcome:
    children = procinfo.children(seen.pid)
    began = time.monotonic()
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        raise Skipped("the process has already exited") from None
    except PermissionError:
        return Outcome(State.FAILED, "not permitted; the sensor needs CAP_KILL", detail)
    waiter = select.poll()
    waiter.register(handle, select.POLLIN)
    exited = waiter.poll(EXIT_SECONDS * 1000)
    detail = {
        **detail,
        "waited_ms": round((time.monotonic() - began) * 1000, 1),
        "children_left": [pid for pid in children if _lives(pid)],
    }
    if not exited:
        return Outcome(State.UNKNOWN, f"SIGKILL was sent, but the process is still there ({_state(seen)})", detail)
    return Outcome(State.SUCCEEDED, f"killed pid {seen.pid} ({seen.name})", detail)


def _lives(pid: int) -> bool:
    with suppress(OSError):
        seen = procinfo.look(pid)
        return seen is not None and not seen.gone
    return False


def _state(seen: Seen) -> str:
    now = procinfo.look(seen.pid)
    return f"state {now.state}" if now else "gone from /proc"
