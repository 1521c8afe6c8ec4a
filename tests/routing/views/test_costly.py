from collections.abc import Callable
from itertools import count

import pytest
import redis
from django.core.cache import cache

from routing.views import costly
from routing.views.costly import remembered


@pytest.fixture(autouse=True)
def empty() -> None:
    cache.clear()


def counting() -> Callable[[], int]:
    """How often it was called."""
    numbers = count(1)
    return lambda: next(numbers)


def test_what_was_dear_is_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costly, "CHEAP", -1.0)
    monkeypatch.setattr(costly, "SHARE", 1e-9)
    work_out = counting()
    assert [remembered("x", work_out) for _ in range(3)] == [1, 1, 1]


def test_what_is_cheap_is_always_new() -> None:
    work_out = counting()
    assert [remembered("x", work_out) for _ in range(3)] == [1, 2, 3]


def test_without_a_cache_it_is_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: object) -> object:
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(cache, "get", gone)
    monkeypatch.setattr(cache, "set", gone)
    monkeypatch.setattr(costly, "CHEAP", -1.0)
    work_out = counting()
    assert [remembered("x", work_out) for _ in range(2)] == [1, 2]
