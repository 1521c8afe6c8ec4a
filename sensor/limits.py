"""How many alerts may leave: a token bucket per rule, and one for all of them.

A flood of one rule must neither drown the server nor hide what another rule has to say. So each rule has
its own bucket, and the common bucket may never silence a rule completely: a rule that has said nothing
for a second is heard whatever the others do. Pure: the caller passes `now` in seconds of any steady clock.
"""

from dataclasses import dataclass, field

HEARD_AT_LEAST_EVERY = 1.0
"""Seconds after which a rule's next alert passes the common bucket even when that one is empty."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` alerts on average, `burst` at once."""

    per_second: float
    burst: int


@dataclass(slots=True)
class Bucket:
    """Tokens of one rate; starts full."""

    rate: Rate
    tokens: float
    filled_at: float

    def take(self, now: float) -> bool:
        """Use one token if there is one; a clock that went back adds none."""
        self.tokens = min(float(self.rate.burst), self.tokens + max(0.0, now - self.filled_at) * self.rate.per_second)
        self.filled_at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


@dataclass(slots=True)
class _Standing:
    """One rule's bucket, what it held back since it was last heard, and when that was."""

    bucket: Bucket
    held: int = 0
    heard_at: float | None = None


@dataclass(slots=True)
class Limiter:
    """Decides for each alert whether it goes on, and remembers how many did not."""

    per_rule: Rate
    total: Rate
    held_back: int = 0
    """All alerts held back since the start; a sensor reports it in its stats."""
    _rules: dict[str, _Standing] = field(default_factory=dict)
    _common: Bucket | None = None

    def admit(self, rule: str, now: float) -> int | None:
        """None holds this alert back; a number lets it go and says how many of its rule were held before it."""
        standing = self._rules.get(rule)
        if standing is None:
            standing = self._rules[rule] = _Standing(_full(self.per_rule, now))
        if standing.bucket.take(now) and self._common_allows(standing, now):
            held, standing.held = standing.held, 0
            standing.heard_at = now
            return held
        standing.held += 1
        self.held_back += 1
        return None

    def _common_allows(self, standing: _Standing, now: float) -> bool:
        if self._common is None:
            self._common = _full(self.total, now)
        if self._common.take(now):
            return True
        return standing.heard_at is None or now - standing.heard_at >= HEARD_AT_LEAST_EVERY


def _full(rate: Rate, now: float) -> Bucket:
    return Bucket(rate, float(rate.burst), now)


@dataclass(slots=True)
class Tally:
    """A growing count that is told at most every `every` seconds, as what was added since it was last told."""

    every: float = 30.0
    _told: int = 0
    _told_at: float | None = None

    def due(self, total: int, now: float) -> int:
        """What to tell now; 0 for nothing."""
        if total <= self._told or (self._told_at is not None and now - self._told_at < self.every):
            return 0
        added, self._told, self._told_at = total - self._told, total, now
        return added
