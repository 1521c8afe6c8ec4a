"""What is settled leaves with the alerts; what waits, what was done and what was decided stays."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.utils import timezone

from routing import keeping
from routing.models import (
    Acknowledgement,
    ActionRun,
    AlertGroup,
    Assignment,
    Attempt,
    AuditEntry,
    Delivery,
    GroupedAlert,
    Route,
)
from tests import build
from tests.build import NOW
from tests.elsewhere import WAIT, elsewhere

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
BEFORE, OLD, YOUNG = NOW - 30 * DAY, NOW - 31 * DAY, NOW - 29 * DAY


def tidy(**given: Any) -> dict[str, int]:
    return {name: count for name, count in keeping.tidy(BEFORE, NOW, **given).items() if count}


def delivery(group: AlertGroup | None = None, **fields: Any) -> Delivery:
    sink = build.sink(name=f"sink {Delivery.objects.count()}")
    values = {"state": "sent", "settled_at": OLD, "next_attempt_at": OLD, "created_at": OLD, "reason": "", **fields}
    made = Delivery.objects.create(sink=sink, group=group, **values)
    Attempt.objects.create(delivery=made, number=1, started_at=OLD)
    return made


def run(state: str, **fields: Any) -> ActionRun:
    number = ActionRun.objects.count()
    values = {"mode": "automatic", "kind": "kill_process", "target": {}, "requested_at": OLD, "expires_at": OLD}
    return ActionRun.objects.create(
        digest=f"{number:064}", action=build.action(name=f"action {number}"), alert=build.alert(), state=state,
        **values | fields,
    )  # fmt: skip


def test_settled_deliveries_leave_with_their_attempts_and_those_that_wait_stay() -> None:
    for state in ("sent", "failed", "unknown", "suppressed", "folded", "discarded"):
        delivery(state=state)
    kept = [
        delivery(settled_at=YOUNG),
        delivery(state="queued", settled_at=None),
        delivery(state="sending", settled_at=None),
    ]
    kept[0].folded_into = None
    assert tidy() == {"deliveries": 6}
    assert list(Delivery.objects.order_by("pk")) == kept
    assert Attempt.objects.count() == 3


def test_what_was_folded_into_another_stays_when_that_one_leaves() -> None:
    later = delivery()
    old = delivery(state="folded", settled_at=YOUNG, folded_into=later)
    assert tidy() == {"deliveries": 1}
    old.refresh_from_db()
    assert old.folded_into is None


def test_a_deleted_route_leaves_when_nothing_is_left_of_it_and_of_those_beneath_it() -> None:
    top = build.route(name="top", deleted_at=OLD)
    low = build.route(name="low", deleted_at=OLD, parent=top)
    build.route(name="young", deleted_at=YOUNG)
    build.route(name="standing")
    group = build.group(low)
    assert tidy() == {}
    group.delete()
    assert tidy() == {"routes": 1}
    assert tidy() == {"routes": 1}
    assert [route.name for route in Route.everything.order_by("name")] == ["standing", "young"]


def test_a_group_leaves_when_it_is_over_and_nothing_is_left_of_it() -> None:
    over = {"state": "resolved", "last_seen_at": OLD, "resolved_at": OLD}
    route = build.route()
    gone, empty_but_young, firing, with_member, with_delivery = (
        build.group(route, key=str(number), **fields)
        for number, fields in enumerate([over, over | {"resolved_at": YOUNG}, over | {"state": "firing"}, over, over])
    )
    GroupedAlert.objects.create(alert=build.alert(), group=with_member, routed_at=OLD, route_version=1)
    delivery(with_delivery, state="queued", settled_at=None)
    ran = run("succeeded", group=gone)
    assert tidy() == {"groups": 1}
    assert set(AlertGroup.objects.all()) == {empty_but_young, firing, with_member, with_delivery}
    ran.refresh_from_db()
    assert ran.group is None


def test_runs_stay_where_something_was_done_or_a_person_had_a_say(bob: User) -> None:
    for state in keeping.WITHOUT_EFFECT:
        run(state)
    kept = [
        *(run(state) for state in ("succeeded", "partial", "failed", "unknown", "undone", "denied", "approved")),
        run("expired", requested_by=bob),
        run("skipped", decided_by=bob),
        run("would_have", requested_at=YOUNG),
    ]
    assert tidy() == {"runs": len(keeping.WITHOUT_EFFECT)}
    assert list(ActionRun.objects.order_by("pk")) == kept


def test_what_was_said_of_what_no_group_has_any_more_leaves(bob: User) -> None:
    route = build.route()
    build.group(route, key="over", fingerprint="over", state="resolved")
    firing = build.group(route, key="fires", fingerprint="fires")
    older = build.alert(fingerprint="older")
    GroupedAlert.objects.create(alert=older, group=firing, routed_at=NOW, route_version=1, number=1)
    for name in ("over", "nowhere", "fires", "older"):
        Acknowledgement.objects.create(fingerprint=name, user=bob, at=NOW)
        Assignment.objects.create(fingerprint=name, user=bob, by="bob", at=OLD)
    Assignment.objects.create(fingerprint="given after the end", user=bob, by="bob", at=YOUNG)
    assert tidy() == {"acknowledgements": 2, "assignments": 2}
    assert set(Acknowledgement.objects.values_list("fingerprint", flat=True)) == {"fires", "older"}
    assert set(Assignment.objects.values_list("fingerprint", flat=True)) == {"fires", "older", "given after the end"}


def test_sign_ins_and_sessions_leave_and_a_lock_out_stays_while_it_holds() -> None:
    for age in (timedelta(minutes=1), timedelta(hours=1)):
        attempt = AccessAttempt.objects.create(username="eve", failures_since_start=5)
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=NOW - age)
    for at in (OLD, YOUNG):
        signed_in = AccessLog.objects.create(username="bob")
        AccessLog.objects.filter(pk=signed_in.pk).update(attempt_time=at)
    Session.objects.create(session_key="over", expire_date=timezone.now() - DAY)
    Session.objects.create(session_key="open", expire_date=timezone.now() + DAY)
    assert tidy() == {"sign_ins": 2}
    assert AccessAttempt.objects.get().attempt_time == NOW - timedelta(minutes=1)
    assert AccessLog.objects.get().attempt_time == YOUNG
    assert Session.objects.get().session_key == "open"


def test_the_audit_log_stays(bob: User) -> None:
    from routing import audit

    audit.record(bob, "look", "everything", now=OLD - 1000 * DAY)
    assert tidy() == {}
    assert AuditEntry.objects.count() == 1


def test_it_goes_in_chunks_and_ends_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "CHUNK", 2)
    for _ in range(5):
        delivery()
    looks = iter([0.0, 1.0, *[keeping.SECONDS + 1] * 10])
    assert tidy(clock=lambda: next(looks)) == {"deliveries": 2}
    assert tidy() == {"deliveries": 3}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_group_that_a_worker_has_in_hand_is_left_alone() -> None:
    group = build.group(build.route(), state="resolved", last_seen_at=OLD, resolved_at=OLD)
    with transaction.atomic():
        AlertGroup.objects.select_for_update().get()
        assert elsewhere(tidy).result(WAIT) == {}
        AlertGroup.objects.update(state="firing", last_seen_at=NOW)
    assert tidy() == {}
    assert AlertGroup.objects.get() == group
