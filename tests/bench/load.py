"""A load generator that costs little, in a process of its own: kept connections, one request in flight on each.

`python -m tests.bench.load PORT --size 100 --seconds 60` posts alerts of about one kilobyte, of 500 rules on 200 hosts,
each with an identity and a time of its own, and prints what came of it as JSON. The token is read from BENCH_TOKEN.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import orjson
import uvloop

RULES = 500
HOSTS = 200
SHAPES = 1_000
"""Different alerts that are made before the start; what is sent differs from them in identity and time."""
TICK = 0.002
"""Seconds between two looks at what is due, where a rate is given."""


@dataclass
class Load:
    """What came of a run."""

    size: int
    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    """Seconds, one for each answer."""

    @property
    def alerts(self) -> int:
        """Alerts that were answered with 202, so that they are committed."""
        return self.size * self.statuses.get("202", 0)

    @property
    def rate(self) -> float:
        """Committed alerts a second."""
        return self.alerts / self.seconds

    def percentile(self, share: float) -> float:
        """Latency in seconds that this share of the answers stayed below."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def alert(number: int, chance: random.Random) -> dict[str, object]:
    """About one kilobyte."""
    return {
        "uuid": "UUID",
        "time": "TIME",
        "rule": f"Rule number {number % RULES} of the bench",
        "priority": chance.choice(("Critical", "Error", "Warning", "Notice")),
        "source": "syscall",
        "hostname": f"node-{chance.randrange(HOSTS)}",
        "output": "Sensitive file opened by a process that has no business with it " + "x" * 200,
        "output_fields": {
            "proc.name": "cat",
            "proc.exepath": "/usr/bin/cat",
            "proc.cmdline": "cat " + "/etc/shadow " * 15,
            "proc.pid": chance.randrange(1 << 22),
            "user.name": "root",
            "fd.name": "/etc/shadow",
            "container.image.repository": "docker.io/library/nginx",
            "k8s.ns.name": f"team-{chance.randrange(20)}",
            "k8s.pod.name": f"web-{chance.randrange(1000)}",
        },
        "tags": ["filesystem", "mitre_credential_access", "T1555"],
    }


class Requests:
    """Requests without end."""

    def __init__(self, size: int, token: str, path: str = "/api/v1/alerts") -> None:
        chance = random.Random(7)
        self._shapes = [_cut(alert(number, chance)) for number in range(SHAPES)]
        self._size = size
        self._count = chance.getrandbits(40)
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()

    def __call__(self) -> bytes:
        now = time.time_ns()
        milliseconds = now // 1_000_000
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1_000_000_000))
        when = f"{stamp}.{now % 1_000_000_000:09d}Z".encode()
        parts = []
        for _ in range(self._size):
            self._count += 1
            uuid = f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7000-8000-{self._count & (1 << 48) - 1:012x}"
            before, between, after = self._shapes[self._count % SHAPES]
            parts.append(b"%b%b%b%b%b" % (before, uuid.encode(), between, when, after))
        body = parts[0] if self._size == 1 else b"[" + b",".join(parts) + b"]"
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)


def _cut(said: dict[str, object]) -> tuple[bytes, bytes, bytes]:
    before, _, rest = orjson.dumps(said).partition(b"UUID")
    between, _, after = rest.partition(b"TIME")
    return before, between, after


class _Connection(asyncio.Protocol):
    """Sends a request when the answer to the last one is whole and `ready` says so."""

    def __init__(self, make: Callable[[], bytes], load: Load, ready: Callable[["_Connection"], bool]) -> None:
        self._make, self._load, self._ready = make, load, ready
        self._received = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self._ready(self):
            self.send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
        if len(body) < length:
            return
        status = head[9:12].decode()
        self._load.statuses[status] = self._load.statuses.get(status, 0) + 1
        self._load.latencies.append(time.perf_counter() - self._sent)
        self._received = b""
        if self._ready(self):
            self.send()

    def send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._make())  # type: ignore[attr-defined]

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def drive(
    port: int, make: Callable[[], bytes], load: Load, connections: int, seconds: float, rate: float
) -> None:
    """Sends for so many seconds: as fast as it is answered, or `rate` requests a second at most."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    # The one that was idle for longest is next: the server closes those that nobody uses.
    idle: deque[_Connection] = deque()

    def ready(connection: _Connection) -> bool:
        if time.perf_counter() - began >= seconds:
            connection.close()
            return False
        if rate:
            idle.append(connection)
        return not rate

    made = [
        (await loop.create_connection(lambda: _Connection(make, load, ready), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    sent = 0
    while rate and (passed := time.perf_counter() - began) < seconds:
        while idle and sent < passed * rate:
            idle.popleft().send()
            sent += 1
        await asyncio.sleep(TICK)
    for connection in idle:
        connection.close()
    await asyncio.gather(*(connection.ended for connection in made))
    load.seconds = time.perf_counter() - began


def run(port: int, token: str, size: int, connections: int, seconds: float, rate: float = 0.0) -> Load:
    """`rate` is in requests a second; 0 is as many as are answered."""
    command = [sys.executable, "-m", "tests.bench.load", str(port), "--size", str(size), "--seconds", str(seconds)]
    command += ["--connections", str(connections), "--rate", str(rate)]
    env = {**os.environ, "BENCH_TOKEN": token}
    # A file: of the latencies of a minute a pipe was seen to take only the first part.
    with tempfile.TemporaryFile() as said:
        subprocess.run(command, env=env, check=True, stdout=said)
        said.seek(0)
        return Load(**json.load(said))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--size", type=int, default=1, help="alerts in each request")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second; 0 is as many as are answered")
    asked = parser.parse_args()
    load = Load(asked.size)
    make = Requests(asked.size, os.environ["BENCH_TOKEN"])
    uvloop.run(drive(asked.port, make, load, asked.connections, asked.seconds, asked.rate))
    print(json.dumps(asdict(load)))


if __name__ == "__main__":
    main()
