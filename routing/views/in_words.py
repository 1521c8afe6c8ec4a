"""What a time interval, a maintenance window or an inhibition means, as a sentence."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from routing.intervals import MONTHS, WEEKDAYS
from routing.models import Inhibition, MaintenanceWindow
from routing.templatetags.display import span

_ORDINALS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}


def interval(spec: Sequence[Mapping[str, Any]]) -> str:
    """A stored interval, as `Monday to Friday, 22:00 to 24:00 and 00:00 to 06:00 (Europe/Berlin)`."""
    return "; or ".join(_entry(entry) for entry in spec)


def _entry(entry: Mapping[str, Any]) -> str:
    said = [
        _joined(_range(str(one), _weekday) for one in entry.get("weekdays", ())),
        _joined(f"{one['start_time']} to {one['end_time']}" for one in entry.get("times", ())),
        _joined((_range(str(one), _day) for one in entry.get("days_of_month", ())), "on the ", " of the month"),
        _joined((_range(str(one), _month) for one in entry.get("months", ())), "in "),
        _joined((_range(str(one), str) for one in entry.get("years", ())), "in "),
    ]
    # A day without a time is said to be whole, and a time without a day to be every day's.
    if not said[0] and not said[2]:
        said[0] = "every day"
    if not said[1]:
        said[1] = "all day"
    return f"{', '.join(part for part in said if part)} ({entry.get('location', 'UTC')})"


def _joined(parts: Iterable[str], before: str = "", after: str = "") -> str:
    said = list(parts)
    if not said:
        return ""
    listed = " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
    return f"{before}{listed}{after}"


def _range(given: str, word: Any) -> str:
    first, colon, last = given.strip().lower().partition(":")
    return f"{word(first)} to {word(last)}" if colon else str(word(first))


def _weekday(name: str) -> str:
    return name.capitalize() if name in WEEKDAYS else name


def _month(name: str) -> str:
    return MONTHS[int(name) - 1].capitalize() if name.isdecimal() else name.capitalize()


def _day(number: str) -> str:
    day = int(number)
    if day == -1:
        return "last day"
    ordinal = f"{abs(day)}{_ORDINALS.get(abs(day), 'th')}"
    return f"{ordinal} day from the end" if day < 0 else ordinal


def window(row: MaintenanceWindow) -> str:
    """When a maintenance window holds."""
    start = f"from {row.starts_at:%Y-%m-%d %H:%M}" if row.starts_at else ""
    end = f"until {row.ends_at:%Y-%m-%d %H:%M}" if row.ends_at else ""
    once = " ".join(part for part in (start, end) if part)
    once = f"{once} UTC" if once else ""
    if row.interval is None:
        length = f", {span((row.ends_at - row.starts_at).total_seconds())}" if row.starts_at and row.ends_at else ""
        return f"Once, {once}{length}"
    return f"Whenever {row.interval.name} holds{f', {once}' if once else ''}"


def inhibition(row: Inhibition) -> str:
    """What an inhibition does."""
    equal = f" with the same {_joined(row.equal)}" if row.equal else ""
    return (
        f"While an alert fires for which {row.source} holds, alerts{equal} for which {row.target} holds are not told."
    )
