"""What another process does at the same time: a thread with a database connection of its own."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from django.db import connection

Result = TypeVar("Result")
WAIT = 20.0
"""Seconds until a test that waits for another thread gives up."""


def elsewhere(job: Callable[..., Result], *args: Any) -> "Future[Result]":
    """Starts a job in a thread; ask for its result, or what it raised, within `WAIT`."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            result = job(*args)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            connection.close()

    threading.Thread(target=run, daemon=True).start()
    return future


def until_somebody_waits(future: "Future[Any]") -> None:
    """Returns once another connection waits for a lock of PostgreSQL's, or the job has ended without."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] or future.done():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")
