"""One request of the raw paths: what it says, its body within limits, and how it is answered.

Raw ASGI, because these paths carry every alert and Django's request costs more than storing one.
"""

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from routing.api.problems import CONTENT_TYPE, Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 30.0
"""How long a client may take to send its body."""
BODIES_BYTES = 128 * 1024 * 1024
"""Of all the bodies being read at one time; over it posts are refused until some are done."""
DRAIN_BYTES = 32 * 1024 * 1024
"""How much of a refused body is read and dropped, so that its sender gets to read the answer."""
DRAIN_SECONDS = 5.0
SOON = {"Retry-After": "1"}


class Gone(Exception):
    """The client closed the connection; nobody waits for an answer."""


class Request:
    """A request of the raw paths."""

    _held = 0
    """Bytes of bodies held by all the requests of this process."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._ended = False

    async def body(self, limit: int) -> bytes:
        """The whole body, decompressed; raises Problem 408, 413, 415, 429 or 400, or Gone."""
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise Problem(415, "Content-Encoding must be gzip or absent.", {"Accept-Encoding": "gzip"})
        declared = self.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared[:18]) > limit:
            raise _too_large(limit)
        unzip = _Gunzip(limit) if "gzip" in encoding else None
        chunks: list[bytes] = []
        size = received = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while not self._ended:
                    chunk = await self._chunk()
                    received += len(chunk)
                    if received > limit:
                        # Compressed nothings are small when unpacked, and endless.
                        raise _too_large(limit)
                    if unzip is not None:
                        chunk = unzip.feed(chunk)
                    size += len(chunk)
                    Request._held += len(chunk)
                    if size > limit:
                        raise _too_large(limit)
                    if Request._held > BODIES_BYTES:
                        raise Problem(429, "Too many bodies are being received at once; try again.", SOON)
                    chunks.append(chunk)
        except TimeoutError:
            self._ended = True
            raise Problem(408, f"The body did not arrive within {BODY_SECONDS:.0f} s.") from None
        finally:
            Request._held -= size
        if unzip is not None:
            unzip.end()
        return b"".join(chunks)

    async def drain(self) -> None:
        """Read and drop the rest of a refused body, up to a limit of bytes and time."""
        dropped = 0
        with contextlib.suppress(TimeoutError, Gone):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and dropped < DRAIN_BYTES:
                    dropped += len(await self._chunk())

    async def left(self) -> None:
        """Returns when the client has closed the connection."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _chunk(self) -> bytes:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise Gone
        self._ended = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk


class _Gunzip:
    """Decompresses as much as allowed: what a bomb would grow to is never made."""

    def __init__(self, limit: int) -> None:
        self._left = limit + 1
        self._limit = limit
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> bytes:
        out = bytearray()
        while data:
            try:
                part = self._member.decompress(data, self._left)
            except zlib.error:
                raise Problem(400, "The body says it is gzip, but it is damaged.") from None
            out += part
            self._left -= len(part)
            if self._left <= 0:
                raise _too_large(self._limit)
            data = self._member.unused_data
            if data:  # Another member follows (RFC 1952 section 2.2).
                self._member = zlib.decompressobj(wbits=31)
        return bytes(out)

    def end(self) -> None:
        if not self._member.eof:
            raise Problem(400, "The body says it is gzip, but it ends too early.")


def _too_large(limit: int) -> Problem:
    return Problem(413, f"The body is larger than {limit} bytes (counted after decompression); send it in parts.")


async def answer(send: Send, status: int, body: bytes, content_type: str, headers: dict[str, str]) -> None:
    """Send a whole response."""
    lines = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    lines += [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def answer_json(send: Send, status: int, data: Any) -> None:
    """Send data as JSON."""
    await answer(send, status, orjson.dumps(data), "application/json", {})


async def answer_problem(send: Send, problem: Problem) -> None:
    """Send a refusal."""
    await answer(send, problem.status, problem.encoded(), CONTENT_TYPE, problem.headers)
