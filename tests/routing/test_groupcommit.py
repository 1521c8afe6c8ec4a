import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

import pytest
from django.db import InterfaceError, OperationalError

from routing.admission import Row, Sender, admit
from routing.groupcommit import GATHER_ALERTS, QUEUE_ALERTS, Full, Store, Unavailable, Writer
from routing.ingest import Outcome
from tests import build

SENDER = Sender(1, "node-1", "sensor", "node-1")


def rows(count: int) -> list[Row]:
    return [admit(build.posted(), SENDER)] * count


class Storage:
    """Stands for the database: remembers its groups; can be told to wait, and to fail."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.error: Exception | None = None

    def store(self, rows: Sequence[Row], now: datetime) -> list[Outcome]:
        self.entered.set()
        assert self.open.wait(10)
        if self.error is not None:
            raise self.error
        self.groups.append(len(rows))
        return [Outcome.ACCEPTED] * len(rows)

    def after_commit(self, now: datetime) -> None:
        pass


def with_writer(store: Store, scenario: Callable[[Writer], object], ring=lambda alerts: None, threads: int = 1) -> None:
    """Runs a scenario against a writer that is started before and stopped after it."""
    writer = Writer([store] * threads, ring)
    writer.start()
    try:
        asyncio.run(scenario(writer))
    finally:
        writer.stop()


async def occupied(storage: Storage, writer: Writer) -> "asyncio.Task[list[Outcome]]":
    """A post that keeps the writer busy until the storage opens."""
    storage.open.clear()
    task = asyncio.create_task(writer.store(rows(1)))
    await asyncio.to_thread(storage.entered.wait, 10)
    return task


def test_posts_that_come_together_share_a_commit_and_each_gets_its_own_outcomes():
    storage = Storage()

    async def scenario(writer: Writer) -> None:
        outcomes = await asyncio.gather(*(writer.store(rows(count)) for count in (1, 2, 3)))
        assert [len(each) for each in outcomes] == [1, 2, 3]

    with_writer(storage, scenario)
    assert storage.groups == [6]


def test_posts_that_come_during_a_commit_share_the_next_one():
    storage = Storage()

    async def scenario(writer: Writer) -> None:
        first = await occupied(storage, writer)
        others = [asyncio.create_task(writer.store(rows(1))) for _ in range(50)]
        await asyncio.sleep(0)
        storage.open.set()
        await asyncio.gather(first, *others)

    with_writer(storage, scenario)
    assert storage.groups == [1, 50]


def test_while_one_thread_commits_another_gathers_and_commits_too():
    storage = Storage()

    async def scenario(writer: Writer) -> None:
        first = await occupied(storage, writer)
        storage.entered.clear()
        second = [asyncio.create_task(writer.store(rows(1))) for _ in range(3)]
        await asyncio.to_thread(storage.entered.wait, 10)
        third = [asyncio.create_task(writer.store(rows(1))) for _ in range(5)]
        await asyncio.sleep(0)
        storage.open.set()
        await asyncio.gather(first, *second, *third)

    with_writer(storage, scenario, threads=2)
    assert sorted(storage.groups) == [1, 3, 5]


def test_a_group_is_bounded_and_a_larger_post_goes_alone():
    storage = Storage()

    async def scenario(writer: Writer) -> None:
        first = await occupied(storage, writer)
        others = [asyncio.create_task(writer.store(rows(size))) for size in (600, 600, 5_000, 300)]
        await asyncio.sleep(0)
        storage.open.set()
        await asyncio.gather(first, *others)

    with_writer(storage, scenario)
    assert storage.groups == [1, 600, 600, 5_000, 300]
    assert GATHER_ALERTS == 1_000


def test_a_full_queue_refuses_at_once_and_takes_again_when_it_is_emptied():
    storage = Storage()

    async def scenario(writer: Writer) -> None:
        first = await occupied(storage, writer)
        waiting = asyncio.create_task(writer.store(rows(QUEUE_ALERTS)))
        await asyncio.sleep(0)
        with pytest.raises(Full):
            await writer.store(rows(1))
        storage.open.set()
        await asyncio.gather(first, waiting)
        assert await writer.store(rows(1)) == [Outcome.ACCEPTED]

    with_writer(storage, scenario)


def test_a_post_larger_than_the_queue_fits_into_an_empty_one():
    async def scenario(writer: Writer) -> None:
        assert len(await writer.store(rows(QUEUE_ALERTS + 1))) == QUEUE_ALERTS + 1

    with_writer(Storage(), scenario)


def test_a_failing_database_fails_every_post_of_the_group_and_no_later_one():
    storage = Storage()

    async def scenario(writer: Writer) -> None:
        storage.error = ConnectionError("gone")
        failed = await asyncio.gather(*(writer.store(rows(1)) for _ in range(3)), return_exceptions=True)
        assert [type(error) for error in failed] == [Unavailable] * 3
        storage.error = None
        assert await writer.store(rows(1)) == [Outcome.ACCEPTED]

    with_writer(storage, scenario)


@pytest.mark.parametrize("lost", [OperationalError, InterfaceError])
def test_a_connection_that_was_lost_meanwhile_costs_no_post(lost: type[Exception]):
    class Restarted(Storage):
        """Its first connection is one from before."""

        def store(self, rows: Sequence[Row], now: datetime) -> list[Outcome]:
            if not self.entered.is_set():
                self.entered.set()
                raise lost("closed")
            return super().store(rows, now)

    async def scenario(writer: Writer) -> None:
        assert await writer.store(rows(2)) == [Outcome.ACCEPTED] * 2

    with_writer(Restarted(), scenario)


def test_a_follow_up_that_fails_does_not_stop_the_line():
    storage = Storage()

    def fail() -> None:
        raise ValueError("no")

    async def scenario(writer: Writer) -> None:
        for _ in range(3):
            assert await writer.store(rows(1)) == [Outcome.ACCEPTED]

    with_writer(storage, scenario, fail)


def test_a_client_that_leaves_harms_nobody_else():
    storage = Storage()

    async def scenario(writer: Writer) -> None:
        first = await occupied(storage, writer)
        leaving = asyncio.create_task(writer.store(rows(1)))
        staying = asyncio.create_task(writer.store(rows(1)))
        await asyncio.sleep(0)
        leaving.cancel()
        storage.open.set()
        assert await staying == [Outcome.ACCEPTED]
        await first

    with_writer(storage, scenario)
    assert storage.groups == [1, 2]


def test_stopping_stores_what_waits_and_refuses_what_comes_later():
    storage = Storage()

    async def scenario(writer: Writer) -> None:
        first = await occupied(storage, writer)
        waiting = asyncio.create_task(writer.store(rows(4)))
        await asyncio.sleep(0)
        stopping = asyncio.create_task(asyncio.to_thread(writer.stop))
        while True:
            try:
                await asyncio.wait_for(writer.store(rows(1)), 0.01)
            except Unavailable:
                break
            except TimeoutError:
                continue
        storage.open.set()
        assert await waiting == [Outcome.ACCEPTED] * 4
        await asyncio.gather(first, stopping)

    with_writer(storage, scenario)


def test_answers_for_an_event_loop_that_has_ended_are_dropped():
    storage = Storage()

    async def post_and_leave(writer: Writer) -> None:
        task = await occupied(storage, writer)
        task.cancel()

    async def scenario(writer: Writer) -> None:
        await asyncio.to_thread(asyncio.run, post_and_leave(writer))
        storage.open.set()
        assert await writer.store(rows(1)) == [Outcome.ACCEPTED]

    with_writer(storage, scenario)


def test_it_is_well_until_one_of_its_threads_ends_that_should_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)

    class Broken(Storage):
        def store(self, rows: Sequence[Row], now: datetime) -> list[Outcome]:
            raise SystemExit

    async def scenario(writer: Writer) -> None:
        assert writer.well
        lost = asyncio.ensure_future(writer.store(rows(1)))
        await asyncio.to_thread(ended, writer)
        lost.cancel()
        assert not writer.well

    def ended(writer: Writer) -> None:
        while len(alive := [thread for thread in writer._threads if thread.is_alive()]) == 2:
            alive[0].join(0.05)

    with_writer(Broken(), scenario, threads=2)


def test_it_is_well_while_it_stops():
    writer = Writer([Storage()], lambda alerts: None)
    writer.start()
    writer.stop()
    assert writer.well
