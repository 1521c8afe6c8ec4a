"""Maintenance windows: what is not told while work is done."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from routing.intervals import Interval, IntervalError, interval_of
from routing.matching import Predicate, compiled, holds
from routing.models import Alert, MaintenanceWindow

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ActiveWindow:
    """A window that holds now."""

    name: str
    condition: str
    predicate: Predicate
    until: datetime

    def takes(self, alert: Alert) -> bool:
        """Whether the window is about an alert."""
        return holds(self.predicate, alert, f"maintenance window {self.name}")


def active(now: datetime) -> list[ActiveWindow]:
    """Those that hold now."""
    found = []
    for window in MaintenanceWindow.objects.filter(enabled=True).select_related("interval"):
        until = holds_until(window, now)
        predicate = compiled(window.condition, f"maintenance window {window.name}") if until else None
        if until and predicate:
            found.append(ActiveWindow(window.name, window.condition, predicate, until))
    return found


def holds_until(window: MaintenanceWindow, now: datetime) -> datetime | None:
    """Until when a window holds that holds now, or when to look again; None where it does not hold."""
    if (window.starts_at and now < window.starts_at) or (window.ends_at and now >= window.ends_at):
        return None
    ends = [window.ends_at] if window.ends_at else []
    if window.interval:
        interval = _readable(window.interval.name, window.interval.spec)
        if interval is None or not interval.contains(now):
            return None
        ends.append(interval.next_change(now))
    return min(ends, default=None)


def next_start(window: MaintenanceWindow, now: datetime) -> datetime | None:
    """When a window that does not hold now next does; None where it never does, or not within a year."""
    start = max(window.starts_at or now, now)
    found: datetime | None = start
    if window.interval:
        interval = _readable(window.interval.name, window.interval.spec)
        if interval is None:
            return None
        found = start if interval.contains(start) else interval.next_start(start)
    return found if found and (window.ends_at is None or found < window.ends_at) else None


def _readable(name: str, spec: object) -> Interval | None:
    try:
        return interval_of(name, spec)
    except IntervalError as error:
        log.error("interval_broken", interval=name, problem=str(error))
        return None
