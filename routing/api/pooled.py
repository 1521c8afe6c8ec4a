"""Django on threads that stay.

Django's own ASGI entry makes a thread context for every request, hence threads that come and go with each.
Here a request borrows a thread for its whole life.
"""

from asgiref.sync import ThreadSensitiveContext
from structlog.contextvars import bound_contextvars

from routing.api import request_ids
from routing.api.in_threads import Threads
from routing.api.wire import App, Message, Receive, Scope, Send


class Pooled:
    """An ASGI app that serves `app` on `threads`; a request beyond their number waits for its turn."""

    def __init__(self, app: App, threads: Threads) -> None:
        self._app = app
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"]).get(request_ids.HEADER, b"").decode("latin-1")
        request_id = request_ids.request_id(given)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (request_ids.HEADER, request_id.encode())]
            await send(message)

        with bound_contextvars(request_id=request_id):
            async with self._threads.borrowed() as executor, ThreadSensitiveContext(executor=executor):
                await self._app(scope, receive, named)
