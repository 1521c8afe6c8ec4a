from datetime import timedelta

import pytest

from routing import backoff

ROLLS = (0.0, 0.25, 0.5, 0.999)


def total(paging: bool, roll: float) -> timedelta:
    tries = range(1, backoff.most_attempts(paging))
    return sum((backoff.after_trouble(n, paging, None, roll) for n in tries), timedelta())


def test_on_average_a_delivery_is_tried_for_about_three_days() -> None:
    assert timedelta(days=2.5) < total(False, 0.5) < timedelta(days=3.5)


def test_a_page_is_given_up_on_after_hours() -> None:
    assert timedelta(hours=3) < total(True, 0.5) < timedelta(hours=7)


@pytest.mark.parametrize("paging", [False, True])
def test_waits_are_anywhere_between_a_second_and_a_growing_ceiling(paging: bool) -> None:
    for attempts in range(1, 30):
        waits = [backoff.after_trouble(attempts, paging, None, roll) for roll in ROLLS]
        assert waits == sorted(waits)
        assert timedelta(seconds=1) <= waits[0]
        assert waits[-1] < timedelta(days=1)


@pytest.mark.parametrize("roll", ROLLS)
@pytest.mark.parametrize("asked", [0.0, 1.0, 30.0, 3600.0, 86_400.0])
def test_a_receiver_is_not_asked_before_the_time_it_named(asked: float, roll: float) -> None:
    wait = backoff.after_trouble(1, False, asked, roll).total_seconds()
    assert asked <= wait <= asked + 10


@pytest.mark.parametrize("asked", [0.0, 30.0, 3600.0])
def test_not_everybody_asks_again_at_the_time_it_named(asked: float) -> None:
    waits = [backoff.after_trouble(5, False, asked, roll).total_seconds() for roll in ROLLS]
    assert len(set(waits)) == len(ROLLS)
    assert waits[-1] - waits[0] == pytest.approx(0.999 * max(1.0, asked / 4))
    assert backoff.after_trouble(1, False, 3600.0, 0.999) < timedelta(seconds=3610)


def test_a_receiver_that_pages_names_a_quarter_of_an_hour_at_most() -> None:
    assert backoff.after_trouble(1, True, 86_400.0, 0.0) == timedelta(minutes=15)
    assert backoff.after_trouble(1, True, 60.0, 0.0) == timedelta(minutes=1)


def test_refused_credentials_are_tried_slowly() -> None:
    assert backoff.after_refused_credentials(0.0) == timedelta(minutes=15)
    assert backoff.after_refused_credentials(0.999) < timedelta(hours=1)


def test_the_breaker_opens_at_the_fifth_failure_for_at_most_five_minutes() -> None:
    assert [backoff.breaker_pause(failures, 0.1) for failures in range(5)] == [None] * 5
    assert backoff.breaker_pause(5, 0.1) == timedelta(seconds=15)
    assert backoff.breaker_pause(6, 0.1) == timedelta(seconds=30)
    assert backoff.breaker_pause(1_000_000, 0.1) == timedelta(minutes=5)


def test_a_failure_that_took_long_opens_the_breaker_at_once() -> None:
    assert backoff.breaker_pause(1, backoff.LONG) == timedelta(seconds=15)
    assert backoff.breaker_pause(3, 15.0) == timedelta(minutes=1)
    assert backoff.breaker_pause(9, 15.0) == timedelta(minutes=5)
