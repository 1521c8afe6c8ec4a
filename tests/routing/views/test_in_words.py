"""Intervals, windows and inhibitions as sentences."""

from datetime import timedelta
from typing import Any

import pytest

from routing.models import Inhibition, MaintenanceWindow, TimeInterval
from routing.views import in_words
from tests.build import NOW


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            [
                {
                    "times": [
                        {"start_time": "22:00", "end_time": "24:00"},
                        {"start_time": "00:00", "end_time": "06:00"},
                    ],
                    "weekdays": ["monday:friday"],
                    "location": "Europe/Berlin",
                }
            ],
            "Monday to Friday, 22:00 to 24:00 and 00:00 to 06:00 (Europe/Berlin)",
        ),
        (
            [{"days_of_month": ["1:7", "-1"], "months": ["january:march", "12"], "years": ["2026:2030"]}],
            "all day, on the 1st to 7th and last day of the month, in January to March and December, "
            "in 2026 to 2030 (UTC)",
        ),
        ([{"days_of_month": ["-3", "2", 22]}], "all day, on the 3rd day from the end, 2nd and 22nd of the month (UTC)"),
        ([{"months": [7]}], "every day, all day, in July (UTC)"),
        ([{"weekdays": ["sunday"]}, {"weekdays": ["saturday"]}], "Sunday, all day (UTC); or Saturday, all day (UTC)"),
    ],
)
def test_an_interval_is_a_sentence(spec: list[dict[str, Any]], words: str) -> None:
    assert in_words.interval(spec) == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"starts_at": NOW, "ends_at": NOW + timedelta(hours=4)},
            "Once, from 2026-11-23 12:00 until 2026-11-23 16:00 UTC, 4 h",
        ),
        ({"ends_at": NOW}, "Once, until 2026-11-23 12:00 UTC"),
        ({"interval": TimeInterval(name="nights")}, "Whenever nights holds"),
        (
            {"interval": TimeInterval(name="nights"), "ends_at": NOW},
            "Whenever nights holds, until 2026-11-23 12:00 UTC",
        ),
    ],
)
def test_a_window_says_when_it_holds(fields: dict[str, Any], words: str) -> None:
    assert in_words.window(MaintenanceWindow(name="w", **fields)) == words


def test_an_inhibition_is_a_sentence() -> None:
    row = Inhibition(source="alert.rule = Lost", target="alert.priority > error", equal=["alert.hostname", "proc.name"])
    assert in_words.inhibition(row) == (
        "While an alert fires for which alert.rule = Lost holds, alerts with the same alert.hostname and proc.name "
        "for which alert.priority > error holds are not told."
    )
