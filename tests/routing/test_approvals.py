import threading
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection

from routing import approvals
from routing.approvals import ApprovalError
from routing.models import ActionRun, AuditEntry, ResponseAction
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

Mode = ResponseAction.Mode
SECOND = timedelta(seconds=1)


def asked(alert=None, by=None, now=NOW, **action):
    """A run asked for because of an alert that node-1's own sensor reported about node-1."""
    if alert is None:
        alert = build.alert(sensor=build.sensor(), own_node=True)
    return approvals.request(build.action(**action), alert, None, None, now, by=by)


def test_an_action_that_is_off_asks_for_nothing():
    assert asked(mode=Mode.OFF) is None
    assert not ActionRun.objects.exists()


def test_a_condition_narrows_what_the_route_matched():
    alert = build.alert(sensor=build.sensor(), own_node=True)
    assert asked(alert, condition="proc.name = nc") is None
    assert asked(alert, name="Kill cat", condition="proc.name = cat").state == "awaiting_approval"


def test_a_condition_that_cannot_be_read_any_more_asks_for_nothing():
    assert asked(condition="proc.nmae = cat") is None


def test_an_automatic_action_is_approved_at_once_for_a_sensors_alert_about_its_own_node():
    run = asked(mode=Mode.AUTOMATIC, max_alert_age=120)
    assert (run.state, run.mode, run.reason) == ("approved", "automatic", "")
    assert run.description == "Kill pid 4242 (cat) on node-1"
    assert run.sensor.hostname == "node-1"
    assert run.expires_at == NOW + 120 * SECOND


def test_an_action_that_needs_approval_waits_for_it_until_its_time_is_up():
    run = asked(approval_ttl=60)
    assert (run.state, run.expires_at) == ("awaiting_approval", NOW + 60 * SECOND)


def test_a_dry_run_goes_to_the_node_like_any_other():
    run = asked(mode=Mode.DRY_RUN)
    assert (run.state, run.mode) == ("approved", "dry_run")


def forged():
    """Posted by somebody with a token that is not bound to the node."""
    build.sensor()
    return build.alert(own_node=False)


def from_a_falco():
    """Bound to the node, but it never said hello: another program's word."""
    build.sensor()
    other = build.sensor(native=False, token=build.token(secret="sa_falco"))
    return build.alert(sensor=other, own_node=True)


def about_another_node():
    build.sensor(name="node-2", hostname="node-2", token=build.token(secret="sa_two"))
    return build.alert(sensor=build.sensor(), own_node=True, hostname="node-2")


def from_a_node_that_forbids_it():
    return build.alert(sensor=build.sensor(actions=[]), own_node=True)


@pytest.mark.parametrize(
    ("alert", "why"),
    [
        (forged, "not reported by the node's own sensor"),
        (from_a_falco, "not reported by the sensor that would act"),
        (about_another_node, "not reported by the sensor that would act"),
        (from_a_node_that_forbids_it, "does not allow kill_process"),
    ],
)
def test_an_automatic_action_asks_a_person_where_the_alerts_origin_does_not_allow_more(alert, why):
    run = asked(alert(), mode=Mode.AUTOMATIC)
    assert (run.state, run.mode) == ("awaiting_approval", "approve")
    assert run.reason.startswith("approval needed: ")
    assert why in run.reason


def test_the_same_alert_never_asks_twice():
    alert = build.alert(sensor=build.sensor(), own_node=True)
    action = build.action()
    first = approvals.request(action, alert, None, None, NOW)
    approvals.expire_due(NOW + timedelta(days=1))
    again = approvals.request(action, alert, None, build.route(), NOW + SECOND)
    assert again == first
    assert ActionRun.objects.count() == 1


def test_an_alert_without_a_target_asks_in_vain_once():
    alert = build.alert(sensor=build.sensor(), own_node=True, output_fields={})
    action = build.action()
    first = approvals.request(action, alert, None, None, NOW)
    assert approvals.request(action, alert, None, build.route(), NOW) == first
    assert first.state == "skipped"


