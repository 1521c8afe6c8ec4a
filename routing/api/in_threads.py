"""Threads for what must not run on the event loop: everything that waits for the database."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections

P = ParamSpec("P")
R = TypeVar("R")


class Threads:
    """A fixed number of threads that stay, each with its own database connection; who finds none free waits."""

    def __init__(self, count: int, name: str) -> None:
        self._all = [ThreadPoolExecutor(1, f"{name}-{number}") for number in range(count)]
        self._free = deque(self._all)
        self._turn = asyncio.Semaphore(count)

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[Executor]:
        """One thread, for the caller alone."""
        async with self._turn:
            # The one used last: its caches are warm, and what is not needed stays idle.
            executor = self._free.pop()
            try:
                yield executor
            finally:
                self._free.append(executor)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function that may use the database; what it raises is raised."""

        def call() -> R:
            close_old_connections()
            try:
                return function(*args, **kwargs)
            finally:
                close_old_connections()

        async with self.borrowed() as executor:
            # What log lines say about the request is said in the thread, too.
            context = copy_context()
            return await asyncio.get_running_loop().run_in_executor(executor, context.run, call)

    def stop(self) -> None:
        """Lets each thread finish what it does, close its connection and end."""
        for executor in self._all:
            executor.submit(connections.close_all)
        for executor in self._all:
            executor.shutdown()
