"""Sensors that post alerts, as ours do: what was not acknowledged is posted again, with the same uuids.

What was acknowledged is remembered, and nothing else: it is what must not be lost. A thread of its own.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sensor.alert import new_uuid, rfc3339
from tests.chaos import scene
from tests.chaos.client import SECONDS, Answer, Client, NoAnswer
from tests.chaos.node import Node

POSTERS = 8
LARGEST = 100
"""Alerts in one post."""
AGAIN = 0.03
"""Share of the acknowledged posts that are posted once more, as a sensor does that did not get the answer."""
LATER = (429, 503)


@dataclass
class Told:
    """What came of it."""

    posted: dict[UUID, int] = field(default_factory=dict)
    """Every alert that was ever posted, and its number."""
    acknowledged: set[UUID] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    """How often each status came, or why none did."""
    duplicates: int = 0
    """Alerts that the server said it had."""
    wrong: list[str] = field(default_factory=list)
    """Answers that break a promise."""


class Load(threading.Thread):
    """Posts about `wanted` alerts in `seconds`, and goes on until so many are acknowledged; `finish` ends it."""

    def __init__(self, port: int, tokens: scene.Tokens, wanted: int, seconds: float, seed: int) -> None:
        super().__init__(name="load", daemon=True)
        self.told = Told()
        self.node = Node(Client(port, tokens.node))
        self._clients = [Client(port, tokens.alerts) for _ in range(POSTERS)]
        self._chance = random.Random(seed)
        self._wanted, self._seconds = wanted, seconds
        self._ending = threading.Event()
        self._posted = threading.Event()
        self._leaving = threading.Event()

    @property
    def enough(self) -> bool:
        return len(self.told.acknowledged) >= self._wanted

    def finish(self) -> None:
        """Posts nothing new, and repeats what is under way until it is acknowledged."""
        self._ending.set()

    def wait_for_posts(self, seconds: float) -> None:
        """Returns when nothing is under way any more. Raises TimeoutError."""
        if not self._posted.wait(seconds):
            raise TimeoutError(f"alerts were not acknowledged within {seconds:.0f} s")

    def leave(self) -> None:
        """Ends the node's sensor too."""
        self._leaving.set()
        self.join(SECONDS)

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._began = time.monotonic()
        node = asyncio.create_task(self.node.run())
        await asyncio.gather(*(self._poster(client) for client in self._clients))
        self._posted.set()
        while not self._leaving.is_set():
            await asyncio.sleep(0.1)
        await self.node.end(node)

    async def _poster(self, client: Client) -> None:
        while not self._ending.is_set():
            if self._ahead():
                await asyncio.sleep(0.05)
                continue
            batch = self._batch()
            await self._until_acknowledged(client, batch)
            if self._chance.random() < AGAIN:
                await self._until_acknowledged(client, batch, again=True)
        client.close()

    def _ahead(self) -> bool:
        """Whether there is time: the rate follows what was missed, and aims at a little more than is wanted."""
        due = 1.1 * self._wanted * min(1.0, (time.monotonic() - self._began) / self._seconds)
        return len(self.told.posted) >= due and (due < 1.1 * self._wanted or self.enough)

    def _batch(self) -> list[dict[str, Any]]:
        batch = []
        for _ in range(self._chance.randint(1, LARGEST)):
            number = len(self.told.posted)
            now = time.time_ns()
            uuid = new_uuid(now)
            self.told.posted[uuid] = number
            batch.append(_alert(uuid, number, now))
        return batch

    async def _until_acknowledged(self, client: Client, batch: list[dict[str, Any]], again: bool = False) -> None:
        while True:
            try:
                answer = await client.post("/api/v1/alerts", batch)
            except NoAnswer as error:
                self.told.answers[str(error)] += 1
                await asyncio.sleep(self._chance.random())
                continue
            self.told.answers[str(answer.status)] += 1
            if answer.status == 202:
                self._take(answer.json(), batch, again)
                return
            if answer.status not in LATER or "retry-after" not in answer.headers:
                self.told.wrong.append(_described(answer))
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")) * self._chance.uniform(0.5, 1.5))

    def _take(self, said: dict[str, Any], batch: list[dict[str, Any]], again: bool) -> None:
        self.told.duplicates += said["duplicates"]
        if said["rejected"] or said["accepted"] + said["duplicates"] != len(batch) or (again and said["accepted"]):
            self.told.wrong.append(f"{'again, ' if again else ''}{len(batch)} alerts: {said}")
        self.told.acknowledged.update(UUID(alert["uuid"]) for alert in batch)


def _described(answer: Answer) -> str:
    after = answer.headers.get("retry-after", "no Retry-After")
    return f"{answer.status} ({after}): {answer.body[:300].decode('utf-8', 'replace')}"


def _alert(uuid: UUID, number: int, now: int) -> dict[str, Any]:
    """About half a kilobyte."""
    routes = scene.routes_of(number)
    miner = scene.MINERS in routes
    return {
        "uuid": str(uuid),
        "time": rfc3339(now),
        "rule": f"Rule number {number % 50} of the load",
        "priority": "Critical" if scene.SEVERE in routes else "Notice",
        "source": "syscall",
        "hostname": scene.NODE if miner else f"node-{1 + number % 199}",
        "output": f"Sensitive file opened by a process that has no business with it (number={number})",
        "output_fields": {
            "proc.name": "xmrig" if miner else "cat",
            "proc.pid": 1000 + number,
            "proc.pid.ts": now,
            "proc.cmdline": "cat /etc/shadow",
            "user.name": "root",
            "k8s.pod.name": scene.group_of(number),
        },
        "tags": ["filesystem", "T1555"],
    }
