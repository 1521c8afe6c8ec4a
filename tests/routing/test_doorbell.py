import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from routing import doorbell, metrics
from routing.broker import client
from routing.management import valkey
from tests.tallied import tallied

HEARD = 10.0
"""Longer than any ring takes: these tests wait for events, not for time."""
NOT_HEARD = 0.1


class Broker:
    """A Valkey of its own, which a test may end and start again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = f"unix://{valkey.socket_path(directory)}"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(valkey.command(self.directory), stdout=subprocess.DEVNULL)
        with redis.Redis.from_url(self.url) as client:
            for _ in range(200):
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    time.sleep(0.02)
        raise RuntimeError("no broker")

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def subscribers(self) -> int:
        with redis.Redis.from_url(self.url) as client:
            return len([one for one in client.client_list() if int(one["sub"]) > 0])


@pytest.fixture
def broker(tmp_path: Path, settings) -> Iterator[Broker]:
    started = Broker(tmp_path)
    settings.REDIS_URL = started.url
    yield started
    client(started.url).close()
    started.end()


async def ring(*topics: str) -> None:
    await asyncio.to_thread(doorbell.ring, *topics)


@pytest.mark.usefixtures("broker")
def test_a_ring_is_heard_by_those_who_listen_for_its_topic():
    async def scenario() -> None:
        async with doorbell.listen("runs") as runs, doorbell.listen("alerts", "runs") as both:
            await ring("alerts")
            assert await both.heard(HEARD) == {"alerts"}
            await ring("runs", "sensors")
            assert await runs.heard(HEARD) == {"runs"}
            assert await both.heard(HEARD) == {"runs"}
            assert await both.heard(NOT_HEARD) == set()

    asyncio.run(scenario())


@pytest.mark.usefixtures("broker")
def test_rings_that_come_close_together_are_heard_as_one():
    async def scenario() -> None:
        async with doorbell.listen("alerts") as busy, doorbell.listen("runs") as last:
            for _ in range(50):
                await ring("alerts")
            await ring("runs")
            await last.heard(HEARD)
            assert await busy.heard(HEARD) == {"alerts"}
            assert await busy.heard(NOT_HEARD) == set()

    asyncio.run(scenario())


def test_two_hundred_listeners_share_one_connection(broker: Broker):
    async def scenario() -> None:
        listeners = [doorbell.listen("alerts") for _ in range(200)]
        await asyncio.gather(*(listener.__aenter__() for listener in listeners))
        assert await asyncio.to_thread(broker.subscribers) == 1
        await ring("alerts")
        assert all(await asyncio.gather(*(listener.heard(HEARD) for listener in listeners)))
        for listener in listeners:
            await listener.__aexit__(None, None, None)

    asyncio.run(scenario())


def test_a_restarted_server_is_found_again_and_everything_may_have_been_missed(broker: Broker):
    async def scenario() -> None:
        async with doorbell.listen("alerts", "runs") as listener:
            await asyncio.to_thread(broker.end)
            await asyncio.to_thread(broker.start)
            assert await listener.heard(HEARD) == {"alerts", "runs"}
            await ring("runs")
            assert await listener.heard(HEARD) == {"runs"}

    asyncio.run(scenario())


def test_without_a_server_ringing_is_logged_counted_and_quick(settings, tmp_path):
    there, before = settings.REDIS_URL, tallied(metrics.DOORBELL_FAILURES)
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    with capture_logs() as lines:
        doorbell.ring("alerts")
    settings.REDIS_URL = there
    assert [line["event"] for line in lines] == ["ring_failed"]
    assert tallied(metrics.DOORBELL_FAILURES) == before + 1


def test_a_server_that_hangs_delays_a_ring_by_seconds_at_most(settings):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        started = time.monotonic()
        doorbell.ring("alerts")
        assert time.monotonic() - started < 5 * doorbell.TIMEOUT
        client(settings.REDIS_URL).close()


def test_without_a_server_listening_waits_its_time_and_ends(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(doorbell, "TIMEOUT", 0.05)
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"

    async def scenario() -> None:
        async with doorbell.listen("alerts") as listener:
            assert await listener.heard(NOT_HEARD) == set()

    asyncio.run(scenario())


@pytest.mark.parametrize("use", [doorbell.ring, doorbell.listen])
def test_a_topic_that_nobody_knows_is_a_mistake(use):
    with pytest.raises(ValueError, match="is not a topic"):
        use("alarms")


def test_another_installation_on_the_same_server_is_not_heard(settings: Any) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as asked, asked.pubsub() as other:
        db = asked.get_connection_kwargs().get("db", 0)
        other.subscribe(f"doorbell:{db + 1}:alerts", f"doorbell:{db}:alerts")
        doorbell.ring("alerts")
        while (message := other.get_message(timeout=10)) and message["type"] == "subscribe":
            pass
        assert message
        assert message["channel"] == f"doorbell:{db}:alerts".encode()
        assert other.get_message() is None
