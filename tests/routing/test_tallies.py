import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings as configured

from routing import broker, tallies
from routing.tallies import Counter, Timing


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Counts of the test's own, under a key of its own, carried only when it says so."""
    monkeypatch.setattr(tallies, "KEPT_UNDER", "tallies-test")
    monkeypatch.setattr(tallies, "EVERY_SECONDS", 3600.0)
    monkeypatch.setattr(tallies, "_sums", tallies._Sums())
    client = broker.client(configured.REDIS_URL)
    client.delete("tallies-test")
    yield
    client.delete("tallies-test")


def test_what_two_processes_count_is_one_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Counter("seen_total", "Seen.", ("by",))
    seen.add(2, "web")
    tallies.flush()
    monkeypatch.setattr(tallies, "_sums", tallies._Sums())
    seen.add(3, "web")
    seen.add(1, "worker")
    tallies.flush()
    assert tallies.read() == {"seen_total": {("web",): {"": 5.0}, ("worker",): {"": 1.0}}}


def test_what_is_carried_is_carried_once() -> None:
    Counter("seen_total", "Seen.").add()
    tallies.flush()
    tallies.flush()
    assert tallies.read()["seen_total"] == {(): {"": 1.0}}


def test_what_redis_took_without_being_heard_is_not_added_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = broker.client(configured.REDIS_URL)

    class Deaf:
        """Does what it is told, and loses the answer."""

        def eval(self, *args: Any) -> None:
            client.eval(*args)
            raise redis.TimeoutError

    seen = Counter("seen_total", "Seen.")
    seen.add()
    with monkeypatch.context() as patch:
        patch.setattr(broker, "client", lambda url: Deaf())
        tallies.flush()
    seen.add()
    tallies.flush()
    assert tallies.read()["seen_total"] == {(): {"": 2.0}}


def test_what_redis_does_not_take_is_carried_later(settings: Any, tmp_path: Any, caplog: Any) -> None:
    there = settings.REDIS_URL
    seen = Counter("seen_total", "Seen.")
    seen.add()
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    tallies.flush()
    tallies.flush()
    seen.add()
    assert caplog.text.count("tallies_not_carried") == 1
    with pytest.raises(redis.RedisError):
        tallies.read()
    settings.REDIS_URL = there
    tallies.flush()
    assert tallies.read()["seen_total"] == {(): {"": 2.0}}


def test_a_thread_carries_what_was_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    carried, carry = threading.Event(), tallies._Sums.flush

    def flush(self: tallies._Sums) -> None:
        carry(self)
        if tallies.read():
            carried.set()

    monkeypatch.setattr(tallies._Sums, "flush", flush)
    monkeypatch.setattr(tallies, "EVERY_SECONDS", 0.01)
    Counter("seen_total", "Seen.").add()
    assert carried.wait(10)
    assert tallies.read() == {"seen_total": {(): {"": 1.0}}}


@pytest.mark.parametrize(
    ("seconds", "bound"),
    [(-1, "0.005"), (0, "0.005"), (0.005, "0.005"), (0.0051, "0.01"), (3600, "3600.0"), (1e9, "+Inf")],
)
def test_a_duration_counts_below_its_bound(seconds: float, bound: str) -> None:
    took = Timing("took_seconds", "Took.")
    took.add(seconds)
    tallies.flush()
    assert tallies.read()["took_seconds"] == {(): {bound: 1.0, "sum": max(0.0, seconds)}}


def test_many_durations_are_counted_at_once() -> None:
    Timing("took_seconds", "Took.", ("by",)).add_all([0.1, 0.2, 0.2], "web")
    Timing("took_seconds", "Took.", ("by",)).add_all([], "nobody")
    tallies.flush()
    assert tallies.read()["took_seconds"] == {("web",): {"0.1": 1.0, "0.25": 2.0, "sum": pytest.approx(0.5)}}


def test_more_labels_than_bearable_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "MOST_SERIES", 2)
    seen = Counter("seen_total", "Seen.", ("by",))
    for name in ("a", "b", "c", "d", "a"):
        seen.add(1, name)
    tallies.flush()
    assert tallies.read()["seen_total"] == {("a",): {"": 2.0}, ("b",): {"": 1.0}, ("other",): {"": 2.0}}


def test_a_tally_takes_as_many_labels_as_it_names() -> None:
    with pytest.raises(ValueError, match="has the labels by"):
        Counter("seen_total", "Seen.", ("by",)).add()


FORKED = """
import os, sys
from django.conf import settings
settings.configure(REDIS_URL=sys.argv[1])
from routing import tallies
tallies.KEPT_UNDER = "tallies-test"
seen = tallies.Counter("seen_total", "Seen.", ("by",))
seen.add(1, "parent")
if (child := os.fork()) == 0:
    seen.add(1, "child")
    tallies.flush()
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_forked_process_counts_for_itself_and_what_is_left_at_the_end_is_carried(settings: Any) -> None:
    subprocess.run([sys.executable, "-c", FORKED, settings.REDIS_URL], cwd=settings.BASE_DIR, check=True, timeout=60)
    assert tallies.read() == {"seen_total": {("parent",): {"": 1.0}, ("child",): {"": 1.0}}}
