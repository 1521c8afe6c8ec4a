"""What the raw paths ask of Django, in threads of their own: the event loop never waits for the database."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
R = TypeVar("R")

THREADS = 4


class Threads:
    """A few threads with database connections that are kept while they work."""

    def __init__(self, count: int = THREADS) -> None:
        self._executor = ThreadPoolExecutor(count, "raw")

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function that may use the database; what it raises is raised."""

        def call() -> R:
            close_old_connections()
            try:
                return function(*args, **kwargs)
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def stop(self) -> None:
        """Ends the threads; what has not begun is dropped."""
        self._executor.shutdown(wait=False, cancel_futures=True)
