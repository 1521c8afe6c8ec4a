from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.intervals import FARTHEST, IntervalError, interval_of

MINUTE = timedelta(minutes=1)


def holds(moment: str, **entry: Any) -> bool:
    return interval_of("an interval", [entry]).contains(datetime.fromisoformat(moment).replace(tzinfo=UTC))


def times(*pairs: str) -> list[dict[str, str]]:
    return [dict(zip(("start_time", "end_time"), pair.split("-"), strict=True)) for pair in pairs]


@pytest.mark.parametrize(
    ("moment", "entry", "expected"),
    [
        ("2026-11-23T09:00", {"times": times("09:00-17:00")}, True),
        ("2026-11-23T16:59:59", {"times": times("09:00-17:00")}, True),
        ("2026-11-23T17:00", {"times": times("09:00-17:00")}, False),
        ("2026-11-23T23:59:59", {"times": times("22:00-24:00", "00:00-06:00")}, True),
        ("2026-11-23T05:00", {"times": times("22:00-24:00", "00:00-06:00")}, True),
        # A Monday.
        ("2026-11-23T12:00", {"weekdays": ["monday:friday"]}, True),
        ("2026-11-22T12:00", {"weekdays": ["monday:friday"]}, False),
        ("2026-11-22T12:00", {"weekdays": ["Sunday"]}, True),
        ("2026-11-30T12:00", {"days_of_month": ["-1"]}, True),
        ("2026-11-29T12:00", {"days_of_month": ["-1"]}, False),
        ("2028-02-29T12:00", {"days_of_month": ["-1"]}, True),
        ("2026-02-28T12:00", {"days_of_month": ["-3:-1"]}, True),
        ("2026-02-25T12:00", {"days_of_month": ["-3:-1"]}, False),
        ("2026-02-25T12:00", {"days_of_month": ["20:-3"]}, True),
        ("2026-02-27T12:00", {"days_of_month": ["20:-3"]}, False),
        ("2026-02-01T12:00", {"days_of_month": ["1:7", "15"]}, True),
        ("2026-12-31T12:00", {"days_of_month": ["-1"], "months": ["12"]}, True),
        ("2026-12-31T12:00", {"months": ["january:march", "december"]}, True),
        ("2026-11-30T12:00", {"months": ["january:march", "december"]}, False),
        ("2026-11-30T12:00", {"years": ["2026:2030"]}, True),
        ("2025-11-30T12:00", {"years": ["2026:2030", "2020"]}, False),
        # 23:30 in London is the next day in Tokyo.
        ("2026-11-23T23:30", {"weekdays": ["tuesday"], "location": "Asia/Tokyo"}, True),
        ("2026-07-01T07:30", {"times": times("09:00-17:00"), "location": "Europe/Berlin"}, True),
        ("2026-12-01T07:30", {"times": times("09:00-17:00"), "location": "Europe/Berlin"}, False),
    ],
)
def test_a_moment_is_in_an_interval(moment: str, entry: dict[str, Any], expected: bool) -> None:
    assert holds(moment, **entry) is expected


