"""What pages say about one definition: what it means, and whether it holds now or when it next does."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db.models import Model

from routing import lookups, windows
from routing.intervals import FARTHEST, IntervalError, interval_of
from routing.models import Inhibition, InhibitionSource, Lookup, MaintenanceWindow, TimeInterval
from routing.views import in_words

SHOWN_ROWS = 20


@dataclass(frozen=True)
class Telling:
    """One definition in words."""

    row: Any
    sentence: str
    holds: bool | None = None
    """Whether it holds now; None where it does not come and go."""
    at: datetime | None = None
    """When it next ends to hold, or begins to; None where nobody can say or it never does."""
    note: str = ""
    users: list[str] = field(default_factory=list)
    problem: str = ""
    """Why it cannot be used."""


def telling(row: Model, now: datetime, users: list[str]) -> Telling:
    """One definition of any kind."""
    match row:
        case TimeInterval():
            return _interval(row, now, users)
        case MaintenanceWindow():
            return _window(row, now)
        case Inhibition():
            firing = InhibitionSource.objects.filter(inhibition=row, until__gt=now).count()
            note = f"{firing} source{'' if firing == 1 else 's'} firing now" if firing else "no source fires now"
            return Telling(row, in_words.inhibition(row), note=note)
        case Lookup():
            return _lookup(row, users)
        case _:
            raise TypeError(f"{row!r} is no definition")


def _interval(row: TimeInterval, now: datetime, users: list[str]) -> Telling:
    try:
        interval = interval_of(row.name, row.spec)
    except IntervalError as error:
        return Telling(row, "", users=users, problem=str(error))
    holds = interval.contains(now)
    at = interval.next_change(now) if holds else interval.next_start(now)
    known = at if not holds or (at and at < now + FARTHEST) else None
    return Telling(row, in_words.interval(row.spec), holds, known, note=row.comment, users=users)


def _window(row: MaintenanceWindow, now: datetime) -> Telling:
    sentence = in_words.window(row)
    if not row.enabled:
        return Telling(row, sentence, False, note=row.comment)
    until = windows.holds_until(row, now)
    return Telling(row, sentence, until is not None, until or windows.next_start(row, now), note=row.comment)


def _lookup(row: Lookup, users: list[str]) -> Telling:
    try:
        table = lookups.parse(row.name, row.text)
    except lookups.LookupTableError as error:
        return Telling(row, "", note=row.comment, users=users, problem=error.problems[0])
    sentence = f"{len(table.rows):,} values of {table.field}, with {', '.join(table.columns)}"
    return Telling(row, sentence, note=row.comment, users=users)


def sample(row: Lookup) -> dict[str, Any] | None:
    """The first lines of a table; None where it cannot be read."""
    try:
        table = lookups.parse(row.name, row.text)
    except lookups.LookupTableError:
        return None
    lines = [
        (value, [cells.get(f"{row.name}.{column}", "") for column in table.columns])
        for value, cells in islice(table.rows.items(), SHOWN_ROWS)
    ]
    return {"field": table.field, "columns": table.columns, "lines": lines, "more": len(table.rows) - len(lines)}
