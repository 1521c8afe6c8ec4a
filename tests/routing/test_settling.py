from datetime import timedelta
from typing import Any

import pytest

from routing import backoff
from routing.settling import HEALTHY, HOUR, Settlement, settle
from routing.sinks.base import Outcome, Verdict
from routing.sinks.pagerduty import PagerDuty
from routing.sinks.webhook import Webhook
from tests.build import NOW


def settled(outcome: Outcome, **changes: Any) -> Settlement:
    of_try = {"may_repeat": True, "attempts": 1, "age": HOUR, "now": NOW, "seconds": 0.1, "roll": 0.5}
    values = {**of_try, "failures": 0, "failing_since": None, **changes}
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
    assert "failing_since" not in settled(Outcome(Verdict.RETRY), failing_since=NOW).sink


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


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.CREDENTIALS])
@pytest.mark.parametrize(("sender", "hours"), [(Webhook, 72), (PagerDuty, 5)])
def test_what_was_tried_for_long_is_given_up_however_seldom_it_was(sender: Any, hours: int, verdict: Verdict) -> None:
    young = settled(Outcome(verdict, "no"), sender=sender, age=hours * HOUR - timedelta(seconds=1))
    assert young.delivery["state"] == "queued"
    found = settled(Outcome(verdict, "no"), sender=sender, age=hours * HOUR)
    assert (found.delivery["state"], found.delivery["error"]) == ("failed", f"Given up after {hours} hours. no")


def test_refused_credentials_are_tried_for_as_long_as_anything_else() -> None:
    found = settled(Outcome(Verdict.CREDENTIALS), attempts=1000, age=71 * HOUR)
    assert found.delivery["state"] == "queued"


def test_a_pager_is_not_left_alone_for_as_long_as_it_names() -> None:
    found = settled(Outcome(Verdict.RETRY, retry_after=86_400.0), sender=PagerDuty)
    assert found.sink["open_until"] <= NOW + timedelta(minutes=16)


def test_refused_credentials_warn_and_wait_and_hold_back_the_others() -> None:
    found = settled(Outcome(Verdict.CREDENTIALS, "the token is wrong"))
    assert found.delivery["state"] == "queued"
    assert found.delivery["next_attempt_at"] >= NOW + timedelta(minutes=15)
    assert found.sink["warning"] == "the token is wrong"
    assert found.sink["open_until"] == found.delivery["next_attempt_at"]


def test_a_receiver_that_is_gone_disables_the_sink_says_why_and_is_still_owed_it() -> None:
    found = settled(Outcome(Verdict.GONE, "The receiver says there is nothing at this address (410)"))
    assert (found.delivery["state"], found.sink["enabled"]) == ("queued", False)
    assert (found.attempt, found.delivery["next_attempt_at"]) == ("retry", NOW)
    assert "410" in found.sink["disabled_reason"]


def test_what_is_never_accepted_fails_at_once_and_the_sink_warns_and_is_not_left_alone() -> None:
    found = settled(Outcome(Verdict.FAILED, "400"), failures=4)
    assert (found.attempt, found.delivery["state"]) == ("failed", "failed")
    answers = {"failures": 0, "open_until": None, "warning": "400", "last_error": "400"}
    assert found.sink == {**answers, "failing_since": NOW}
    assert settled(Outcome(Verdict.FAILED, "400"), failing_since=NOW).sink == answers


def test_what_may_have_arrived_is_unknown_where_repeats_are_forbidden() -> None:
    lost = Outcome(Verdict.RETRY, "no answer", arrived=True)
    assert settled(lost).delivery["state"] == "queued"
    found = settled(lost, may_repeat=False)
    assert (found.attempt, found.delivery["state"]) == ("unknown", "unknown")
    assert settled(Outcome(Verdict.RETRY), may_repeat=False).delivery["state"] == "queued"


def test_a_long_error_fits_the_sinks_columns() -> None:
    assert len(settled(Outcome(Verdict.GONE, "x" * 999)).sink["disabled_reason"]) <= 255
    for verdict in (Verdict.CREDENTIALS, Verdict.FAILED):
        assert len(settled(Outcome(verdict, "x" * 999)).sink["warning"]) <= 255
