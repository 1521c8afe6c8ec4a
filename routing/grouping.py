"""How alerts become groups, and whether a group has anything to tell. Pure: no database, no clock."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

ALONE = "..."
"""In a route's `group_by`: every alert is a group of its own."""


class Timing(Protocol):
    """A route's times, in seconds."""

    @property
    def group_wait(self) -> int: ...
    @property
    def group_interval(self) -> int: ...
    @property
    def repeat_interval(self) -> int: ...
    @property
    def resolve_after(self) -> int: ...


class NotifyReason(StrEnum):
    """Why a group is told, or not."""

    NOTHING_NEW = "nothing new"
    TOO_SOON = "told a moment ago"
    ACKNOWLEDGED = "acknowledged"
    FIRST = "first alert of the group"
    NEW_ALERTS = "new alerts in the group"
    REPEAT = "repeat interval passed"
    RESOLVED = "no new alert for a while"

    @property
    def tells(self) -> bool:
        """Whether there is something to say."""
        return self in (self.FIRST, self.NEW_ALERTS, self.REPEAT, self.RESOLVED)


def labels_of(uuid: object, group_by: Sequence[str], value_of: Callable[[str], object]) -> dict[str, str]:
    """What an alert's group is called by: the `group_by` fields and their values, a missing one as an empty text."""
    if ALONE in group_by:
        return {"alert.uuid": str(uuid)}
    return {name: text_of(value_of(name)) for name in group_by}


def text_of(value: object) -> str:
    """A field's value as a label; a missing one is an empty text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def key_of(labels: Mapping[str, str]) -> str:
    """The hash of the labels: with the route, a group's identity. The order of `group_by` does not matter."""
    return _hash_of(tuple(labels.items()))


@lru_cache(maxsize=10_000)  # Most alerts are of groups that had some a moment ago.
def _hash_of(labels: tuple[tuple[str, str], ...]) -> str:
    return hashlib.sha256(json.dumps(dict(labels), sort_keys=True).encode()).hexdigest()


def notify_reason(
    told_at: datetime | None,
    told_count: int,
    count: int,
    state: str,
    last_seen_at: datetime,
    route: Timing,
    now: datetime,
) -> NotifyReason:
    """What a group that is looked at `now` has to tell.

    `told_at` is None where the group was not told since it began to fire; `told_count` and `count` are the alerts it
    had then and has now.
    """
    if state == "resolved":
        return NotifyReason.NOTHING_NEW
    if state == "firing" and count > told_count:
        if told_at is None:
            return NotifyReason.FIRST
        late_enough = now >= told_at + timedelta(seconds=route.group_interval)
        return NotifyReason.NEW_ALERTS if late_enough else NotifyReason.TOO_SOON
    if now >= last_seen_at + timedelta(seconds=route.resolve_after):
        return NotifyReason.RESOLVED
    if state == "acknowledged":
        return NotifyReason.ACKNOWLEDGED
    if told_at and route.repeat_interval and now >= told_at + timedelta(seconds=route.repeat_interval):
        return NotifyReason.REPEAT
    return NotifyReason.NOTHING_NEW


def next_look(
    told_at: datetime | None,
    told_count: int,
    count: int,
    state: str,
    last_seen_at: datetime,
    route: Timing,
    now: datetime,
) -> datetime:
    """When a group that is not resolved must be looked at again: to be told, repeated or resolved."""
    times = [last_seen_at + timedelta(seconds=route.resolve_after)]
    if state == "firing" and count > told_count:
        times = [now + timedelta(seconds=route.group_wait)]
        if told_at:
            times = [max(now, told_at + timedelta(seconds=route.group_interval))]
    elif state == "firing" and told_at and route.repeat_interval:
        times.append(told_at + timedelta(seconds=route.repeat_interval))
    return min(times)
