"""Waiting for what the product does in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], seconds: float, why: str) -> Found:
    """The first true thing that `look` finds; fails with `why` after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < until, f"not within {seconds} s: {why}"
        time.sleep(0.02)
