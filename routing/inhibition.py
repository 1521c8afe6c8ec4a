"""Inhibition: what one alert explains is not told while it fires.

Which alerts of a source fire is kept as a few rows of hashes, written in the transaction that routes them: asking
costs one query a batch, however many alerts there are.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from routing import tree
from routing.days import lowest
from routing.grouping import key_of, labels_of
from routing.lookups import Tables
from routing.matching import Predicate, compiled, holds, value_of
from routing.models import Alert, AlertGroup, GroupedAlert, Inhibition, InhibitionSource

KEPT = timedelta(days=1)
"""How long a source's row is kept that holds no more."""
MOST_LOOKED_AT = 10_000
"""Alerts that fire already when an inhibition is made or changed, the newest ones: reading them takes a second."""
LATE = timedelta(days=1)
"""How much older than what routed it an alert is that fires already."""


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
        labels = labels_of("", self.row.equal, partial(value_of, alert))
        # A source of what the inhibition said before is none of what it says now. No field is called like these.
        return key_of({**labels, "source": self.row.source, "target": self.row.target})

    def at(self, alert: Alert) -> _At | None:
        """Where an alert is remembered as a source; None where it is none."""
        return _At(self.row.pk, self.key(alert), self.is_target(alert)) if self.is_source(alert) else None


class Inhibitions:
    """The inhibitions that are in use, as one batch sees them."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._rules = _rules(Inhibition.objects.filter(enabled=True))
        self._firing: dict[_At, datetime | None] = {}
        """Until when the sources fire that were asked for."""

    def notice(self, routed: Iterable[tuple[Alert, int]]) -> None:
        """Remember the sources among some alerts and the seconds after which their groups resolve."""
        if self._rules:
            until = ((alert, self._now + timedelta(seconds=resolve_after)) for alert, resolve_after in routed)
            _remember(self._rules, until, self._now)

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


def look_back(row: Inhibition, now: datetime) -> None:
    """An inhibition is new or says something else: forget what it held for sources, remember those that fire already.

    A batch that is routed at this moment may still write rows of what it said before; nothing asks for their keys.
    """
    # In the order of `_store`, so that workers are waited for.
    held = row.sources.order_by("key", "also_target").select_for_update()
    row.sources.filter(pk__in=list(held.values_list("pk", flat=True))).delete()
    if rules := _rules([row] if row.enabled else []):
        _remember(rules, _firing(now), now)


def _firing(now: datetime) -> Iterator[tuple[Alert, datetime]]:
    """The newest alerts of groups that are not resolved, each until its group would be if no other came."""
    seconds = {key: node.resolve_after for key, node in tree.load().by_key.items()}
    since = now - timedelta(seconds=max(seconds.values(), default=0))
    going_on = GroupedAlert.objects.exclude(group__state=AlertGroup.State.RESOLVED).filter(
        alert__gte=lowest(since - LATE), routed_at__gt=since
    )
    tables = Tables()
    newest = going_on.order_by("-alert").select_related("group", "alert__sensor")[:MOST_LOOKED_AT]
    for member in newest.iterator(chunk_size=500):
        until = member.routed_at + timedelta(seconds=seconds[member.group.route_id])
        if until > now:
            tables.enrich([member.alert])
            yield member.alert, until


def _rules(rows: Iterable[Inhibition]) -> list[_Rule]:
    """Those that can be read."""
    return [
        _Rule(row, source, target)
        for row in rows
        if (source := compiled(row.source, f"inhibition {row.name}"))
        and (target := compiled(row.target, f"inhibition {row.name}"))
    ]


def _remember(rules: Collection[_Rule], firing: Iterable[tuple[Alert, datetime]], now: datetime) -> None:
    """The sources among some alerts, and until when they fire."""
    found: dict[_At, datetime] = {}
    for alert, until in firing:
        for rule in rules:
            if at := rule.at(alert):
                found[at] = max(until, found.get(at, until))
    if found:
        _store(found, now)


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
