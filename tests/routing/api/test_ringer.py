import queue
import threading

import redis
from structlog.testing import capture_logs

from routing.api.ringer import FEW, MANY, MANY_ALERTS, Ringer, gap_after, wake_router


class Rung:
    """Counts rings; each can be held up."""

    def __init__(self) -> None:
        self.count = 0
        self.entered = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def __call__(self) -> None:
        self.count += 1
        self.entered.set()
        assert self.open.wait(10)


def test_rings_during_a_ring_are_one():
    rung = Rung()
    rung.open.clear()
    ringer = Ringer(rung, gap=lambda alerts: 0.0)
    ringer.start()
    ringer.ring(1)
    assert rung.entered.wait(10)
    for _ in range(100):
        ringer.ring(1)
    rung.open.set()
    ringer.stop()
    assert rung.count == 2


def test_the_more_come_the_longer_the_next_ring_gathers():
    asked: queue.Queue[int] = queue.Queue()
    go_on = threading.Semaphore(0)

    def gap(alerts: int) -> float:
        asked.put(alerts)
        assert go_on.acquire(timeout=10)
        return 0.0

    ringer = Ringer(lambda: None, gap)
    ringer.start()
    ringer.ring(1)
    assert asked.get(timeout=10) == 1
    for _ in range(2):
        ringer.ring(MANY_ALERTS // 2)
    go_on.release()
    assert asked.get(timeout=10) == MANY_ALERTS
    go_on.release()
    ringer.stop()
    assert (gap_after(1), gap_after(MANY_ALERTS)) == (FEW, MANY)


def test_a_failing_ring_does_not_stop_the_next():
    rung = Rung()

    def fail_once() -> None:
        rung()
        if rung.count == 1:
            raise ValueError("no")

    ringer = Ringer(fail_once, gap=lambda alerts: 0.0)
    ringer.start()
    ringer.ring(1)
    assert rung.entered.wait(10)
    rung.entered.clear()
    ringer.ring(1)
    assert rung.entered.wait(10)
    ringer.stop()
    assert rung.count >= 2


def test_the_router_is_asked_once_while_the_message_waits(settings):
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("route")
        for _ in range(5):
            wake_router()
        assert client.llen("route") == 1
        client.delete("route")


def test_without_a_broker_it_is_logged_and_goes_on(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    with capture_logs() as lines:
        wake_router()
    assert [line["event"] for line in lines] == ["router_not_woken"]
