import threading
import uuid
from datetime import timedelta
from typing import ClassVar

import pytest
from django.db import connection

from routing import actions, approvals, audit, executor
from routing.actions.base import NotApplicable, Outcome, Refused, Responder
from routing.executor import LEASE, ExecutorError
from routing.models import ActionRun, AuditEntry, ResponseAction
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

Mode = ResponseAction.Mode
SECOND = timedelta(seconds=1)
KILL = ["kill_process"]


def approved(sensor=None, mode=Mode.AUTOMATIC, pid=4242, **action):
    sensor = sensor or build.sensor()
    alert = build.alert(sensor=sensor, own_node=True, output_fields={"proc.pid": pid, "proc.pid.ts": 5})
    run = approvals.request(build.action(mode=mode, **action), alert, None, None, NOW)
    assert run.state == "approved"
    return run


def leased(**action):
    run = approved(**action)
    return executor.lease(run.sensor, KILL, NOW)[0]


def test_a_run_is_handed_out_once_with_a_lease():
    run = approved()
    [handed] = executor.lease(run.sensor, KILL, NOW)
    assert handed == run
    run.refresh_from_db()
    assert (run.state, run.lease, run.lease_until) == ("running", handed.lease, NOW + LEASE)
    assert run.started_at == NOW
    assert executor.lease(run.sensor, KILL, NOW) == []


def test_a_run_is_handed_only_to_its_own_sensor_for_a_kind_it_asks_for_while_unexpired():
    run = approved(max_alert_age=60)
    stranger = build.sensor(name="node-2", hostname="node-2", token=build.token(secret="sa_two"))
    assert executor.lease(stranger, KILL, NOW) == []
    assert executor.lease(run.sensor, ["stop_container"], NOW) == []
    assert executor.lease(run.sensor, KILL, NOW + 60 * SECOND) == []
    assert executor.lease(run.sensor, KILL, NOW + 59 * SECOND) == [run]


def test_what_awaits_approval_is_not_handed_out():
    sensor = build.sensor()
    approvals.request(build.action(), build.alert(sensor=sensor, own_node=True), None, None, NOW)
    assert executor.lease(sensor, KILL, NOW) == []


@pytest.mark.parametrize(("mode", "later"), [(Mode.AUTOMATIC, Mode.APPROVE), (Mode.DRY_RUN, Mode.OFF)])
def test_a_run_whose_action_was_turned_down_since_is_refused_and_remembered(mode, later):
    run = approved(mode=mode)
    ResponseAction.objects.update(mode=later)
    assert executor.lease(run.sensor, KILL, NOW) == []
    run.refresh_from_db()
    assert (run.state, run.reason) == ("refused", f"the action was set to {later.value} after this was requested")
    assert AuditEntry.objects.get().after["state"] == "refused"


def test_a_process_that_was_protected_since_is_refused():
    run = approved()
    run.target["name"] = "vault"
    run.save(update_fields=["target"])
    ResponseAction.objects.update(params={"protected": "vault"})
    assert executor.lease(run.sensor, KILL, NOW) == []
    run.refresh_from_db()
    assert (run.state, run.reason) == ("refused", "vault is a protected process")


@pytest.mark.django_db(transaction=True)
def test_two_polls_at_once_get_a_run_once():
    run = approved()
    ready, handed = threading.Barrier(4), []

    def poll() -> None:
        ready.wait()
        handed.extend(executor.lease(run.sensor, KILL, NOW))
        connection.close()

    threads = [threading.Thread(target=poll) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handed == [run]


@pytest.mark.parametrize("state", executor.ENDS)
def test_a_result_ends_the_run_and_is_remembered(state):
    run = leased()
    ended = executor.settle(str(run.uuid), str(run.lease), state, "as told", {"waited_ms": 3.5}, NOW + SECOND)
    assert (ended.state, ended.reason, ended.detail) == (state, "as told", {"waited_ms": 3.5})
    assert ended.finished_at == NOW + SECOND
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb) == ("sensor node-1", "run")
    assert entry.after == {"state": state, "mode": "automatic", "reason": "as told"}
    assert audit.verify().broken_at is None


def test_a_result_told_twice_counts_once_and_another_one_is_a_conflict():
    run = leased()
    for _ in range(2):
        executor.settle(run.uuid, run.lease, "succeeded", "killed", {}, NOW)
    assert AuditEntry.objects.count() == 1
    with pytest.raises(ExecutorError, match="ended already: succeeded") as caught:
        executor.settle(run.uuid, run.lease, "failed", "", {}, NOW)
    assert caught.value.conflict


@pytest.mark.parametrize("lease", [uuid.uuid4(), "not a lease", ""])
def test_a_result_under_another_lease_changes_nothing(lease):
    run = leased()
    with pytest.raises(ExecutorError, match="not handed out under this lease") as caught:
        executor.settle(run.uuid, lease, "succeeded", "", {}, NOW)
    assert caught.value.conflict
    run.refresh_from_db()
    assert run.state == "running"


@pytest.mark.parametrize("state", ["running", "approved", "undone", "done"])
def test_a_result_that_is_no_end_is_refused(state):
    run = leased()
    with pytest.raises(ExecutorError, match="not how a run ends") as caught:
        executor.settle(run.uuid, run.lease, state, "", {}, NOW)
    assert not caught.value.conflict


