"""Posts what the spool holds, oldest first, until the server has it or will never take it."""

import sqlite3
import time
from collections.abc import Callable
from threading import Event

import structlog

from sensor.outage import Outage
from sensor.spool import BATCH_ALERTS, Spool, Stored
from sensor.transport import SLOW_RETRY, Answer, Client, Unreachable, Verdict, backoff

log = structlog.get_logger(__name__)

IDLE_SECONDS = 5.0
"""How long to sleep when nothing waits; a new alert ends it at once."""


class Poster:
    """The loop of the posting thread."""

    def __init__(self, client: Client, spool: Spool, stop: Event, rejected: Callable[[int, str], None]) -> None:
        """`rejected(count, reason)` is called when the server refused alerts for good."""
        self.posted = 0
        self.dead_lettered = 0
        self._client = client
        self._spool = spool
        self._stop = stop
        self._rejected = rejected
        self._wake = Event()
        self._go_on = Event()
        self._most = BATCH_ALERTS
        self._failures = 0
        self._outage = Outage()

    def wake(self) -> None:
        """Something was spooled."""
        self._wake.set()

    def resume(self) -> None:
        """The server answers again, or the sensor stops: do not sit out a pause."""
        self._go_on.set()

    def loop(self) -> None:
        """Until stopped. Whatever one round raises is logged, and the next one begins after a pause."""
        while not self._stop.is_set():
            self._wake.clear()
            self._go_on.clear()
            try:
                pause = self.once()
            except sqlite3.Error as error:
                pause = self._later()
                log.error("spool_unreadable", error=str(error))
            except Exception:
                pause = self._later()
                log.exception("posting_failed")
            if pause is None:
                self._wake.wait(IDLE_SECONDS)
            elif pause:
                self._go_on.wait(pause)

    def once(self) -> float | None:
        """Post one batch. Returns seconds to pause, 0 to go on at once, None if nothing waits."""
        batch = self._spool.peek(self._most)
        if not batch:
            return None
        try:
            answer = self._client.post_alerts([stored.body for stored in batch])
        except Unreachable as error:
            self._spool.release()
            pause = self._later()
            level = self._outage.level(time.monotonic())
            log.log(
                level, "server_unreachable", error=str(error), waiting=self._spool.waiting, retry_in=round(pause, 1)
            )
            return pause
        self._outage.over()
        return self._settle(batch, answer)

    def _settle(self, batch: list[Stored], answer: Answer) -> float:
        match answer.verdict:
            case Verdict.ACCEPTED if isinstance(answer.body, dict) and "accepted" in answer.body:
                self._accepted(batch, answer)
                return 0.0
            case Verdict.REFUSED if _rejections(answer, batch):
                self._accepted(batch, answer)
                return 0.0
            case Verdict.SPLIT | Verdict.REFUSED if len(batch) > 1:
                # Somewhere in here is what the server does not want; find it by halving.
                self._most = len(batch) // 2
                log.warning("batch_refused", answer=answer.told, alerts=len(batch), next_batch=self._most)
                return 0.0
            case Verdict.SPLIT | Verdict.REFUSED:
                self._bury(batch, [answer.told])
                return 0.0
            case Verdict.LATER:
                pause = self._later() if answer.retry_after is None else answer.retry_after
            case _:
                # Wrong token, wrong URL, or a success that is not our server's: a person has to look.
                pause = SLOW_RETRY if answer.retry_after is None else answer.retry_after
        self._spool.release()
        log.warning("post_refused", answer=answer.told, waiting=self._spool.waiting, retry_in=round(pause, 1))
        return max(pause, 0.1)

    def _accepted(self, batch: list[Stored], answer: Answer) -> None:
        """Some or all were taken; those named as rejected never will be."""
        refused = _rejections(answer, batch)
        if refused:
            self._bury([batch[index] for index in refused], list(refused.values()))
        taken = [stored for index, stored in enumerate(batch) if index not in refused]
        if answer.verdict is Verdict.ACCEPTED:
            self._spool.forget(taken)
            self.posted += len(taken)
            self._most = min(BATCH_ALERTS, self._most * 2)
            self._failures = 0

    def _bury(self, refused: list[Stored], reasons: list[str]) -> None:
        self._spool.bury(refused, reasons)
        self.dead_lettered += len(refused)
        log.error("alerts_rejected", alerts=len(refused), reason=reasons[0])
        self._rejected(len(refused), reasons[0])

    def _later(self) -> float:
        self._failures += 1
        return max(0.1, backoff(self._failures))


def _rejections(answer: Answer, batch: list[Stored]) -> dict[int, str]:
    """Reason by place in the batch, from `rejected` of the answer; places outside the batch mean nothing."""
    rejected = answer.body.get("rejected") if isinstance(answer.body, dict) else None
    return {
        item["index"]: f"{item.get('field', '')}: {item.get('reason', '')}"
        for item in rejected or []
        if isinstance(item, dict) and isinstance(item.get("index"), int) and 0 <= item["index"] < len(batch)
    }
