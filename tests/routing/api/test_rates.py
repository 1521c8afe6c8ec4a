import pytest

from routing.api.rates import Rates


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(settings) -> Clock:
    settings.INGEST_RATE, settings.INGEST_BURST = 10, 100
    return Clock()


def test_a_burst_is_let_in_and_then_the_rate(clock: Clock):
    rates = Rates(clock)
    for _ in range(100):
        assert rates.enter(1) == 0.0
    assert rates.enter(1) == pytest.approx(0.1)
    clock.now += 0.1
    assert rates.enter(1) == 0.0
    assert rates.enter(1) > 0


def test_a_large_post_is_taken_whole_and_waited_for_afterwards(clock: Clock):
    rates = Rates(clock)
    assert rates.enter(1) == 0.0
    rates.spend(1, 199)
    assert rates.enter(1) == pytest.approx(10.1)
    clock.now += 10.0
    assert rates.enter(1) == pytest.approx(0.1)
    clock.now += 0.1
    assert rates.enter(1) == 0.0


def test_who_was_quiet_for_long_has_the_burst_and_not_more(clock: Clock):
    rates = Rates(clock)
    rates.spend(1, 50)
    clock.now += 3_600
    rates.spend(1, 100)
    assert rates.enter(1) > 0


def test_one_token_does_not_use_up_what_another_may_post(clock: Clock):
    rates = Rates(clock)
    rates.spend(1, 1_000)
    assert rates.enter(1) > 0
    assert rates.enter(2) == 0.0


def test_an_empty_post_counts_only_itself(clock: Clock):
    rates = Rates(clock)
    rates.spend(1, 99)
    rates.enter(1)
    rates.spend(1, -1)
    assert rates.enter(1) > 0


@pytest.mark.parametrize("rate", [0, -1])
def test_without_a_rate_there_is_no_limit(clock: Clock, settings, rate: int):
    settings.INGEST_RATE = rate
    rates = Rates(clock)
    rates.spend(1, 1_000_000)
    assert rates.enter(1) == 0.0
