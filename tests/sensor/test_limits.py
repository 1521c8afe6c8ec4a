"""Token buckets of alerts."""

from hypothesis import given
from hypothesis import strategies as st

from sensor.limits import Bucket, Limiter, Rate, Tally

PLENTY = Rate(1000.0, 1000)


def test_a_burst_passes_and_the_rest_is_held() -> None:
    limiter = Limiter(Rate(1.0, 3), PLENTY)
    assert [limiter.admit("r", 0.0) for _ in range(5)] == [0, 0, 0, None, None]
    assert limiter.held_back == 2


def test_the_next_alert_of_the_rule_carries_what_was_held() -> None:
    limiter = Limiter(Rate(1.0, 1), PLENTY)
    for _ in range(5):
        limiter.admit("r", 0.0)
    assert limiter.admit("r", 1.0) == 4
    assert limiter.admit("r", 2.0) == 0


def test_one_rules_flood_does_not_hold_another_rule() -> None:
    limiter = Limiter(Rate(1.0, 1), PLENTY)
    for _ in range(100):
        limiter.admit("noisy", 0.0)
    assert limiter.admit("quiet", 0.0) == 0


def test_the_common_bucket_holds_the_sum_of_many_rules() -> None:
    limiter = Limiter(PLENTY, Rate(1.0, 2))
    for rule in ("a", "b"):
        limiter.admit(rule, 0.0)
    assert limiter.admit("a", 0.1) is None


def test_an_empty_common_bucket_never_silences_a_rule_for_more_than_a_second() -> None:
    limiter = Limiter(PLENTY, Rate(0.001, 1))
    assert limiter.admit("noisy", 0.0) == 0
    assert limiter.admit("never heard", 0.0) == 0
    assert limiter.admit("never heard", 0.5) is None
    assert limiter.admit("never heard", 1.0) == 1


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bucket = Bucket(Rate(1.0, 1), 0.0, 100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(50.5)


@given(st.lists(st.floats(0, 100), max_size=200).map(sorted))
def test_no_more_than_burst_plus_rate_times_time_ever_passes(times: list[float]) -> None:
    limiter = Limiter(Rate(2.0, 5), PLENTY)
    passed = [now for now in times if limiter.admit("r", now) is not None]
    span = times[-1] - times[0] if times else 0.0
    assert len(passed) <= 5 + 2.0 * span + 1e-6


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200).map(sorted))
def test_every_alert_is_either_passed_or_counted_exactly_once(times: list[float]) -> None:
    limiter = Limiter(Rate(2.0, 5), PLENTY)
    answers = [limiter.admit("r", now) for now in times]
    told = sum(1 + held for held in answers if held is not None)
    untold = len(times) - told
    assert untold == 0 or answers[-untold:] == [None] * untold


def test_a_tally_is_told_at_once_and_then_at_most_every_thirty_seconds() -> None:
    tally = Tally(30.0)
    assert tally.due(0, 0.0) == 0
    assert tally.due(5, 1.0) == 5
    assert tally.due(9, 30.0) == 0
    assert tally.due(9, 31.0) == 4
    assert tally.due(9, 100.0) == 0
