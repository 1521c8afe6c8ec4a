"""A load generator that costs little: prepared requests over kept connections, one request in flight on each."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came of a run."""

    seconds: float = 0.0
    statuses: dict[bytes, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    """Seconds, one for each answer."""

    @property
    def good(self) -> int:
        """Answers with 202."""
        return self.statuses.get(b"202", 0)

    def percentile(self, share: float) -> float:
        """Latency in seconds that this share of the answers stayed below."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def request(path: str, token: str, body: bytes) -> bytes:
    """The bytes of one POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is whole."""

    def __init__(self, waiting: deque[bytes], load: Load, until: float, ended: asyncio.Future[None]) -> None:
        self._waiting, self._load, self._until, self._ended = waiting, load, until, ended
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
        if len(body) < length:
            return
        status = head[9:12]
        self._load.statuses[status] = self._load.statuses.get(status, 0) + 1
        self._load.latencies.append(time.perf_counter() - self._sent)
        self._received = b""
        self._next()

    def _next(self) -> None:
        if not self._waiting or time.perf_counter() >= self._until:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(self._waiting.popleft())

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def run(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Sends each request once, until they are used up or the time is."""
    return asyncio.run(_run(port, deque(requests), connections, seconds))


async def _run(port: int, waiting: deque[bytes], connections: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    load = Load()
    ends = [loop.create_future() for _ in range(connections)]
    started = time.perf_counter()
    for end in ends:
        await loop.create_connection(
            lambda end=end: _Connection(waiting, load, started + seconds, end), "127.0.0.1", port
        )
    await asyncio.gather(*ends)
    load.seconds = time.perf_counter() - started
    return load