@pytest.mark.parametrize(
    ("alert", "action", "state", "why"),
    [
        ({"output_fields": {"proc.pid": 7}}, {}, "skipped", "the alert has no proc.pid.ts"),
        ({"time": NOW - 301 * SECOND}, {}, "skipped", "older than 300 s"),
        ({"time": NOW + 900 * SECOND, "received_at": NOW - 301 * SECOND}, {}, "skipped", "older than 300 s"),
        ({"hostname": "elsewhere"}, {}, "skipped", "no sensor of ours runs on elsewhere"),
        ({"output_fields": {"proc.pid": 1, "proc.pid.ts": 5}}, {}, "refused", "process 1 is protected"),
        ({}, {"params": {"protected": "cat"}}, "refused", "cat is a protected process"),
        ({}, {"max_per_hour": 0}, "refused", "budget"),
        ({}, {"kind": "vanished"}, "refused", "vanished is not installed"),
    ],
)
@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.APPROVE, Mode.AUTOMATIC])
def test_what_a_guard_stops_is_kept_with_its_reason_in_every_mode(alert, action, state, why, mode):
    run = asked(build.alert(sensor=build.sensor(), own_node=True, **alert), mode=mode, **action)
    assert run.state == state
    assert why in run.reason
    assert run.finished_at == NOW


def test_a_dry_run_is_skipped_where_the_node_would_not_take_it():
    run = asked(from_a_node_that_forbids_it(), mode=Mode.DRY_RUN)
    assert run.state == "skipped"
    assert "[actions] allow" in run.reason


def alert_of(pid, sensor):
    return build.alert(sensor=sensor, own_node=True, output_fields={"proc.pid": pid, "proc.pid.ts": 5})


def test_the_hours_budget_is_spent_by_runs_that_act_and_not_by_those_a_guard_stopped():
    sensor, action = build.sensor(), build.action(mode=Mode.AUTOMATIC, max_per_hour=2)

    def states(pids, now):
        return [approvals.request(action, alert_of(pid, sensor), None, None, now).state for pid in pids]

    assert states([1, 100, 1, 101, 102], NOW) == ["refused", "approved", "refused", "approved", "refused"]
    ActionRun.objects.update(requested_at=NOW - timedelta(hours=1))
    assert states([103], NOW) == ["approved"]


def test_dry_runs_spend_a_budget_of_their_own():
    sensor, action = build.sensor(), build.action(mode=Mode.DRY_RUN, max_per_hour=1)
    assert approvals.request(action, alert_of(100, sensor), None, None, NOW).state == "approved"
    assert approvals.request(action, alert_of(101, sensor), None, None, NOW).state == "refused"
    ResponseAction.objects.update(mode=Mode.AUTOMATIC)
    assert approvals.request(action, alert_of(102, sensor), None, None, NOW).state == "approved"


def test_a_second_alert_about_one_target_is_superseded_while_the_first_run_lives_and_skipped_once_it_is_done():
    sensor, action = build.sensor(), build.action(mode=Mode.AUTOMATIC)
    first = approvals.request(action, alert_of(100, sensor), None, None, NOW)
    second = approvals.request(action, alert_of(100, sensor), None, None, NOW)
    assert second.state == "superseded"
    assert str(first.uuid) in second.reason
    ActionRun.objects.filter(pk=first.pk).update(state="succeeded")
    assert approvals.request(action, alert_of(100, sensor), None, None, NOW).state == "skipped"
    assert approvals.request(action, alert_of(101, sensor), None, None, NOW).state == "approved"


def test_an_automatic_run_outdoes_an_open_question_about_the_same_target():
    sensor = build.sensor()
    question = approvals.request(build.action(), alert_of(100, sensor), None, None, NOW)
    sure = build.action(name="Kill at once", mode=Mode.AUTOMATIC)
    run = approvals.request(sure, alert_of(100, sensor), None, None, NOW)
    question.refresh_from_db()
    assert (run.state, question.state) == ("approved", "superseded")
    assert str(run.uuid) in question.reason


def test_an_open_question_stays_open_where_the_automatic_run_is_stopped_by_a_guard():
    sensor = build.sensor()
    question = approvals.request(build.action(), alert_of(100, sensor), None, None, NOW)
    spent = build.action(name="Kill at once", mode=Mode.AUTOMATIC, max_per_hour=0)
    assert approvals.request(spent, alert_of(100, sensor), None, None, NOW).state == "refused"
    question.refresh_from_db()
    assert question.state == "awaiting_approval"


