"""Times of the week, the month and the year, written as Alertmanager writes `time_intervals`. Pure: no clock.

    [{"times": [{"start_time": "22:00", "end_time": "24:00"}], "weekdays": ["monday:friday"],
      "days_of_month": ["1:7", "-1"], "months": ["january:march"], "years": ["2026:2030"], "location": "Europe/Berlin"}]

A moment is in the interval when it is in one of the entries; it is in an entry when it is in one of the ranges of
everything that the entry names. Ranges include both ends, times leave out the end. Without a location it is UTC.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
MOST_ENTRIES = 100
FARTHEST = timedelta(days=2)
"""How far ahead `next_change` looks."""
YEAR = timedelta(days=366)
_MINUTES = 24 * 60
_CLOCK = re.compile(r"(\d{2}):(\d{2})")

Range = tuple[int, int]
NumberOf = Callable[[str], int | None]


class IntervalError(ValueError):
    """The interval cannot be read; the text names the place and says what to write."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, as ranges; an empty list takes everything."""

    minutes: tuple[Range, ...]
    """Minutes of the day, the end left out."""
    weekdays: tuple[Range, ...]
    """Monday is 0."""
    days: tuple[Range, ...]
    """Days of the month; -1 is the last one."""
    months: tuple[Range, ...]
    years: tuple[Range, ...]
    zone: tzinfo

    def contains(self, moment: datetime) -> bool:
        """Whether a moment is in the entry."""
        local = moment.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return (
            (not self.minutes or any(start <= minute < end for start, end in self.minutes))
            and _within(local.weekday(), self.weekdays)
            and _within(local.month, self.months)
            and _within(local.year, self.years)
            and (not self.days or self._on_day(local))
        )

    def boundaries(self, now: datetime) -> Iterator[datetime]:
        """Every moment of the days from now on at which something may change, in no order."""
        midnight = datetime.combine(now.astimezone(self.zone).date(), time(), self.zone)
        minutes = {0, *(minute for start, end in self.minutes for minute in (start, end))}
        for day in range(FARTHEST.days + 1):
            for minute in minutes:
                # By the wall clock first, then as a moment: where clocks go back there are two of it.
                wall = midnight + timedelta(days=day, minutes=minute)
                yield wall.astimezone(UTC)
                yield wall.replace(fold=1).astimezone(UTC)
            if change := self._change_of_clocks(now + timedelta(days=day)):
                yield change

    def _change_of_clocks(self, since: datetime) -> datetime | None:
        """When the zone's clocks change within a day: what they leave out or say twice may begin or end with that."""
        before, after = since.astimezone(UTC), since.astimezone(UTC) + timedelta(days=1)
        old = before.astimezone(self.zone).utcoffset()
        if after.astimezone(self.zone).utcoffset() == old:
            return None
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) // 2
            if middle.astimezone(self.zone).utcoffset() == old:
                before = middle
            else:
                after = middle
        return after.replace(microsecond=0)

    def _on_day(self, local: datetime) -> bool:
        length = (local.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        from_end = local.day - length.day - 1
        for start, end in self.days:
            first = local.day if start > 0 else from_end
            last = local.day if end > 0 else from_end
            if start <= first and last <= end:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Interval:
    """A named interval, ready to be asked."""

    name: str
    entries: tuple[Entry, ...]

    def contains(self, moment: datetime) -> bool:
        """Whether a moment is in one of the entries."""
        return any(entry.contains(moment) for entry in self.entries)

    def next_change(self, now: datetime) -> datetime:
        """When it next begins or ends to hold; in `FARTHEST` where it does not before."""
        holds = self.contains(now)
        moments = (moment for entry in self.entries for moment in entry.boundaries(now))
        changes = (one for one in moments if now < one < now + FARTHEST and self.contains(one) is not holds)
        return min(changes, default=now + FARTHEST)

    def next_start(self, now: datetime) -> datetime | None:
        """When it next begins to hold, after it ended where it holds now; None where it does not within a year."""
        moment, held = now, self.contains(now)
        while moment < now + YEAR:
            moment = self.next_change(moment)
            if self.contains(moment) and not held:
                return moment
            held = self.contains(moment)
        return None


def _within(value: int, ranges: Sequence[Range]) -> bool:
    return not ranges or any(start <= value <= end for start, end in ranges)


def interval_of(name: str, spec: Any) -> Interval:
    """The interval of a stored spec. Raises IntervalError with the place of what is wrong."""
    return _interval(name, json.dumps(spec))


@lru_cache(maxsize=256)
def _interval(name: str, text: str) -> Interval:
    return Interval(name, parse(json.loads(text)))


def parse(spec: Any) -> tuple[Entry, ...]:
    """The entries of a spec. Raises IntervalError with the place of what is wrong."""
    if not isinstance(spec, list) or not 1 <= len(spec) <= MOST_ENTRIES:
        raise IntervalError(f"an interval is a list of 1 to {MOST_ENTRIES} entries")
    return tuple(_entry(entry, f"entry {number}") for number, entry in enumerate(spec, start=1))


KEYS = ("times", "weekdays", "days_of_month", "months", "years", "location")


def _entry(entry: Any, place: str) -> Entry:
    if not isinstance(entry, Mapping) or not entry:
        raise IntervalError(f"{place} must be an object with some of {', '.join(KEYS)}")
    if unknown := sorted(set(entry) - set(KEYS)):
        raise IntervalError(f"{place} has {unknown[0]!r}, which is none of {', '.join(KEYS)}")
    return Entry(
        minutes=tuple(_clock_range(given, f"{place}, times") for given in _list(entry, "times", place)),
        weekdays=_ranges(entry, "weekdays", place, _named(WEEKDAYS, 0), "a weekday, as monday or monday:friday"),
        days=_days(entry, place),
        months=_ranges(entry, "months", place, _named(MONTHS, 1), "a month, as january, 1 or 1:3"),
        years=_ranges(entry, "years", place, _number(1970, 9999), "a year, as 2026 or 2026:2030"),
        zone=_zone(entry.get("location", "UTC"), place),
    )


def _list(entry: Mapping[str, Any], key: str, place: str) -> list[Any]:
    given = entry.get(key, [])
    if not isinstance(given, list) or len(given) > MOST_ENTRIES:
        raise IntervalError(f"{place}, {key} must be a list of at most {MOST_ENTRIES}")
    return given


def _ranges(entry: Mapping[str, Any], key: str, place: str, number_of: NumberOf, allowed: str) -> tuple[Range, ...]:
    found = []
    for given in _list(entry, key, place):
        first, colon, last = str(given).strip().lower().partition(":")
        start, end = number_of(first), number_of(last if colon else first)
        if start is None or end is None:
            raise IntervalError(f"{place}, {key}: {given!r} is not {allowed}")
        if start > end:
            raise IntervalError(f"{place}, {key}: {given!r} ends before it starts; write two ranges")
        found.append((start, end))
    return tuple(found)


def _named(names: Sequence[str], first: int) -> NumberOf:
    def number_of(text: str) -> int | None:
        if text in names:
            return names.index(text) + first
        # Weekdays have no numbers, for nobody agrees which one is the first.
        return int(text) if first and text.isdecimal() and 1 <= int(text) <= len(names) else None

    return number_of


def _number(least: int, most: int) -> NumberOf:
    def number_of(text: str) -> int | None:
        plain = text.removeprefix("-")
        if not (plain.isascii() and plain.isdecimal() and len(plain) <= 4):
            return None
        return int(text) if least <= int(text) <= most else None

    return number_of


def _days(entry: Mapping[str, Any], place: str) -> tuple[Range, ...]:
    """Days count from the month's start, or below zero from its end; a range may go from one to the other."""
    found = []
    for given in _list(entry, "days_of_month", place):
        first, colon, last = str(given).strip().partition(":")
        start, end = (_number(-31, 31)(text) for text in (first, last if colon else first))
        if not start or not end:
            raise IntervalError(f"{place}, days_of_month: {given!r} is not a day, as 1, 1:7, -1 or -7:-1")
        if (start > 0) is (end > 0) and start > end:
            raise IntervalError(f"{place}, days_of_month: {given!r} ends before it starts; write two ranges")
        if start < 0 < end:
            raise IntervalError(f"{place}, days_of_month: {given!r} starts at the month's end; write two ranges")
        found.append((start, end))
    return tuple(found)


def _clock_range(given: Any, place: str) -> Range:
    if not isinstance(given, Mapping) or set(given) != {"start_time", "end_time"}:
        raise IntervalError(f'{place}: write {{"start_time": "09:00", "end_time": "17:00"}}')
    start, end = (_minute(given[key], place) for key in ("start_time", "end_time"))
    if start >= end:
        raise IntervalError(
            f"{place}: {given['start_time']} to {given['end_time']} is empty; over midnight write two, until 24:00 "
            "and from 00:00"
        )
    return start, end


def _minute(given: Any, place: str) -> int:
    found = _CLOCK.fullmatch(str(given))
    minute = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else -1
    if not 0 <= minute <= _MINUTES:
        raise IntervalError(f"{place}: {given!r} is not a time from 00:00 to 24:00")
    return minute


def _zone(given: Any, place: str) -> tzinfo:
    if given == "UTC":
        return UTC
    try:
        return ZoneInfo(str(given))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise IntervalError(f"{place}, location: {given!r} is not a zone, as Europe/Berlin or UTC") from None
