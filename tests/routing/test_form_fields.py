"""Conditions, moments and spans as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from routing.form_fields import ConditionField, MomentField, SearchField, SpanField, moment
from routing.searching import MOST_TESTS

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30min", NOW - timedelta(minutes=30)),
        ("30 m", NOW - timedelta(minutes=30)),
        ("24h", NOW - timedelta(hours=24)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20 14:30", datetime(2026, 11, 20, 14, 30, tzinfo=UTC)),
        ("2026-11-20T14:30:05Z", datetime(2026, 11, 20, 14, 30, 5, tzinfo=UTC)),
        ("2026-11-20T14:30:00+02:00", datetime(2026, 11, 20, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_span_before_now_or_a_time_in_utc(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


def test_ahead_a_span_counts_from_now_on() -> None:
    assert moment("2h", NOW, ahead=True) == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    "text",
    ["yesterday", "24", "h", "2026-02-30", "2026-11-23 25:00", "-1h", "1h2", "0001-01-01T00:00+14:00"],
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="30min, 24h, 7d"):
        moment(text, NOW)
    with pytest.raises(ValidationError, match="30min, 24h, 7d"):
        MomentField(placeholder="").clean(text)


def test_no_moment_is_none() -> None:
    assert MomentField(required=False, placeholder="").clean(" ") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("45", 45), ("30s", 30), ("5min", 300), ("4 h", 14_400), ("2d", 172_800), ("1w", 604_800)],
)
def test_a_span_is_seconds(text: str, seconds: int) -> None:
    assert SpanField(most=604_800).clean(text) == seconds


@pytest.mark.parametrize("seconds", [0, 1, 59, 60, 90, 300, 3600, 86_400, 604_800])
def test_a_span_reads_back_what_it_shows(seconds: int) -> None:
    field = SpanField(most=604_800)
    assert field.clean(field.prepare_value(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "soon", "8d", "-5", "1.5h"])
def test_a_span_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        SpanField(most=604_800).clean(text)


def test_a_condition_is_kept_as_written() -> None:
    assert ConditionField().clean("alert.rule =  Read ") == "alert.rule =  Read"
    assert ConditionField(required=False).clean("  ") == ""


def test_a_condition_that_does_not_compile_points_at_the_place() -> None:
    with pytest.raises(ValidationError) as caught:
        ConditionField().clean("alert.rule = x and alert.hostnam = y")
    first, line, caret = caught.value.messages[0].splitlines()
    assert first.startswith("Line 1, column 20:")
    assert "alert.hostname" in first
    assert line[caret.index("^") :].startswith("alert.hostnam")


def test_routes_and_silences_take_what_is_too_much_for_a_search() -> None:
    pattern = " or ".join(f"alert.hostname = web-{number}" for number in range(MOST_TESTS[connection.vendor] + 1))
    assert ConditionField().clean(pattern) == pattern
    with pytest.raises(ValidationError, match="too many to search for"):
        SearchField().clean(pattern)
