"""Time intervals, maintenance windows and inhibitions, as people write them down."""

from datetime import datetime
from itertools import chain
from typing import Any

from routing import inhibition
from routing.definitions.base import Definition, Row, Said
from routing.faults import Fault, check_condition, check_fields
from routing.intervals import IntervalError, interval_of
from routing.models import Inhibition, MaintenanceWindow, TimeInterval
from routing.shapes import InhibitionShape, IntervalShape, WindowShape
from routing.waiting import look_again, take_steps


class _Quiet(Definition[Row, Said]):
    """Escalation steps may be put off because of it."""

    def took_effect(self, row: Row, changed: set[str], now: datetime) -> None:
        take_steps(now)

    def leaves(self, now: datetime) -> None:
        take_steps(now)


class _Intervals(Definition[TimeInterval, IntervalShape]):
    model = TimeInterval
    shape = IntervalShape

    def said(self, row: TimeInterval) -> IntervalShape:
        return IntervalShape(name=row.name, spec=row.spec, comment=row.comment)

    def columns(self, said: IntervalShape, row: TimeInterval) -> dict[str, Any]:
        try:
            interval_of(said.name, said.spec)
        except IntervalError as error:
            words = str(error)
            raise Fault("spec", f"{words[:1].upper()}{words[1:]}.") from None
        return {"name": said.name, "spec": said.spec, "comment": said.comment}

    def took_effect(self, row: TimeInterval, changed: set[str], now: datetime) -> None:
        look_again(now)

    def users(self, row: TimeInterval) -> list[str]:
        routes = chain(row.muted_routes.all(), row.active_routes.all())
        names = [f"the route {route.name}" for route in dict.fromkeys(routes)]
        return names + [f"the maintenance window {window.name}" for window in row.windows.all()]


class _Windows(_Quiet[MaintenanceWindow, WindowShape]):
    model = MaintenanceWindow
    shape = WindowShape

    def said(self, row: MaintenanceWindow) -> WindowShape:
        return WindowShape(
            name=row.name,
            condition=row.condition,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            interval=row.interval.name if row.interval else None,
            comment=row.comment,
            enabled=row.enabled,
        )

    def columns(self, said: WindowShape, row: MaintenanceWindow) -> dict[str, Any]:
        check_condition("condition", said.condition, needed=True)
        if said.ends_at is None and said.interval is None:
            raise Fault("ends_at", "A window needs an end, or an interval in which it holds.")
        if said.starts_at and said.ends_at and said.ends_at <= said.starts_at:
            raise Fault("ends_at", "A window must end after it starts.")
        interval = TimeInterval.objects.filter(name=said.interval).first() if said.interval is not None else None
        if said.interval is not None and interval is None:
            raise Fault("interval", f"There is no time interval called {said.interval!r}.")
        return {**dict(said), "interval": interval}


class _Inhibitions(_Quiet[Inhibition, InhibitionShape]):
    model = Inhibition
    shape = InhibitionShape

    def said(self, row: Inhibition) -> InhibitionShape:
        return InhibitionShape(
            name=row.name, source=row.source, target=row.target, equal=row.equal, enabled=row.enabled
        )

    def took_effect(self, row: Inhibition, changed: set[str], now: datetime) -> None:
        inhibition.look_back(row, now)
        super().took_effect(row, changed, now)

    def columns(self, said: InhibitionShape, row: Inhibition) -> dict[str, Any]:
        check_condition("source", said.source, needed=True)
        check_condition("target", said.target, needed=True)
        check_fields("equal", said.equal)
        return dict(said)


INTERVALS = _Intervals()
WINDOWS = _Windows()
INHIBITIONS = _Inhibitions()
