"""Says hello every ten seconds, and pulls the ruleset when the answer names a newer one."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import structlog

from sensor.outage import Outage
from sensor.rulefeed import RuleFeed, RulesetRefused
from sensor.rules.ruleset import RuleSet
from sensor.transport import Client, Unreachable, Verdict, backoff

log = structlog.get_logger(__name__)

EVERY_SECONDS = 10.0


class ServerClock:
    """The server's time as this node can tell it: its own clock, corrected by what the last hello answered."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def set(self, server_time: object) -> None:
        """Take over an RFC 3339 time with zone; anything else changes nothing."""
        try:
            told = datetime.fromisoformat(str(server_time))
        except ValueError:
            return
        if told.tzinfo is not None:
            self._ahead = told - datetime.now(UTC)


class Heartbeat:
    """The loop of the hello thread."""

    def __init__(
        self,
        client: Client,
        feed: RuleFeed,
        clock: ServerClock,
        stop: Event,
        greeting: Callable[[], Mapping[str, Any]],
        swap: Callable[[RuleSet], None],
        refused: Callable[[str], None],
        reached: Callable[[], None],
    ) -> None:
        """`swap(ruleset)` puts pulled rules in force; `refused(reason)` tells of a ruleset that does not load;
        `reached()` tells that the server took a hello after it had not."""
        self._client = client
        self._feed = feed
        self._clock = clock
        self._stop = stop
        self._greeting = greeting
        self._swap = swap
        self._refused = refused
        self._reached = reached
        self._failures = 1
        self._outage = Outage()
        self._soon = Event()

    def loop(self) -> None:
        """Until stopped. Whatever one round raises is logged; the next one comes soon, at the latest as always."""
        while not self._stop.is_set():
            self._soon.clear()
            failures = self._failures
            try:
                self.once()
            except Unreachable as error:
                self._failures += 1
                log.log(self._outage.level(time.monotonic()), "hello_failed", error=str(error))
            except Exception:
                self._failures += 1
                log.exception("hello_failed")
            failed = self._failures > failures
            self._soon.wait(min(backoff(self._failures), EVERY_SECONDS) if failed else EVERY_SECONDS)

    def greet(self) -> None:
        """Say hello now rather than when it is time, or see that it is time to stop."""
        self._soon.set()

    def once(self) -> None:
        """One hello and what follows from its answer."""
        answer = self._client.hello(self._greeting())
        self._outage.over()
        if answer.verdict is not Verdict.ACCEPTED or not isinstance(answer.body, dict):
            self._failures += 1
            log.warning("hello_refused", answer=answer.told)
            return
        if self._failures:
            self._failures = 0
            self._reached()
        self._clock.set(answer.body.get("server_time"))
        number = answer.body.get("ruleset")
        if isinstance(number, int) and self._feed.wants(number):
            self._pull(number)

    def _pull(self, number: int) -> None:
        # A server whose numbers went back (restored, or another one) is asked for whatever it has.
        have = self._feed.number if number > self._feed.number else 0
        answer = self._client.ruleset(have)
        if answer.status == 204:
            return
        if answer.verdict is not Verdict.ACCEPTED:
            log.warning("ruleset_not_pulled", answer=answer.told)
            return
        try:
            ruleset = self._feed.accept(answer.body)
        except RulesetRefused as error:
            log.error("ruleset_refused", number=number, error=str(error))
            self._refused(f"ruleset {number}: {error}")
            return
        self._swap(ruleset)
        log.info("ruleset_pulled", number=self._feed.number, rules=len(ruleset.rules))
