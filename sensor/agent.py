"""The sensor with a server: one process that watches, and four threads that write, post, greet and act.

The watching thread never waits for a disk or a network. What it finds goes to memory (`intake`), from there
to disk (`spool`), from there to the server (`posting`). Everything between two of them may stop without
stopping the others.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import structlog

from sensor import internal
from sensor.actions import procinfo
from sensor.actions.base import allowed
from sensor.actions.guard import Guard
from sensor.actions.ledger import Ledger
from sensor.actions.runner import ActionRunner
from sensor.alert import rfc3339
from sensor.alive import EVERY_SECONDS, AliveMark, blind_since
from sensor.config import Config, ConfigError
from sensor.context.clock import boot_id
from sensor.engine import Engine
from sensor.heartbeat import Heartbeat, ServerClock
from sensor.intake import Intake
from sensor.limits import Limiter, Rate, Tally
from sensor.posting import Poster
from sensor.rulefeed import RuleFeed
from sensor.rules.ruleset import RuleSet
from sensor.spool import Spool, claim, prepare
from sensor.transport import Client
from sensor.version import VERSION
from sensor.watch import Source, Watch

log = structlog.get_logger(__name__)

WRITE_SECONDS = 1.0
POST_SECONDS = 0.5
"""How long a stop waits for the last alerts to be written, and for a post in progress; together below 2 s."""


class Agent:
    """Wires the parts together; `run` is the sensor's life."""

    def __init__(self, config: Config, source: Source, probes: Callable[[], list[str]], stop: Event) -> None:
        """Raises ConfigError or RulesetRefused for settings or rules that cannot be used, OSError or
        sqlite3.Error for a spool that cannot.
        """
        self._config = config
        self._source = source
        self._probes = probes
        self._stop = stop
        self._hostname = config.node.hostname
        self._boot_id = boot_id()
        path = Path(config.spool.path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._claim = claim(path)
        damaged = prepare(path)
        self._spool = Spool(path, config.spool.max_bytes)
        self._alive = AliveMark(path, self._boot_id)
        self._feed = RuleFeed(config.rules.files, path.with_name(f"{path.name}.ruleset.json"))
        self._clock = ServerClock()
        self._poster = Poster(Client(config.server), self._spool, stop, self._rejected)
        self._intake = Intake(self._spool, self._poster.wake)
        self._watch = Watch(
            source, self._engine(self._feed.initial()), self._hostname, self._intake.put, _limiter(config), self._tick
        )
        self._heartbeat = Heartbeat(
            Client(config.server),
            self._feed,
            self._clock,
            stop,
            self.greeting,
            self._swap,
            self._ruleset_refused,
            self._server_reached,
        )
        self._runner = self._action_runner(path)
        self._rejection = (0, "")
        self._lost, self._dropped, self._refusals = Tally(), Tally(), Tally()
        self._touched_at = 0.0
        if damaged:
            self._tell(
                internal.SPOOL_DAMAGED, f"The spool was damaged and set aside as {damaged}", {"path": str(damaged)}
            )

    def _action_runner(self, path: Path) -> ActionRunner | None:
        settings = self._config.actions
        try:
            actions = allowed(settings.allow, Guard(settings.protect, settings.protect_tree), self._clock)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if not actions:
            return None
        client = Client(self._config.server)
        return ActionRunner(client, Ledger(path), actions, self._hostname, self._stop, self._heartbeat.greet)

    def run(self, ready: Callable[[], None]) -> None:
        """Watch until stopped; calls `ready` once events arrive.

        Raises what the source's `open` raises, and SourceFailed. Both leave the mark of an unclean end.
        """
        writing = Thread(target=self._intake.loop, name="write", daemon=True)
        posting = Thread(target=self._poster.loop, name="post", daemon=True)
        for thread in (writing, posting, Thread(target=self._heartbeat.loop, name="hello", daemon=True)):
            thread.start()
        if self._runner:
            Thread(target=self._runner.loop, name="act", daemon=True).start()
        try:
            previous = self._alive.previous()
            self._watch.open()
            self._tell_blindness(previous)
            ready()
            self._watch.loop(self._stop)
            self._stop.wait()  # After the end of a recording there is still a spool to post.
            self._source.close()
            self._alive.close(time.time_ns())
        finally:
            self._end(writing, posting)

    def _end(self, writing: Thread, posting: Thread) -> None:
        """Leave everything on disk. Threads that wait for the network are left behind: they own nothing."""
        self._stop.set()
        self._intake.close()
        writing.join(WRITE_SECONDS)
        self._poster.wake()
        self._server_reached()  # Pauses end, so that the loops see that it is time to stop.
        self._heartbeat.greet()
        posting.join(POST_SECONDS)
        if not writing.is_alive() and not posting.is_alive():
            self._spool.close()
        os.close(self._claim)
        log.info("stopped", **self.stats())

    def _server_reached(self) -> None:
        """End the pauses of the other loops: there is no need to wait any longer."""
        self._poster.resume()
        if self._runner:
            self._runner.wake()

    def stats(self) -> dict[str, Any]:
        """The counters of every part, as docs/sensor.md explains them."""
        return {
            **self._watch.stats.snapshot(),
            "alerts": self._intake.taken,
            "held_back": self._watch.held_back,
            "dropped": self._intake.dropped + self._spool.evicted,
            "spooled": self._spool.waiting,
            "spool_bytes": self._spool.bytes,
            "posted": self._poster.posted,
            "dead_lettered": self._poster.dead_lettered,
            "rule_errors": self._watch.rule_errors,
        }

    def greeting(self) -> dict[str, Any]:
        """What a hello says."""
        return {
            "hostname": self._hostname,
            "boot_id": self._boot_id,
            "version": VERSION,
            "kernel": procinfo.kernel_release(),
            "probes": self._probes(),
            "labels": self._config.node.named_labels(),
            "actions": sorted(self._config.actions.allow),
            "ruleset": self._feed.number,
            "stats": self.stats(),
            "time": rfc3339(time.time_ns()),
        }

    def _engine(self, ruleset: RuleSet) -> Engine:
        return Engine(ruleset, matching=self._config.rules.matching)

    def _swap(self, ruleset: RuleSet) -> None:
        self._watch.use(self._engine(ruleset), self._feed.number)

    def _tick(self) -> None:
        """Between polls: the sign of life, and what has to be told about ourselves."""
        now = time.monotonic()
        if now - self._touched_at >= EVERY_SECONDS:
            self._touched_at = now
            self._alive.touch(time.time_ns())
        self._tell_losses(now)

    def _tell_losses(self, now: float) -> None:
        stats = self._watch.stats
        if lost := self._lost.due(stats.lost, now):
            fields = {"lost": lost, "lost_total": stats.lost, "events_total": stats.events}
            self._tell(internal.LOST, f"The kernel dropped {lost} events before the sensor could read them", fields)
        if dropped := self._dropped.due(self._spool.evicted + self._intake.dropped, now):
            fields = {"dropped": dropped, "spool_bytes": self._spool.bytes, "spooled": self._spool.waiting}
            self._tell(internal.DROPPED, f"{dropped} alerts were dropped because the spool is full", fields)
        total, reason = self._rejection
        if rejected := self._refusals.due(total, now):
            told = {"rejected": rejected, "reason": reason}
            self._tell(internal.REJECTED, f"The server rejected {rejected} alerts for good: {reason}", told)

    def _tell_blindness(self, previous: Any) -> None:
        since = blind_since(previous)
        if since is not None:
            restarted = previous.boot_id != self._boot_id
            self._intake.put(internal.blind_alert(self._hostname, since, time.time_ns(), restarted=restarted))

    def _rejected(self, count: int, reason: str) -> None:
        """Called by the posting thread; told by the watching thread, at most every 30 s."""
        self._rejection = (self._rejection[0] + count, reason)

    def _ruleset_refused(self, reason: str) -> None:
        self._watch.stats.rulesets_refused += 1
        self._tell(internal.RULESET_REFUSED, f"Still using ruleset {self._feed.number}; {reason}", {"reason": reason})

    def _tell(self, rule: str, text: str, fields: dict[str, Any]) -> None:
        self._intake.put(internal.internal_alert(rule, text, self._hostname, fields))


def _limiter(config: Config) -> Limiter:
    limits = config.limits
    return Limiter(Rate(limits.rule_rate, limits.rule_burst), Rate(limits.total_rate, limits.total_burst))
