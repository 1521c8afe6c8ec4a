"""An ASGI application under a real event loop in a thread of its own, and a client for it."""

import asyncio
import queue
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from routing.api.wire import App

TIMEOUT = 30.0
T = TypeVar("T")


@dataclass
class Answer:
    """A whole response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return orjson.loads(self.body)


class Stream:
    """A response that goes on: `read` gives its next piece, None at its end; `leave` closes the connection."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.pieces: queue.Queue[bytes | None] = queue.Queue()
        self.left = asyncio.Event()

    def read(self, seconds: float = TIMEOUT) -> bytes | None:
        """Raises queue.Empty where nothing comes in time."""
        return self.pieces.get(timeout=seconds)


class Client:
    """Requests to the application, from the test's thread; each may be one of many at a time."""

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Sequence[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        *,
        host: str = "127.0.0.1",
    ) -> Answer:
        """One request; a sequence of bodies arrives chunk by chunk."""
        chunks = [body] if isinstance(body, bytes) else list(body)
        return asyncio.run_coroutine_threadsafe(
            self._request(method, path, chunks, {"host": host, **(headers or {})}), self._loop
        ).result(TIMEOUT)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, data: Any, token: str = "", **headers: str) -> Answer:
        """Post bytes as they are, everything else as JSON."""
        body = data if isinstance(data, bytes) else orjson.dumps(data)
        given = {"authorization": f"Bearer {token}"} if token else {}
        return self.request("POST", path, body, given | {name.replace("_", "-"): headers[name] for name in headers})

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Something on the application's own event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(TIMEOUT)

    @contextmanager
    def stream(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Iterator[Stream]:
        """A request whose answer takes its time; the client leaves at the end of the block."""
        stream = Stream()
        scope = _scope(method, path, {"host": "127.0.0.1", **(headers or {})})
        task = asyncio.run_coroutine_threadsafe(self._serve(scope, [body], stream), self._loop)
        try:
            yield stream
        finally:
            self._loop.call_soon_threadsafe(stream.left.set)
            task.result(TIMEOUT)

    async def _request(self, method: str, path: str, chunks: list[bytes], headers: dict[str, str]) -> Answer:
        stream = Stream()
        await self._serve(_scope(method, path, headers), chunks, stream)
        return stream.answer

    async def _serve(self, scope: dict[str, Any], chunks: list[bytes], stream: Stream) -> None:
        waiting = [
            {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
            for number, chunk in enumerate(chunks, 1)
        ]
        answer = stream.answer

        async def receive() -> dict[str, Any]:
            if waiting:
                return waiting.pop(0)
            await stream.left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
                return
            if piece := message.get("body", b""):
                answer.body += piece
                stream.pieces.put(piece)
            if not message.get("more_body", False):
                stream.left.set()
                stream.pieces.put(None)

        await self._app(scope, receive, send)


def _scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }


@contextmanager
def serving(app: App) -> Iterator[Client]:
    """The application between its lifespan's start-up and shutdown."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="asgi")
    thread.start()
    try:
        stop, stopped = asyncio.run_coroutine_threadsafe(_start(app), loop).result(TIMEOUT)
        try:
            yield Client(app, loop)
        finally:
            loop.call_soon_threadsafe(stop.set)
            asyncio.run_coroutine_threadsafe(_wait(stopped), loop).result(TIMEOUT)
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_the_rest(), loop).result(TIMEOUT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TIMEOUT)
        loop.close()


async def _start(app: App) -> "tuple[asyncio.Event, asyncio.Task[None]]":
    started, stop = asyncio.Event(), asyncio.Event()
    messages = iter(("lifespan.startup", "lifespan.shutdown"))

    async def receive() -> dict[str, Any]:
        if (message := next(messages)) == "lifespan.shutdown":
            await stop.wait()
        return {"type": message}

    async def send(message: Any) -> None:
        started.set()

    task = asyncio.create_task(app({"type": "lifespan"}, receive, send))
    await started.wait()
    return stop, task


async def _wait(task: "asyncio.Task[None]") -> None:
    await task


async def _cancel_the_rest() -> None:
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
