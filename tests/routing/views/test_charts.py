"""Numbers as rectangles."""

from datetime import UTC, datetime, timedelta

import pytest

from routing.views.charts import HEIGHT, aligned, band_of, bars, stacked

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_blocks_of_a_column_stand_on_one_another_the_most_severe_below() -> None:
    chart = stacked([(1, 0, 1), (1, 4, 2), (1, 6, 1), (2, 3, 2)], START, MINUTE, 3)
    assert (chart.total, chart.top) == (6, 4)
    assert [column.total for column in chart.columns] == [0, 4, 2]
    blocks = chart.columns[1].blocks
    assert [block.band for block in blocks] == ["severe", "warning", "rest"]
    assert blocks[0].y + blocks[0].height == HEIGHT
    assert blocks[-1].y == 0
    assert chart.columns[1].start == START + MINUTE


def test_what_lies_outside_is_left_out_and_nothing_is_no_chart_of_zero_height() -> None:
    chart = stacked([(-1, 0, 5), (3, 0, 5)], START, MINUTE, 3)
    assert (chart.total, chart.top) == (0, 0)
    assert [column.blocks for column in chart.columns] == [[], [], []]


@pytest.mark.parametrize(
    ("priority", "band"), [(0, "severe"), (2, "severe"), (3, "error"), (4, "warning"), (7, "rest")]
)
def test_every_priority_has_a_band(priority: int, band: str) -> None:
    assert band_of(priority) == band


def test_columns_begin_at_whole_steps_and_the_last_holds_now() -> None:
    now = START + timedelta(minutes=7, seconds=30)
    start = aligned(now, timedelta(minutes=6), 3)
    assert start == START - timedelta(minutes=6)
    assert start + 2 * timedelta(minutes=6) <= now < start + 3 * timedelta(minutes=6)


def test_bars_are_relative_to_the_first() -> None:
    assert [bar.percent for bar in bars([("a", 8), ("b", 2)])] == [100.0, 25.0]
    assert bars([]) == []
