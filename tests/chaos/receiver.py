"""The receivers behind the sinks: one that is well, two that are not, and one that must not be told twice.

Each request becomes a line of a file before it is answered, so that what a sender believes is sent is in the file.
`POST /heal` makes all of them well. A process of its own, raw asyncio: `python -m tests.chaos.receiver`.
"""

import argparse
import asyncio
import os
import random
import re
import socket
import struct
from typing import BinaryIO

import orjson

# How often each answer is given, out of all; a healed receiver only says "taken".
MOODS = {
    "well": {"taken": 1},
    "flaky": {
        "taken": 55,
        "taken unsaid": 8,
        "asked to wait": 6,
        "asked to slow down": 6,
        "broken": 14,
        "silent": 3,
        "reset": 8,
    },
    "paced": {"taken": 70, "taken unsaid": 15, "broken": 10, "reset": 5},
    "once": {"taken": 80, "taken unsaid": 3, "asked to wait": 5, "broken": 6, "silent": 2, "reset": 4},
}
# What is in none of these ends with a reset; "taken unsaid" is a message that was taken and whose answer got lost.
ANSWERS = {
    "taken": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "asked to wait": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "asked to slow down": b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
    "broken": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
}
SLOWEST = 0.1
"""Seconds until an answer: time for a sender to be killed in."""
GROUP = re.compile(rb"/groups/(\d+)/")


class Receiver:
    """Answers at random until it is healed."""

    def __init__(self, lines: BinaryIO, chance: random.Random) -> None:
        self._lines = lines
        self._chance = chance
        self._healed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request by request."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *rest = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                path = first.split(" ")[1].strip("/")
                if path == "heal":
                    self._healed.set()
                    answer = "taken"
                else:
                    answer = self._mood(path)
                    self._write_down(path, headers.get("webhook-id"), answer, body)
                await asyncio.sleep(self._chance.uniform(0, SLOWEST))
                if answer == "silent":
                    await self._healed.wait()
                if answer not in ANSWERS:
                    _reset(writer)
                    return
                writer.write(ANSWERS[answer])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # The sender has gone.
        finally:
            writer.close()

    def _mood(self, path: str) -> str:
        if self._healed.is_set():
            return "taken"
        answers = MOODS[path]
        return self._chance.choices(list(answers), list(answers.values()))[0]

    def _write_down(self, path: str, delivery: str | None, answer: str, body: bytes) -> None:
        group = GROUP.search(body)
        data = orjson.loads(body).get("data", {})
        line = {
            "sink": path,
            "delivery": delivery,
            "answer": answer,
            "group": int(group[1]) if group else None,
            "count": data.get("alert_count"),
            "alerts": [alert["uuid"] for alert in data.get("alerts", [])],
        }
        self._lines.write(orjson.dumps(line) + b"\n")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection with RST instead of FIN (socket(7), SO_LINGER with no time)."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _serve(port: int, file: str, seed: int) -> None:
    # Unbuffered: a line is the kernel's before its request is answered.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "wb", buffering=0) as lines:
        receiver = Receiver(lines, random.Random(seed))
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", port, limit=1 << 20)
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.receiver", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", required=True)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    asyncio.run(_serve(chosen.port, chosen.file, chosen.seed))