def test_what_a_node_reports_cannot_spoil_the_row():
    run = leased()
    ended = executor.settle(run.uuid, run.lease, "failed", "a\0b" + "x" * 9000, {"name": "c\0d"}, NOW)
    assert ended.reason.startswith("abx")
    assert len(ended.reason) == 2000
    assert ended.detail == {"name": "cd"}


@pytest.mark.parametrize(("told", "kept"), [(None, {}), ([1], {"detail": [1]}), ("gone", {"detail": "gone"})])
def test_a_detail_that_is_no_object_is_kept_as_one(told, kept):
    run = leased()
    assert executor.settle(run.uuid, run.lease, "skipped", "", told, NOW).detail == kept


def test_a_lost_run_that_may_be_repeated_is_handed_out_again_under_a_new_lease():
    run = leased()
    assert executor.take_back(NOW + LEASE - SECOND) == 0
    assert executor.take_back(NOW + LEASE) == 1
    [again] = executor.lease(run.sensor, KILL, NOW + LEASE)
    assert again == run
    assert again.lease != run.lease
    with pytest.raises(ExecutorError, match="not handed out"):
        executor.settle(run.uuid, run.lease, "succeeded", "", {}, NOW + LEASE)
    assert executor.settle(run.uuid, again.lease, "succeeded", "", {}, NOW + LEASE).state == "succeeded"


def test_a_lost_run_that_expired_is_unknown_until_its_late_result_comes():
    run = leased(max_alert_age=30)
    assert executor.take_back(NOW + LEASE) == 1
    run.refresh_from_db()
    assert run.state == "unknown"
    assert run.reason == "handed to node-1, which did not report before 12:01:00 UTC"
    late = executor.settle(run.uuid, run.lease, "succeeded", "killed", {}, NOW + 2 * LEASE)
    assert late.state == "succeeded"
    assert [entry.after["state"] for entry in AuditEntry.objects.order_by("id")] == ["unknown", "succeeded"]


class Cordon(Responder):
    """A kind that runs on the server."""

    kind = "cordon"
    label = "Cordon node"
    summary = "Lets nothing new start on the node."
    where = "server"
    needs = ("k8s.node",)
    ends: ClassVar[list[object]] = []
    seen: ClassVar[list[tuple[object, bool]]] = []

    def run(self, target, *, dry):
        self.seen.append((target, dry))
        end = self.ends.pop()
        if isinstance(end, Exception):
            raise end
        return end


class Uncordon(Cordon):
    kind = "uncordon"
    repeatable = True


KINDS = {"cordon": Cordon, "uncordon": Uncordon}


def on_server(kind="cordon", mode=Mode.AUTOMATIC, **fields):
    action = build.action(name=f"{kind} {mode}", kind=kind, mode=mode)
    values = {"mode": mode, "kind": kind, "target": {"node": "n1"}, "description": "Cordon n1", "state": "approved"}
    values |= {"requested_at": NOW, "expires_at": NOW + 90 * SECOND, "digest": uuid.uuid4().hex, **fields}
    return ActionRun.objects.create(action=action, alert=build.alert(), **values)


@pytest.mark.parametrize(
    ("end", "state", "reason"),
    [
        (Outcome("succeeded", "cordoned", {"was": False}), "succeeded", "cordoned"),
        (Outcome("partial", "half of it"), "partial", "half of it"),
        (Refused("a control-plane node"), "refused", "a control-plane node"),
        (NotApplicable("no such node"), "skipped", "no such node"),
        (ZeroDivisionError("hush"), "unknown", "ZeroDivisionError in the middle of it; look at the target"),
    ],
)
def test_a_run_on_the_server_ends_as_the_kind_says(end, state, reason):
    run = on_server()
    Cordon.ends.append(end)
    executor.run_on_server(run.pk, NOW, KINDS)
    run.refresh_from_db()
    assert (run.state, run.reason) == (state, reason)
    assert AuditEntry.objects.get().actor == "system"


def test_a_run_on_the_server_happens_once_and_a_dry_one_is_dry():
    run = on_server(mode=Mode.DRY_RUN)
    Cordon.ends.append(Outcome("would_have", "would have cordoned n1"))
    Cordon.seen.clear()
    for _ in range(2):
        executor.run_on_server(run.pk, NOW, KINDS)
    assert Cordon.seen == [({"node": "n1"}, True)]


def test_a_run_of_the_node_or_one_that_expired_is_not_run_on_the_server():
    of_the_node, late = approved(), on_server(expires_at=NOW)
    for run in (of_the_node, late):
        executor.run_on_server(run.pk, NOW, {**KINDS, **actions.kinds()})
        run.refresh_from_db()
        assert run.state == "approved"
    assert executor.due(NOW) == []


@pytest.mark.parametrize(("kind", "state"), [("cordon", "unknown"), ("uncordon", "approved")])
def test_a_run_that_died_with_its_worker_is_repeated_only_where_that_is_harmless(kind, state):
    run = on_server(kind, state="running", lease=uuid.uuid4(), lease_until=NOW)
    executor.take_back(NOW, KINDS)
    run.refresh_from_db()
    assert run.state == state
