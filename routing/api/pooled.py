"""Django on a pool of threads that stay.

Django's own ASGI entry makes a thread context for every request, hence threads that come and go with each.
Here a request borrows one of a few threads for its whole life; database connections stay with the threads.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import ThreadSensitiveContext

from routing.api.wire import App, Receive, Scope, Send


class Pooled:
    """An ASGI app that serves `app` on `threads` threads; requests beyond that wait for their turn."""

    def __init__(self, app: App, threads: int) -> None:
        self._app = app
        self._free = deque(ThreadPoolExecutor(1, f"django-{number}") for number in range(threads))
        self._turn = asyncio.Semaphore(threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._turn:
            # The most recently used first: its caches are warm, and idle ones stay idle.
            executor = self._free.pop()
            try:
                async with ThreadSensitiveContext(executor=executor):
                    await self._app(scope, receive, send)
            finally:
                self._free.append(executor)
