"""Django on threads that stay.

Django's own ASGI entry makes a thread context for every request, hence threads that come and go with each.
Here a request borrows a thread for its whole life.
"""

from asgiref.sync import ThreadSensitiveContext

from routing.api.in_threads import Threads
from routing.api.wire import App, Receive, Scope, Send


class Pooled:
    """An ASGI app that serves `app` on `threads`; a request beyond their number waits for its turn."""

    def __init__(self, app: App, threads: Threads) -> None:
        self._app = app
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._threads.borrowed() as executor, ThreadSensitiveContext(executor=executor):
            await self._app(scope, receive, send)