def test_one_of_several_entries_is_enough() -> None:
    spec = [{"weekdays": ["saturday", "sunday"]}, {"times": times("20:00-24:00")}]
    interval = interval_of("quiet", spec)
    assert interval.contains(datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert interval.contains(datetime(2026, 11, 23, 21, tzinfo=UTC))
    assert not interval.contains(datetime(2026, 11, 23, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("now", "entry", "change"),
    [
        ("2026-11-23T08:00", {"times": times("09:00-17:00")}, "2026-11-23T09:00"),
        ("2026-11-23T09:00", {"times": times("09:00-17:00")}, "2026-11-23T17:00"),
        # Where one range follows the other nothing changes in between.
        ("2026-11-23T23:00", {"times": times("22:00-24:00", "00:00-06:00")}, "2026-11-24T06:00"),
        ("2026-11-21T12:00", {"weekdays": ["saturday"]}, "2026-11-22T00:00"),
        # The night in which clocks in Berlin go back an hour: there are two times of 02:30.
        ("2026-10-24T23:00", {"times": times("00:00-06:00"), "location": "Europe/Berlin"}, "2026-10-25T05:00"),
        ("2026-10-25T00:10", {"times": times("01:00-02:30"), "location": "Europe/Berlin"}, "2026-10-25T00:30"),
        ("2026-10-25T00:45", {"times": times("01:00-02:30"), "location": "Europe/Berlin"}, "2026-10-25T01:00"),
        ("2026-10-25T01:10", {"times": times("01:00-02:30"), "location": "Europe/Berlin"}, "2026-10-25T01:30"),
        # The night in which they go forward: there is none.
        ("2026-03-29T00:30", {"times": times("01:00-02:30"), "location": "Europe/Berlin"}, "2026-03-29T01:00"),
    ],
)
def test_when_it_next_begins_or_ends(now: str, entry: dict[str, Any], change: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert interval_of("i", [entry]).next_change(moment) == datetime.fromisoformat(change).replace(tzinfo=UTC)


CHANGES = [
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    # By half an hour.
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    # At midnight: a day that begins at 01:00, and one whose last hour is there twice.
    ("America/Santiago", "2026-04-05T03:00"),
    ("America/Santiago", "2026-09-06T04:00"),
]


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    """Ranges of whole minutes, mostly of the night."""
    minutes = st.integers(0, 4 * 60) | st.integers(0, 24 * 60)
    pairs = st.tuples(minutes, minutes).map(sorted).filter(lambda pair: pair[0] < pair[1])
    spans = draw(st.lists(pairs, max_size=3))
    clock = ["-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in pair) for pair in spans]
    days = draw(st.sampled_from([{}, {"weekdays": ["sunday"]}, {"weekdays": ["saturday", "monday"]}]))
    return {**days, "times": times(*clock)}


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@settings(max_examples=40, deadline=None)
@given(entry=entries(), minutes=st.integers(-36 * 60, 12 * 60))
def test_where_clocks_change_it_is_what_walking_minute_by_minute_finds(
    zone: str, change: str, entry: dict[str, Any], minutes: int
) -> None:
    changes = datetime.fromisoformat(change).replace(tzinfo=UTC)
    before, after = (moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in (changes - MINUTE, changes))
    assert before != after
    interval = interval_of("i", [{**entry, "location": zone}])
    now = changes + minutes * MINUTE
    walk = (now + step * MINUTE for step in range(1, FARTHEST // MINUTE))
    found = next((moment for moment in walk if interval.contains(moment) is not interval.contains(now)), now + FARTHEST)
    assert interval.next_change(now) == found


def test_what_does_not_change_soon_is_asked_again_in_a_while() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert interval_of("i", [{"years": ["2026"]}]).next_change(now) == now + FARTHEST
    assert timedelta(days=1) <= FARTHEST


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "a list of 1 to 100 entries"),
        ([], "a list of 1 to 100 entries"),
        ([{}], "entry 1 must be an object with some of times"),
        ([{"weekdays": ["monday"]}, {"day": ["monday"]}], "entry 2 has 'day'"),
        ([{"weekdays": "monday"}], "entry 1, weekdays must be a list"),
        ([{"weekdays": ["funday"]}], "entry 1, weekdays: 'funday' is not a weekday"),
        ([{"weekdays": ["1"]}], "'1' is not a weekday"),
        ([{"weekdays": ["friday:monday"]}], "ends before it starts; write two ranges"),
        ([{"months": ["13"]}], "'13' is not a month"),
        ([{"years": ["26"]}], "'26' is not a year"),
        ([{"days_of_month": ["0"]}], "'0' is not a day"),
        ([{"days_of_month": ["32"]}], "'32' is not a day"),
        ([{"days_of_month": ["7:1"]}], "ends before it starts"),
        ([{"days_of_month": ["-3:5"]}], "starts at the month's end"),
        ([{"times": ["9-17"]}], 'write {"start_time"'),
        ([{"times": times("9:00-17:00")}], "'9:00' is not a time"),
        ([{"times": times("09:60-17:00")}], "'09:60' is not a time"),
        ([{"times": times("09:00-24:01")}], "'24:01' is not a time"),
        ([{"times": times("22:00-06:00")}], "over midnight write two"),
        ([{"location": "Mars/Olympus"}], "'Mars/Olympus' is not a zone"),
        ([{"location": "../passwd"}], "is not a zone"),
        ([{"location": ""}], "is not a zone"),
        ([{"location": 3}], "is not a zone"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(spec: Any, said: str) -> None:
    with pytest.raises(IntervalError) as error:
        interval_of("i", spec)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"times": times("09:00-17:00")}, "2026-11-24T09:00"),
        ({"times": times("13:00-17:00")}, "2026-11-23T13:00"),
        ({"weekdays": ["sunday"], "days_of_month": ["1:7"]}, "2026-12-06T00:00"),
        ({"months": ["october"]}, "2027-10-01T00:00"),
        ({"years": ["2020"]}, None),
        ({"weekdays": ["monday:sunday"]}, None),
    ],
)
def test_it_next_begins_after_it_ended(entry: dict[str, Any], expected: str | None) -> None:
    found = interval_of("an interval", [entry]).next_start(datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert found == (datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else None)
