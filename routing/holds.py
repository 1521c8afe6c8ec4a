"""Why something is not told now: silences, maintenance windows and inhibitions hold alerts, time intervals hold routes.

What holds an alert makes it not worth telling: it is not told later either. What holds a route only makes it wait.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q, QuerySet

from routing import bulk, silences, windows
from routing.inhibition import Inhibitions
from routing.intervals import FARTHEST
from routing.lookups import Tables
from routing.matching import RuleError, silence_for
from routing.models import Alert
from routing.searching import search
from routing.tree import Node


@dataclass(frozen=True, slots=True)
class Hold:
    """Why, and when it is worth to look again."""

    reason: str
    until: datetime
    waits: bool = False
    """Whether what it holds is told later."""
    condition: str | None = field(default=None, compare=False)
    """It holds all alerts for which this holds; None where there is more to it."""


class Holds:
    """Everything that holds at one moment, loaded once and asked for many alerts and routes."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._tables = Tables()
        self._silences = silences.active(now)
        self._windows = windows.active(now)
        self._inhibitions = Inhibitions(now)
        self._of_alerts: dict[object, Hold | None] = {}
        self._hushed: dict[object, Hold | None] = {}
        self._of_routes: dict[int, Hold | None] = {}

    def enrich(self, alerts: Iterable[Alert]) -> None:
        """Give alerts what the lookup tables say about them, as `Tables.enrich`."""
        self._tables.enrich(alerts)

    def notice(self, routed: Iterable[tuple[Alert, int]]) -> None:
        """Alerts that were just routed, each with the seconds after which its group is resolved."""
        self._inhibitions.notice(routed)

    def expect(self, alerts: Collection[Alert]) -> None:
        """These will be asked for."""
        self._tables.enrich(alerts)
        self._inhibitions.expect(alerts)

    def of_alert(self, alert: Alert) -> Hold | None:
        """What holds an alert; None where it may be told."""
        if alert.pk not in self._of_alerts:
            self._of_alerts[alert.pk] = self.hushed(alert) or self._inhibited(alert)
        return self._of_alerts[alert.pk]

    def first_free(self, held: Alert, chunks: Iterable[QuerySet[Alert]]) -> list[Alert]:
        """Those that nothing holds, of the first chunk that has any; nothing is remembered, for they may be very many.

        Most are held by what holds `held`, the one that came after them, and the database leaves these out if it can.
        """
        beside = Q()
        left_out: list[str] = []
        for chunk in chunks:
            hold = next(self._holding(held), None)
            if hold and hold.condition is not None and hold.condition not in left_out:
                if not hold.condition.strip():
                    break
                # What is too much to search for at once, or cannot be, is left to us.
                with suppress(RuleError):
                    beside = search(" and ".join(f"not ({one})" for one in [*left_out, hold.condition])).query
                    left_out.append(hold.condition)
            keys = list(chunk.filter(beside).order_by("pk").values_list("pk", flat=True))
            found = bulk.read_alerts(Alert.objects.filter(pk__among=keys).order_by("pk"))
            self.expect(found)
            if free := [alert for alert in found if not next(self._holding(alert), None)]:
                return free
            held = found[-1] if found else held
        return []

    def each_of(self, alert: Alert) -> list[Hold]:
        """Everything that holds an alert: a silence, a maintenance window, an inhibition."""
        self._tables.enrich([alert])
        return list(self._holding(alert))

    def hushed(self, alert: Alert) -> Hold | None:
        """The silence or the maintenance window of an alert: then it asks for no response action either."""
        if alert.pk not in self._hushed:
            self._tables.enrich([alert])
            self._hushed[alert.pk] = self._silenced(alert) or self._maintained(alert)
        return self._hushed[alert.pk]

    def of_route(self, node: Node) -> Hold | None:
        """What makes a route wait; None where it may tell."""
        if node.key not in self._of_routes:
            self._of_routes[node.key] = muted(node, self._now)
        return self._of_routes[node.key]

    def _holding(self, alert: Alert) -> Iterator[Hold]:
        for look in (self._silenced, self._maintained, self._inhibited):
            if hold := look(alert):
                yield hold

    def _silenced(self, alert: Alert) -> Hold | None:
        silence = silence_for(alert, self._silences, self._now) if self._silences else None
        return Hold(f"silenced {silence}", silence.ends_at, condition=silence.condition) if silence else None

    def _maintained(self, alert: Alert) -> Hold | None:
        for window in self._windows:
            if window.takes(alert):
                return Hold(f"maintenance {window.name}", window.until, condition=window.condition)
        return None

    def _inhibited(self, alert: Alert) -> Hold | None:
        found = self._inhibitions.of(alert)
        return Hold(f"inhibited by {found[0].name}", found[1]) if found else None


def muted(node: Node, now: datetime) -> Hold | None:
    """What a route's intervals say `now`."""
    if muting := [interval for interval in node.mute_in if interval.contains(now)]:
        names = ", ".join(interval.name for interval in muting)
        return Hold(f"muted by {names}", max(interval.next_change(now) for interval in muting), waits=True)
    if node.active_in and not any(interval.contains(now) for interval in node.active_in):
        names = ", ".join(interval.name for interval in node.active_in)
        until = min((interval.next_change(now) for interval in node.active_in), default=now + FARTHEST)
        return Hold(f"muted outside {names}", until, waits=True)
    return None
