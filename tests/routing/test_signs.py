from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from routing import signs
from routing.signs import Part

NOW = timezone.now()


@pytest.fixture(autouse=True)
def nobody_heard() -> None:
    cache.clear()


def test_who_left_a_sign_was_heard_then() -> None:
    signs.leave(Part.WORKER, NOW)
    assert signs.heard() == {Part.WORKER: NOW}


@pytest.mark.parametrize(
    ("beat", "worker", "silent"), [(0, 0, None), (61, 0, "beat"), (0, 61, "worker"), (61, 61, "beat")]
)
def test_the_first_that_is_silent_for_a_minute_is_named(beat: int, worker: int, silent: str | None) -> None:
    signs.leave(Part.BEAT, NOW - timedelta(seconds=beat))
    signs.leave(Part.WORKER, NOW - timedelta(seconds=worker))
    assert signs.silent(signs.heard(), (Part.BEAT, Part.WORKER), NOW) == silent


def test_who_never_left_a_sign_is_silent() -> None:
    assert signs.silent({}, (Part.BEAT,), NOW) is Part.BEAT


def test_without_redis_leaving_a_sign_is_only_logged_and_nobody_can_be_heard(
    settings: Any, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    location = f"unix://{tmp_path}/nothing.sock"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}}
    signs.leave(Part.WORKER, NOW)
    assert "sign_not_left" in caplog.text
    with pytest.raises(signs.Unreachable):
        signs.heard()
