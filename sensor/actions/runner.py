"""Leases actions from the server, runs each once, and tells how it ended until the server has heard it."""

import time
from collections.abc import Callable, Mapping
from threading import Event

import msgspec
import structlog

from sensor.actions.base import NodeAction, Outcome, Run, Skipped, State
from sensor.actions.guard import Refused
from sensor.actions.ledger import Ledger
from sensor.outage import GRACE_SECONDS, Outage
from sensor.transport import SLOW_RETRY, Answer, Client, Unreachable, Verdict, backoff

log = structlog.get_logger(__name__)

LEASE_WAIT = 25
"""Seconds the server may hold a request for work open."""
STRANGER_SECONDS = 1.0
"""Pause after "say hello first"; the hello's success ends it."""


class ActionRunner:
    """The loop of the acting thread."""

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        actions: Mapping[str, NodeAction],
        hostname: str,
        stop: Event,
        greet: Callable[[], None] = lambda: None,
    ) -> None:
        """`greet()` asks for a hello at once, when the server says that it does not know this sensor yet."""
        self._client = client
        self._ledger = ledger
        self._actions = actions
        self._hostname = hostname
        self._stop = stop
        self._greet = greet
        self._wake = Event()

    def wake(self) -> None:
        """The server answers again, or the sensor stops: do not sit out a pause."""
        self._wake.set()

    def loop(self) -> None:
        """Until stopped. Whatever one round raises is logged, and the next one begins after a pause."""
        failures = 0
        outage = Outage()
        self._wake.wait(GRACE_SECONDS)  # The server leases to those who said hello.
        while not self._stop.is_set():
            self._wake.clear()
            try:
                pause = self.once()
                failures = 0
                outage.over()
            except Unreachable as error:
                failures += 1
                pause = backoff(failures)
                level = outage.level(time.monotonic())
                log.log(level, "lease_failed", error=str(error), retry_in=round(pause, 1))
            except Exception:
                failures += 1
                pause = backoff(failures)
                log.exception("acting_failed")
            self._wake.wait(pause)

    def once(self, wait: int = LEASE_WAIT) -> float:
        """Tell what is untold, lease, act, tell. Returns seconds to pause before the next round."""
        pause = self._tell()
        if pause:
            return pause
        answer = self._client.lease(self._hostname, sorted(self._actions), wait)
        if answer.status == 409:
            self._greet()
            return STRANGER_SECONDS
        if answer.verdict is not Verdict.ACCEPTED:
            return _pause("lease_refused", answer)
        for run in _runs(answer):
            self.act(run)
        return self._tell()

    def act(self, run: Run) -> None:
        """Run one action unless its id was begun before, and keep its outcome."""
        if not self._ledger.begin(run):
            log.info("action_repeated", action=run.id, kind=run.kind)
            return
        outcome = self._outcome(run)
        self._ledger.finish(run.id, outcome)
        log.info("action_done", action=run.id, kind=run.kind, state=str(outcome.state), reason=outcome.reason)

    def _outcome(self, run: Run) -> Outcome:
        action = self._actions.get(run.kind)
        if action is None:
            return Outcome(State.REFUSED, f"{run.kind} is not in this node's actions.allow")
        try:
            return action.run(run)
        except Skipped as skipped:
            return Outcome(State.SKIPPED, str(skipped))
        except Refused as refused:
            return Outcome(State.REFUSED, str(refused))
        except Exception as error:
            # What was done before this is not known, so it is not called a failure.
            log.exception("action_raised", action=run.id, kind=run.kind)
            return Outcome(State.UNKNOWN, f"the sensor failed while doing it: {type(error).__name__}: {error}")

    def _tell(self) -> float:
        """Post every outcome that is due; a pause in seconds if the server cannot take them now."""
        for report in self._ledger.unreported():
            body = {"lease": report.lease, **msgspec.to_builtins(report.outcome)}
            answer = self._client.result(report.id, body)
            if answer.verdict in (Verdict.LATER, Verdict.SPLIT) or answer.status in (401, 403):
                return _pause("result_not_taken", answer)
            if answer.verdict is not Verdict.ACCEPTED:
                # 404, 409, 422: the run is somebody else's or closed. Nobody waits for this outcome any more.
                log.warning("result_refused", action=report.id, answer=answer.told)
            self._ledger.reported(report.id)
        return 0.0

    def close(self) -> None:
        """Let go of the ledger and the connection."""
        self._ledger.close()
        self._client.close()


def _runs(answer: Answer) -> list[Run]:
    body = answer.body if isinstance(answer.body, dict) else {}
    runs = []
    for item in body.get("runs", []):
        try:
            runs.append(msgspec.convert(item, Run))
        except msgspec.ValidationError as error:
            # Left alone, it expires on the server, where a person sees it.
            log.warning("lease_not_understood", error=str(error))
    return runs


def _pause(event: str, answer: Answer) -> float:
    wait = answer.retry_after
    if wait is None:
        wait = backoff(2) if answer.verdict is Verdict.LATER else SLOW_RETRY
    log.warning(event, answer=answer.told, retry_in=round(wait, 1))
    return max(wait, 0.1)
