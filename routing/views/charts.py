"""Numbers as plain SVG: rectangles to place, classes to colour. No script, prints, can be tested as text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sensor.alert import Priority

BANDS = [
    ("severe", "Critical and worse", Priority.CRITICAL),
    ("error", "Error", Priority.ERROR),
    ("warning", "Warning", Priority.WARNING),
    ("rest", "Notice and less", Priority.DEBUG),
]
HEIGHT = 100.0
COLUMN = 10.0


@dataclass(frozen=True)
class Block:
    """One band of one column."""

    band: str
    y: float
    height: float


@dataclass(frozen=True)
class Column:
    start: datetime
    end: datetime
    x: float
    total: int
    blocks: list[Block]


@dataclass(frozen=True)
class Chart:
    """Stacked columns over time."""

    columns: list[Column]
    width: float
    top: int
    """What the full height stands for."""
    total: int


def band_of(priority: int) -> str:
    """The band that a priority is drawn in."""
    return next(name for name, _, least in BANDS if priority <= least)


def stacked(counts: Iterable[tuple[int, int, int]], start: datetime, step: timedelta, columns: int) -> Chart:
    """A chart of `(column, priority, count)`, columns numbered from 0 at `start`."""
    table: list[dict[str, int]] = [{} for _ in range(columns)]
    for column, priority, count in counts:
        if 0 <= column < columns:
            band = band_of(priority)
            table[column][band] = table[column].get(band, 0) + count
    top = max((sum(bands.values()) for bands in table), default=0)
    drawn = [
        Column(start + i * step, start + (i + 1) * step, i * COLUMN, sum(bands.values()), _blocks(bands, top))
        for i, bands in enumerate(table)
    ]
    return Chart(drawn, columns * COLUMN, top, sum(column.total for column in drawn))


def _blocks(bands: Mapping[str, int], top: int) -> list[Block]:
    blocks, y = [], HEIGHT
    for band, _, _ in BANDS:
        if count := bands.get(band):
            height = round(count / top * HEIGHT, 2)
            y = round(y - height, 2)
            blocks.append(Block(band, y, height))
    return blocks


@dataclass(frozen=True)
class Bar:
    name: str
    count: int
    percent: float


def bars(counts: Sequence[tuple[str, int]]) -> list[Bar]:
    """A ranking as bars, relative to its first."""
    most = counts[0][1] if counts else 1
    return [Bar(name, count, round(100 * count / most, 1)) for name, count in counts]


def aligned(now: datetime, step: timedelta, columns: int) -> datetime:
    """Where a chart that ends with the step `now` lies in begins, so that columns do not crawl."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + ((now - epoch) // step + 1 - columns) * step
