"""A small HTTP client for one event loop: a kept connection, a new one after any trouble."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson

SECONDS = 15.0
"""For a whole exchange."""


class NoAnswer(Exception):
    """No whole answer came; the server may or may not have done what was asked."""


@dataclass(frozen=True)
class Answer:
    """Status, headers by their lower-case names, and body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return orjson.loads(self.body)


class Client:
    """One connection to 127.0.0.1, one request at a time."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, data: Any, seconds: float = SECONDS) -> Answer:
        """Raises NoAnswer."""
        body = orjson.dumps(data)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(seconds):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                reader, writer = self._streams
                writer.write(head.encode() + body)
                await writer.drain()
                return await _read(reader)
        except (OSError, asyncio.IncompleteReadError) as error:  # A timeout is an OSError.
            self.close()
            raise NoAnswer(type(error).__name__) from error

    def close(self) -> None:
        """The next request opens a new connection."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def _read(reader: asyncio.StreamReader) -> Answer:
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split(" ")[1]), headers, body)