@pytest.mark.django_db(transaction=True)
def test_asking_at_once_for_one_target_starts_one_run():
    sensor = build.sensor()
    jobs = [
        (build.action(name=f"Kill {number}", mode=Mode.AUTOMATIC), alert_of(100, sensor)) for number in range(2)
    ] * 2
    ready, problems = threading.Barrier(len(jobs)), []

    def ask(action, alert):
        ready.wait()
        try:
            approvals.request(action, alert, None, None, NOW)
        except Exception as error:
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sorted(ActionRun.objects.values_list("state", flat=True)) == ["approved", "superseded"]


def test_approving_records_who_when_and_why_and_gives_the_run_time_to_start(bob):
    run = approvals.approve(asked(max_alert_age=90), bob, NOW + 5 * SECOND, "seen it", ip="10.0.0.9")
    assert (run.state, run.decided_by, run.decided_at) == ("approved", bob, NOW + 5 * SECOND)
    assert (run.comment, run.expires_at) == ("seen it", NOW + 95 * SECOND)
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.verb, entry.address) == (bob, "approve", "10.0.0.9")
    assert entry.after == {"state": "approved", "comment": "seen it"}
    assert "Kill pid 4242 (cat) on node-1" in entry.target


def test_denying_ends_the_run_and_is_remembered(bob):
    run = approvals.deny(asked(), bob, NOW, "a known job")
    assert (run.state, run.decided_by, run.comment, run.finished_at) == ("denied", bob, "a known job", NOW)
    assert AuditEntry.objects.get().verb == "deny"


@pytest.mark.parametrize("decide", [approvals.approve, approvals.deny])
def test_a_viewer_decides_nothing(decide, carol):
    run = asked()
    with pytest.raises(PermissionDenied, match="Responder"):
        decide(run, carol, NOW, "")
    run.refresh_from_db()
    assert run.state == "awaiting_approval"
    assert not AuditEntry.objects.exists()


def test_whoever_comes_second_is_told_what_happened(bob, erin):
    run = asked()
    approvals.deny(run, bob, NOW)
    with pytest.raises(ApprovalError, match="denied already by bob"):
        approvals.approve(run, erin, NOW)
    run.refresh_from_db()
    assert (run.state, run.decided_by) == ("denied", bob)


def test_an_approval_after_the_time_is_up_is_refused_even_before_the_sweep_came_by(bob):
    run = asked(approval_ttl=60)
    with pytest.raises(ApprovalError, match="expired at 12:01:00 UTC"):
        approvals.approve(run, bob, NOW + 60 * SECOND)
    assert approvals.approve(run, bob, NOW + 59 * SECOND).state == "approved"


def test_whoever_asked_by_hand_cannot_approve_and_never_acts_alone(bob, erin):
    run = asked(by=bob, mode=Mode.AUTOMATIC)
    assert (run.state, run.reason) == ("awaiting_approval", "approval needed: asked for by bob")
    with pytest.raises(ApprovalError, match="somebody else"):
        approvals.approve(run, bob, NOW)
    assert approvals.approve(run, erin, NOW).state == "approved"


def test_a_viewer_cannot_ask_by_hand(carol):
    with pytest.raises(PermissionDenied):
        asked(by=carol)


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.DRY_RUN])
def test_nothing_is_approved_once_the_action_is_switched_off(mode, bob):
    run = asked()
    ResponseAction.objects.update(mode=mode)
    with pytest.raises(ApprovalError, match="switched off"):
        approvals.approve(run, bob, NOW)


def test_what_nobody_decides_or_fetches_in_time_expires():
    question = asked(approval_ttl=60)
    unfetched = asked(
        build.alert(sensor=question.sensor, own_node=True, output_fields={"proc.pid": 9, "proc.pid.ts": 9}),
        name="Kill at once",
        mode=Mode.AUTOMATIC,
        max_alert_age=30,
    )
    assert approvals.expire_due(NOW + 29 * SECOND) == 0
    assert approvals.expire_due(NOW + 60 * SECOND) == 2
    question.refresh_from_db()
    unfetched.refresh_from_db()
    assert (question.state, question.reason) == ("expired", "nobody approved it in time")
    assert unfetched.state == "expired"
    assert "is the sensor connected" in unfetched.reason
