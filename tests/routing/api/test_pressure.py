import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from routing.api.in_threads import Threads
from routing.api.pressure import COUNT_EVERY, Pressure


class Queue:
    """Stands for the alerts that wait; counts how often it is counted."""

    def __init__(self) -> None:
        self.length = 0
        self.asked: list[int] = []
        self.broken = False
        self.countable = threading.Event()
        self.countable.set()
        self.now = 100.0

    def count(self, at_most: int) -> int:
        self.asked.append(at_most)
        assert self.countable.wait(10)
        if self.broken:
            raise OSError("no database")
        return min(self.length, at_most)


@pytest.fixture
def queue(settings) -> Queue:
    settings.INGEST_MAX_BACKLOG = 10
    return Queue()


def run(queue: Queue, scenario: Callable[[Pressure], Awaitable[None]]) -> None:
    threads = Threads(1, "pressure")
    try:
        asyncio.run(scenario(Pressure(threads, queue.count, lambda: queue.now)))
    finally:
        threads.stop()


async def counted(pressure: Pressure) -> bool:
    """The answer after the count that was started is done."""
    pressure.is_high()
    while pressure._counting is not None:
        await asyncio.wait([pressure._counting])
        await asyncio.sleep(0)
    return pressure.is_high()


def test_posts_are_refused_above_the_limit_and_taken_again_below(queue: Queue):
    async def scenario(pressure: Pressure) -> None:
        for length, high in ((10, False), (11, True), (5_000_000, True), (10, False)):
            queue.length = length
            queue.now += COUNT_EVERY
            assert await counted(pressure) is high

    run(queue, scenario)
    assert set(queue.asked) == {11}, "counted no further than needed"


def test_it_is_counted_every_two_seconds_however_many_posts_there_are(queue: Queue):
    async def scenario(pressure: Pressure) -> None:
        for _ in range(100):
            await counted(pressure)
        queue.now += COUNT_EVERY
        await counted(pressure)

    run(queue, scenario)
    assert len(queue.asked) == 2


def test_no_post_waits_for_the_count_and_a_slow_one_is_not_started_twice(queue: Queue):
    async def scenario(pressure: Pressure) -> None:
        queue.countable.clear()
        for _ in range(5):
            assert not pressure.is_high()
            queue.now += COUNT_EVERY
            await asyncio.sleep(0)
        counting = pressure._counting
        assert counting is not None
        queue.countable.set()
        await asyncio.wait([counting])
        assert len(queue.asked) == 1

    run(queue, scenario)


def test_what_takes_long_to_count_is_counted_less_often(queue: Queue):
    async def scenario(pressure: Pressure) -> None:
        queue.countable.clear()
        pressure.is_high()
        queue.now += 1.0
        queue.countable.set()
        await counted(pressure)
        for seconds, times in ((COUNT_EVERY, 1), (17.9, 1), (0.1, 2)):
            queue.now += seconds
            await counted(pressure)
            assert len(queue.asked) == times

    run(queue, scenario)


def test_a_count_that_fails_refuses_nobody_and_says_so(queue: Queue):
    async def scenario(pressure: Pressure) -> None:
        queue.length = 11
        assert await counted(pressure)
        queue.broken = True
        queue.now += COUNT_EVERY
        with capture_logs() as lines:
            assert not await counted(pressure)
        assert [line["event"] for line in lines] == ["backlog_not_counted"]

    run(queue, scenario)


def test_without_a_limit_nothing_is_counted(queue: Queue, settings):
    settings.INGEST_MAX_BACKLOG = 0

    async def scenario(pressure: Pressure) -> None:
        assert not await counted(pressure)

    run(queue, scenario)
    assert queue.asked == []
