from datetime import timedelta
from typing import Any

import pytest

from routing import backoff
from routing.settling import HEALTHY, Settlement, settle
from routing.sinks.base import Outcome, Verdict
from routing.sinks.pagerduty import PagerDuty
from routing.sinks.webhook import Webhook
from tests.build import NOW


def settled(outcome: Outcome, **changes: Any) -> Settlement:
    values = {"may_repeat": True, "attempts": 1, "failures": 0, "now": NOW, "seconds": 0.1, "roll": 0.5, **changes}
    return settle(outcome, values.pop("sender", Webhook), **values)


def test_a_success_ends_the_delivery_and_the_sinks_trouble() -> None:
    found = settled(Outcome(Verdict.SENT), failures=7)
    assert (found.attempt, found.delivery["state"]) == ("sent", "sent")
    assert found.sink == {**HEALTHY, "warning": "", "last_error": "", "last_sent_at": NOW}
    assert HEALTHY == {"failures": 0, "failing_since": None, "open_until": None}


def test_trouble_queues_it_again_for_later() -> None:
    found = settled(Outcome(Verdict.RETRY, "no luck"))
    assert (found.attempt, found.delivery["state"]) == ("retry", "queued")
    assert found.delivery["next_attempt_at"] == NOW + timedelta(seconds=5)
    assert found.sink == {"failures": 1, "last_error": "no luck", "failing_since": NOW}
    assert "failing_since" not in settled(Outcome(Verdict.RETRY), failures=1).sink


def test_the_fifth_trouble_in_a_row_leaves_the_sink_alone() -> None:
    assert settled(Outcome(Verdict.RETRY), failures=4).sink["open_until"] == NOW + timedelta(seconds=15)


@pytest.mark.parametrize("may_repeat", [True, False])
def test_one_trouble_that_held_a_worker_for_long_is_enough(may_repeat: bool) -> None:
    hung = settled(Outcome(Verdict.RETRY, arrived=True), seconds=15.0, may_repeat=may_repeat)
    assert hung.sink["open_until"] == NOW + timedelta(seconds=15)


def test_a_slow_success_is_a_success() -> None:
    assert settled(Outcome(Verdict.SENT), seconds=15.0).sink["open_until"] is None


def test_a_time_that_the_receiver_named_holds_for_the_delivery_and_for_the_sink() -> None:
    found = settled(Outcome(Verdict.RETRY, retry_after=60.0))
    assert found.delivery["next_attempt_at"] == found.sink["open_until"]
    assert found.sink["open_until"] >= NOW + timedelta(seconds=60)


@pytest.mark.parametrize(("sender", "paging"), [(Webhook, False), (PagerDuty, True)])
def test_the_last_attempt_gives_up(sender: Any, paging: bool) -> None:
    last = backoff.most_attempts(paging)
    assert settled(Outcome(Verdict.RETRY), sender=sender, attempts=last - 1).delivery["state"] == "queued"
    found = settled(Outcome(Verdict.RETRY, "still down"), sender=sender, attempts=last)
    assert (found.attempt, found.delivery["state"], found.delivery["error"]) == ("failed", "failed", "still down")


def test_refused_credentials_warn_and_wait_and_hold_back_the_others() -> None:
    found = settled(Outcome(Verdict.CREDENTIALS, "the token is wrong"))
    assert found.delivery["state"] == "queued"
    assert found.delivery["next_attempt_at"] >= NOW + timedelta(minutes=15)
    assert found.sink["warning"] == "the token is wrong"
    assert found.sink["open_until"] == found.delivery["next_attempt_at"]


def test_a_receiver_that_is_gone_disables_the_sink_and_says_why() -> None:
    found = settled(Outcome(Verdict.GONE, "The receiver says there is nothing at this address (410)"))
    assert (found.delivery["state"], found.sink["enabled"]) == ("failed", False)
    assert "410" in found.sink["disabled_reason"]


def test_what_is_never_accepted_fails_at_once_and_is_not_the_sinks_fault() -> None:
    found = settled(Outcome(Verdict.FAILED, "400"))
    assert (found.attempt, found.delivery["state"]) == ("failed", "failed")
    assert "failures" not in found.sink


def test_what_may_have_arrived_is_unknown_where_repeats_are_forbidden() -> None:
    lost = Outcome(Verdict.RETRY, "no answer", arrived=True)
    assert settled(lost).delivery["state"] == "queued"
    found = settled(lost, may_repeat=False)
    assert (found.attempt, found.delivery["state"]) == ("unknown", "unknown")
    assert settled(Outcome(Verdict.RETRY), may_repeat=False).delivery["state"] == "queued"


def test_a_long_error_fits_the_sinks_columns() -> None:
    assert len(settled(Outcome(Verdict.GONE, "x" * 999)).sink["disabled_reason"]) <= 255
    assert len(settled(Outcome(Verdict.CREDENTIALS, "x" * 999)).sink["warning"]) <= 255
