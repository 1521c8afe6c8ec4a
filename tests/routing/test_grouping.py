from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from routing.grouping import NotifyReason, key_of, labels_of, next_look, notify_reason
from tests.build import NOW


@dataclass
class Times:
    group_wait: int = 30
    group_interval: int = 300
    repeat_interval: int = 3600
    resolve_after: int = 7200


def at(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


FIELDS = {"alert.rule": "Shell", "proc.pid": 7, "alert.tags": ["a", "b"]}


def test_a_group_is_called_by_the_values_of_its_fields() -> None:
    labels = labels_of("u", ["alert.rule", "proc.pid", "alert.tags", "k8s.ns.name"], FIELDS.get)
    assert labels == {"alert.rule": "Shell", "proc.pid": "7", "alert.tags": "a, b", "k8s.ns.name": ""}


def test_grouping_by_nothing_makes_one_group_and_by_all_one_for_each_alert() -> None:
    assert labels_of("u", [], FIELDS.get) == {}
    assert labels_of("u", ["..."], FIELDS.get) == {"alert.uuid": "u"}


def test_the_key_does_not_depend_on_the_order_of_fields() -> None:
    assert key_of({"a": "1", "b": "2"}) == key_of({"b": "2", "a": "1"})
    assert key_of({"a": "1", "b": "2"}) != key_of({"a": "12", "b": ""})


@pytest.mark.parametrize(
    ("told", "told_count", "count", "state", "now", "reason"),
    [
        (None, 0, 1, "firing", 0, NotifyReason.FIRST),
        (None, 3, 4, "firing", 0, NotifyReason.FIRST),
        (0, 1, 1, "firing", 10, NotifyReason.NOTHING_NEW),
        (0, 1, 2, "firing", 299, NotifyReason.TOO_SOON),
        (0, 1, 2, "firing", 300, NotifyReason.NEW_ALERTS),
        (0, 1, 1, "firing", 3599, NotifyReason.NOTHING_NEW),
        (0, 1, 1, "firing", 3600, NotifyReason.REPEAT),
        (0, 1, 1, "firing", 7200, NotifyReason.RESOLVED),
        (0, 1, 2, "firing", 7200, NotifyReason.NEW_ALERTS),
        (0, 1, 2, "acknowledged", 400, NotifyReason.ACKNOWLEDGED),
        (0, 1, 1, "acknowledged", 3600, NotifyReason.ACKNOWLEDGED),
        (0, 1, 1, "acknowledged", 7200, NotifyReason.RESOLVED),
        (None, 1, 1, "firing", 7200, NotifyReason.RESOLVED),
        (0, 1, 1, "resolved", 9999, NotifyReason.NOTHING_NEW),
    ],
)
def test_what_there_is_to_tell(
    told: int | None, told_count: int, count: int, state: str, now: int, reason: NotifyReason
) -> None:
    told_at = None if told is None else at(told)
    assert notify_reason(told_at, told_count, count, state, NOW, Times(), at(now)) is reason


def test_without_an_interval_nothing_is_repeated() -> None:
    times = Times(repeat_interval=0, resolve_after=10**6)
    assert notify_reason(NOW, 1, 1, "firing", NOW, times, at(500_000)) is NotifyReason.NOTHING_NEW


@pytest.mark.parametrize(
    ("told", "told_count", "count", "state", "now", "look"),
    [
        (None, 0, 1, "firing", 0, 30),
        (0, 1, 2, "firing", 10, 300),
        (0, 1, 2, "firing", 500, 500),
        (0, 1, 1, "firing", 0, 3600),
        (5000, 1, 1, "firing", 5000, 7200),
        (0, 1, 1, "acknowledged", 0, 7200),
        (None, 1, 1, "firing", 0, 7200),
    ],
)
def test_when_a_group_is_looked_at_again(
    told: int | None, told_count: int, count: int, state: str, now: int, look: int
) -> None:
    told_at = None if told is None else at(told)
    assert next_look(told_at, told_count, count, state, NOW, Times(), at(now)) == at(look)
