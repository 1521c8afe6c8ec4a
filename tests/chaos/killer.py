"""Kills parts at random and starts them again. What it will do follows from the seed; when, also from the machine."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil

from tests.chaos.stack import Stack

# How often each is chosen, out of all.
VICTIMS = {
    "web": 4,
    "web's process": 1,
    "worker-1": 3,
    "worker-2": 3,
    "beat": 2,
    "postgresql": 3,
    "backend": 2,
    "broker": 2,
    "broker and its last second": 1,
    "broker and all it had": 1,
}
PAUSE = (0.5, 6.0)
"""Seconds between one part that is back and the next kill."""
AWAY = (0.1, 3.0)
"""Seconds until a part is started again."""
RESPAWN = 6.0
"""Seconds within which granian takes a second death of its process for a fault of the application, and ends: whoever
supervises it then starts all of it again."""
TWO = 0.2
"""How often two parts are killed at a time."""


class Killer:
    """To be used from the main thread (see `services.Service`)."""

    def __init__(self, stack: Stack, seed: int, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._chance = random.Random(seed)
        self._say = say
        self.kills: Counter[str] = Counter()
        self._respawned_at = -RESPAWN
        self.ended: list[str] = []
        """Parts that ended though nobody killed them."""

    def run(self, go_on: Callable[[], bool]) -> None:
        """Kills as long as it may; then everything runs."""
        self._wait(self._chance.uniform(*PAUSE), go_on)
        while go_on():
            names = list(VICTIMS)
            chosen = self._chance.choices(names, list(VICTIMS.values()), k=2 if self._chance.random() < TWO else 1)
            # The same part twice is one.
            victims = {_part(name): self._instead(name) for name in chosen}
            for name in victims.values():
                self._kill(name)
            away = self._chance.uniform(*AWAY)
            self._say(f"killed {' and '.join(victims.values())}, back after {away:.1f} s")
            self._wait(away, go_on)
            for part in victims:
                if not self._stack.parts[part].running:
                    self._stack.parts[part].start()
            self._wait(self._chance.uniform(*PAUSE), go_on)

    def _instead(self, name: str) -> str:
        """The whole of the server where its process has only just come back."""
        if name != "web's process":
            return name
        again = time.monotonic() - self._respawned_at < RESPAWN
        self._respawned_at = time.monotonic()
        return "web" if again else name

    def look(self) -> None:
        """Notes, and starts again, what ended by itself."""
        for name in self._stack.ended():
            self._say(f"{name} ended by itself")
            self.ended.append(name)
            self._stack.parts[name].kill()
            self._stack.parts[name].start()

    def _wait(self, seconds: float, go_on: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and go_on():
            self.look()
            time.sleep(0.05)

    def _kill(self, name: str) -> None:
        self.kills[name] += 1
        part = self._stack.parts[_part(name)]
        if name in ("web's process", "backend"):
            below = [child for child in part.children() if name != "backend" or _serves_a_client(child)]
            if below:
                with suppress(psutil.NoSuchProcess):
                    self._chance.choice(below).kill()
            return
        part.kill()
        if name.startswith("broker and"):
            self._stack.lose_broker_data(all_of_it=name.endswith("all it had"))


def _part(name: str) -> str:
    return {"web's process": "web", "backend": "postgresql"}.get(name, name.partition(" and ")[0])


def _serves_a_client(process: psutil.Process) -> bool:
    """Whether this is one of PostgreSQL's processes that run somebody's statements."""
    with suppress(psutil.NoSuchProcess):
        return "127.0.0.1(" in " ".join(process.cmdline())
    return False
