"""Alerts on their way to disk: what is ready goes in one commit.

The watching thread only puts an alert into memory and goes on. One thread takes everything that waits,
commits it, and wakes the poster. So a single alert is on disk within a commit, and a flood costs a commit
per thousand.
"""

import sqlite3
from collections import deque
from collections.abc import Callable
from itertools import islice
from threading import Condition

import structlog

from sensor.alert import Alert
from sensor.spool import Spool

log = structlog.get_logger(__name__)

CAPACITY = 20_000
"""Alerts in memory while the disk does not take them."""
COMMIT_ALERTS = 1000
DISK_RETRY_SECONDS = 1.0


class Intake:
    """A bounded hand-over between the watching thread and the spool."""

    def __init__(self, spool: Spool, kept: Callable[[], None], capacity: int = CAPACITY) -> None:
        """`kept()` is called after each commit."""
        self.taken = 0
        """Alerts handed over since the start."""
        self.dropped = 0
        """Alerts given up because memory was full while the disk refused."""
        self._spool = spool
        self._kept = kept
        self._capacity = capacity
        self._waiting: deque[Alert] = deque()
        self._condition = Condition()
        self._closing = False

    def put(self, alert: Alert) -> None:
        """Hand over one alert; never blocks. When memory is full, the new one is dropped and counted."""
        with self._condition:
            self.taken += 1
            if len(self._waiting) >= self._capacity:
                self.dropped += 1
                return
            self._waiting.append(alert)
            self._condition.notify()

    def loop(self) -> None:
        """Until closed and empty, or closed and the disk refuses."""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._closing)
                batch = list(islice(self._waiting, COMMIT_ALERTS))
            if not batch:
                return
            if self._keep(batch):
                with self._condition:
                    for _ in batch:
                        self._waiting.popleft()
                self._kept()
            elif self._pause():
                return

    def _keep(self, batch: list[Alert]) -> bool:
        try:
            self._spool.append(batch)
            return True
        except sqlite3.Error as error:
            log.error("spool_refused", error=str(error), waiting=len(self._waiting))
            return False
        except Exception:
            # An alert that cannot be written must not hold up the others.
            log.exception("alert_not_written", alerts=len(batch))
            return self._keep_singly(batch)

    def _keep_singly(self, batch: list[Alert]) -> bool:
        for alert in batch:
            try:
                self._spool.append([alert])
            except Exception:
                self.dropped += 1
                log.exception("alert_dropped", rule=alert.rule)
        return True

    def _pause(self) -> bool:
        """Wait before the disk is tried again; True if that is in vain because we are closing."""
        with self._condition:
            return self._condition.wait_for(lambda: self._closing, DISK_RETRY_SECONDS)

    def close(self) -> None:
        """Let the loop write what waits and end."""
        with self._condition:
            self._closing = True
            self._condition.notify()
