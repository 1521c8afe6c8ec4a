import threading

import redis
from structlog.testing import capture_logs

from routing.api.ringer import Ringer, wake_router


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
    ringer = Ringer(rung, gap=0)
    ringer.start()
    ringer.ring()
    assert rung.entered.wait(10)
    for _ in range(100):
        ringer.ring()
    rung.open.set()
    ringer.stop()
    assert rung.count == 2


def test_a_failing_ring_does_not_stop_the_next():
    rung = Rung()

    def fail_once() -> None:
        rung()
        if rung.count == 1:
            raise ValueError("no")

    ringer = Ringer(fail_once, gap=0)
    ringer.start()
    ringer.ring()
    assert rung.entered.wait(10)
    rung.entered.clear()
    ringer.ring()
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
