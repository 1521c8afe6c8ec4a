"""The server's half and the node's half of a kind, put together over the wire format between them."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from routing import approvals, executor
from routing.api.lease import described
from routing.models import ActionRun, ResponseAction
from sensor.actions import procinfo
from sensor.actions.base import Outcome, Run, Skipped
from sensor.actions.guard import Guard
from sensor.actions.kill_process import KillProcess
from sensor.context.clock import boot_id
from tests import build

pytestmark = pytest.mark.django_db

Mode = ResponseAction.Mode


@pytest.fixture
def orphan() -> Iterator[int]:
    """A process that is not this one's child, as the sensor's own children are protected."""
    started = subprocess.run(
        ["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True, check=True
    )
    pid = int(started.stdout)
    yield pid
    if procinfo.look(pid) is not None:
        os.kill(pid, 9)


def alert_about(pid: int, **changes: object):
    seen = procinfo.look(pid)
    assert seen is not None
    fields = {
        "proc.pid": pid,
        "proc.pid.ts": procinfo.started_at_ns(seen.start_ticks),
        "proc.start_ticks": seen.start_ticks,
        "proc.boot_id": boot_id(),
        "proc.name": seen.name,
        "proc.exepath": seen.exepath,
        **changes,
    }
    sensor = build.sensor(boot_id=boot_id())
    return build.alert(sensor=sensor, own_node=True, output_fields=fields, time=datetime.now(UTC))


def carried_out(alert, mode: str) -> tuple[ActionRun, Outcome]:
    """Asked for, handed out, read by the sensor, done and reported."""
    now = datetime.now(UTC)
    approvals.request(build.action(mode=mode), alert, None, None, now)
    [handed] = executor.lease(alert.sensor, ["kill_process"], now)
    run = msgspec.json.decode(msgspec.json.encode(described(handed)), type=Run)
    outcome = KillProcess(Guard()).run(run)
    settled = executor.settle(run.id, run.lease, outcome.state, outcome.reason, outcome.detail, now)
    return settled, outcome


def test_the_process_of_the_alert_is_killed_and_the_run_says_so(orphan):
    run, _ = carried_out(alert_about(orphan), Mode.AUTOMATIC)
    assert run.state == "succeeded"
    assert run.detail["pid"] == orphan
    assert (seen := procinfo.look(orphan)) is None or seen.state == "Z"


def test_a_dry_run_checks_the_same_and_kills_nothing(orphan):
    run, _ = carried_out(alert_about(orphan), Mode.DRY_RUN)
    assert run.state == "would_have"
    assert procinfo.look(orphan).state == "S"


def test_another_process_with_the_same_id_lives(orphan):
    ticks = procinfo.look(orphan).start_ticks
    earlier = alert_about(orphan, **{"proc.start_ticks": ticks - 1})
    with pytest.raises(Skipped, match="belongs to another one now"):
        carried_out(earlier, Mode.AUTOMATIC)
    assert procinfo.look(orphan).state == "S"


def test_an_alert_from_before_a_restart_kills_nobody_although_pid_and_ticks_are_equal(orphan):
    earlier = alert_about(orphan, **{"proc.boot_id": "the boot before"})
    assert earlier.sensor.boot_id == boot_id()  # The sensor has said hello again since.
    with pytest.raises(Skipped, match="restarted"):
        carried_out(earlier, Mode.AUTOMATIC)
    assert procinfo.look(orphan).state == "S"


def test_an_alert_that_names_no_boot_needs_the_same_start_time(orphan):
    day = 86_400_000_000_000
    started = procinfo.started_at_ns(procinfo.look(orphan).start_ticks)
    earlier = alert_about(orphan, **{"proc.boot_id": None, "proc.pid.ts": started - day})
    with pytest.raises(Skipped, match="started at another time"):
        carried_out(earlier, Mode.AUTOMATIC)
    assert procinfo.look(orphan).state == "S"


def test_what_expired_on_the_way_is_not_done(orphan):
    alert = alert_about(orphan)
    now = datetime.now(UTC)
    approvals.request(build.action(mode=Mode.AUTOMATIC), alert, None, None, now)
    assert executor.lease(alert.sensor, ["kill_process"], now + timedelta(seconds=301)) == []
