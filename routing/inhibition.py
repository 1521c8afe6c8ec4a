"""Inhibition: what one alert explains is not told while it fires.

Which alerts of a source fire is kept as a few rows of hashes, written in the transaction that routes them: asking
costs one query a batch, however many alerts there are.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from routing.grouping import key_of, labels_of
from routing.matching import Predicate, compiled, holds, value_of
from routing.models import Alert, Inhibition, InhibitionSource

KEPT = timedelta(days=1)
"""How long a source's row is kept that holds no more."""


class _At(NamedTuple):
    """What identifies a source's row."""

    inhibition: int
    key: str
    also_target: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    row: Inhibition
    source: Predicate
    target: Predicate

    def is_source(self, alert: Alert) -> bool:
        return holds(self.source, alert, f"source of the inhibition {self.row.name}")

    def is_target(self, alert: Alert) -> bool:
        return holds(self.target, alert, f"target of the inhibition {self.row.name}")

    def key(self, alert: Alert) -> str:
        return key_of(labels_of("", self.row.equal, partial(value_of, alert)))


class Inhibitions:
    """The inhibitions that are in use, as one batch sees them."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._rules = [
            _Rule(row, source, target)
            for row in Inhibition.objects.filter(enabled=True)
            if (source := compiled(row.source, f"inhibition {row.name}"))
            and (target := compiled(row.target, f"inhibition {row.name}"))
        ]
        self._firing: dict[_At, datetime | None] = {}
        """Until when the sources fire that were asked for."""

    def notice(self, routed: Iterable[tuple[Alert, int]]) -> None:
        """Remember the sources among some alerts and the seconds after which their groups resolve."""
        found: dict[_At, datetime] = {}
        for alert, resolve_after in routed if self._rules else ():
            until = self._now + timedelta(seconds=resolve_after)
            for rule in self._rules:
                if rule.is_source(alert):
                    at = _At(rule.row.pk, rule.key(alert), rule.is_target(alert))
                    found[at] = max(until, found.get(at, until))
        if found:
            _store(found, self._now)

    def expect(self, alerts: Iterable[Alert]) -> None:
        """Ask for all of these at once, rather than for each."""
        self._ask({at for alert in alerts for rule in self._rules for at in _inhibitors(rule, alert)})

    def of(self, alert: Alert) -> tuple[Inhibition, datetime] | None:
        """The inhibition under which an alert is, and until when it is; None where it is under none."""
        for rule in self._rules:
            wanted = _inhibitors(rule, alert)
            self._ask(wanted)
            if until := max((found for at in wanted if (found := self._firing[at])), default=None):
                return rule.row, until
        return None

    def _ask(self, wanted: Iterable[_At]) -> None:
        """Look up what was not looked up yet."""
        unknown = {at for at in wanted if at not in self._firing}
        if not unknown:
            return
        self._firing |= dict.fromkeys(unknown)
        self._firing |= {at: until for at, until in _stored(unknown).items() if until > self._now}


def _inhibitors(rule: _Rule, alert: Alert) -> list[_At]:
    """The sources that would inhibit an alert. What is both source and target is not inhibited by such as itself."""
    if not rule.is_target(alert):
        return []
    key = rule.key(alert)
    return [_At(rule.row.pk, key, both) for both in ((False,) if rule.is_source(alert) else (False, True))]


def _stored(wanted: Collection[_At]) -> dict[_At, datetime]:
    """Until when some sources fire, of those that have a row; and of some others."""
    rows = InhibitionSource.objects.filter(
        inhibition_id__in={at.inhibition for at in wanted}, key__in={at.key for at in wanted}
    )
    return {_At(row.inhibition_id, row.key, row.also_target): row.until for row in rows}


def _store(found: dict[_At, datetime], now: datetime) -> None:
    stored = _stored(found)
    later = {at: until for at, until in found.items() if at not in stored or until > stored[at]}
    InhibitionSource.objects.bulk_create(
        # In one order, so that two workers never wait for each other's rows.
        [InhibitionSource(**_fields(at), until=until) for at, until in sorted(later.items())],
        update_conflicts=True,
        unique_fields=["inhibition", "key", "also_target"],
        update_fields=["until"],
    )
    if later.keys() - stored.keys():
        InhibitionSource.objects.filter(until__lt=now - KEPT).delete()


def _fields(at: _At) -> dict[str, int | str | bool]:
    return {"inhibition_id": at.inhibition, "key": at.key, "also_target": at.also_target}
