"""What is stuck is found and named; what only waits, or is slow, is not."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.utils import timezone

from routing import auditor, signs
from routing.auditor import Report, What
from routing.models import ActionRun, Delivery, Sink
from tests import build

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def ago(**span: float) -> Any:
    return NOW - timedelta(**span)


def found(what: What) -> auditor.Finding:
    (finding,) = [finding for finding in auditor.look(NOW).findings if finding.what is what]
    return finding


def delivery(**fields: Any) -> Delivery:
    sink = fields.pop("sink", None) or build.sink()
    values = {"sink": sink, "reason": "r", "created_at": ago(hours=1), "next_attempt_at": ago(minutes=6), **fields}
    return Delivery.objects.create(**values)


def run(**fields: Any) -> ActionRun:
    values = {
        "digest": "d" * 64,
        "action": build.action(),
        "alert": build.alert(),
        "mode": "automatic",
        "kind": "kill_process",
        "target": {},
        "description": "Kill pid 1",
        "requested_at": ago(minutes=2),
        "expires_at": NOW + timedelta(minutes=5),
        **fields,
    }
    return ActionRun.objects.create(**values)


def test_where_all_is_well_everything_was_asked_and_nothing_found() -> None:
    report = auditor.look(NOW)
    assert [(finding.what, finding.count) for finding in report.findings] == [(what, 0) for what in What]
    assert (report.stuck, report.unanswered) == ([], ())


@pytest.mark.parametrize(("seconds", "count"), [(59, 0), (61, 1)])
def test_an_alert_unrouted_for_a_minute_is_found(seconds: int, count: int) -> None:
    build.alert(received_at=ago(seconds=seconds))
    finding = found(What.UNROUTED_ALERTS)
    assert finding.count == count
    assert finding.oldest_seconds == pytest.approx(seconds if count else 0, abs=1)


def test_a_claim_that_nobody_took_back_is_found_by_id(caplog: pytest.LogCaptureFixture) -> None:
    lost = delivery(state="sending", lease_until=ago(seconds=31))
    delivery(sink=lost.sink, state="sending", lease_until=ago(seconds=29))
    assert found(What.LOST_CLAIMS).ids == (str(lost.pk),)
    assert "auditor_found" in caplog.text
    assert str(lost.pk) in caplog.text


def test_a_delivery_overdue_though_its_sink_would_take_it_is_found() -> None:
    assert found(What.OVERDUE_DELIVERIES).count == 0
    overdue = delivery()
    assert found(What.OVERDUE_DELIVERIES).ids == (str(overdue.pk),)


@pytest.mark.parametrize(
    "fields",
    [
        {"enabled": False},
        {"open_until": NOW + timedelta(minutes=1)},
        {"last_sent_at": ago(minutes=1)},
    ],
    ids=["a sink that is off", "a sink in trouble", "a sink whose queue moves"],
)
def test_a_delivery_that_waits_for_a_reason_is_not_stuck(fields: dict[str, Any]) -> None:
    delivery(sink=build.sink(**fields))
    assert found(What.OVERDUE_DELIVERIES).count == 0


def test_a_delivery_is_not_stuck_while_the_sink_is_being_sent_to_or_before_its_time() -> None:
    sink: Sink = delivery(next_attempt_at=ago(minutes=4)).sink
    assert found(What.OVERDUE_DELIVERIES).count == 0
    delivery(sink=sink)
    delivery(sink=sink, state="sending", lease_until=NOW)
    assert found(What.OVERDUE_DELIVERIES).count == 0


@pytest.mark.parametrize(("seconds", "count"), [(59, 0), (61, 1), (None, 0)])
def test_a_group_overdue_to_be_looked_at_is_found(seconds: int | None, count: int) -> None:
    build.group(build.route(), next_flush_at=None if seconds is None else ago(seconds=seconds))
    assert found(What.OVERDUE_GROUPS).count == count


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"state": "awaiting_approval"}, 0),
        ({"state": "awaiting_approval", "expires_at": ago(seconds=31)}, 1),
        ({"state": "running", "lease_until": ago(seconds=29)}, 0),
        ({"state": "running", "lease_until": ago(seconds=31)}, 1),
        ({"state": "approved"}, 1),
        ({"state": "approved", "decided_at": ago(seconds=5)}, 0),
        ({"state": "requested"}, 1),
        ({"state": "succeeded"}, 0),
    ],
)
def test_a_run_that_nobody_ends_or_begins_is_found(fields: dict[str, Any], count: int) -> None:
    run(**fields)
    assert found(What.STUCK_RUNS).count == count


def test_a_run_that_waits_for_its_sensor_is_not_stuck() -> None:
    run(state="approved", sensor=build.sensor())
    assert found(What.STUCK_RUNS).count == 0


def test_a_question_that_fails_keeps_no_other_from_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(now: Any) -> Any:
        raise OperationalError("no")

    monkeypatch.setitem(auditor.QUESTIONS, What.LOST_CLAIMS, refuse)
    build.alert(received_at=ago(minutes=5))
    report = auditor.look(NOW)
    assert report.unanswered == (What.LOST_CLAIMS,)
    assert [finding.what for finding in report.stuck] == [What.UNROUTED_ALERTS]
    assert auditor.why_unwell(report, NOW) == "could not be asked: lost_claims"


def well() -> Report:
    cache.clear()
    for part in auditor.VITAL:
        signs.leave(part, NOW)
    return auditor.look(NOW)


def test_the_product_is_well_where_everybody_was_heard_and_nothing_is_stuck() -> None:
    assert auditor.why_unwell(well(), NOW) is None


@pytest.mark.parametrize("part", auditor.VITAL)
def test_the_product_is_unwell_while_one_part_is_silent(part: signs.Part) -> None:
    report = well()
    signs.leave(part, ago(seconds=61))
    assert auditor.why_unwell(report, NOW) == f"not heard for a minute: {part}"


def test_the_product_is_unwell_while_something_is_stuck() -> None:
    build.alert(received_at=ago(minutes=5))
    assert auditor.why_unwell(well(), NOW) == "stuck: unrouted_alerts"


def test_the_product_is_unwell_without_redis(settings: Any, tmp_path: Any) -> None:
    report = well()
    location = f"unix://{tmp_path}/nothing.sock"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}}
    assert auditor.why_unwell(report, NOW) == "Redis does not answer"
    auditor.keep(report)


def test_the_last_report_is_kept_whole() -> None:
    cache.clear()
    assert auditor.last_report() is None
    build.alert(received_at=ago(minutes=5))
    report = auditor.look(NOW)
    auditor.keep(report)
    assert auditor.last_report() == report


def test_a_report_of_another_version_is_none() -> None:
    cache.set(auditor.LAST_REPORT, '{"at": "2026-11-23T12:00:00Z", "found": []}', 60)
    assert auditor.last_report() is None
