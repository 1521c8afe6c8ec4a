"""Pages by key: the next page starts after the last row shown, however many rows lie before it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

PAGE = 50
# Beyond this nobody needs the exact number, and counting would cost more than the page.
COUNTED = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Page(Generic[Row]):
    rows: list[Row]
    older: str
    """The cursor of the next page; empty on the last."""
    paged: bool
    """Whether this is not the first page."""


def page(rows: QuerySet[Row], cursor: str, by: str = "time", size: int = PAGE) -> Page[Row]:
    """The newest `size` rows after the cursor, by the time column `by`; a cursor without sense is the first page."""
    after = _parsed(cursor)
    if after is not None:
        moment, pk = after
        rows = rows.filter(Q(**{f"{by}__lt": moment}) | Q(**{by: moment, "pk__lt": pk}))
    found = list(rows.order_by(f"-{by}", "-pk")[: size + 1])
    shown = found[:size]
    older = _cursor(getattr(shown[-1], by), shown[-1].pk) if len(found) > size else ""
    return Page(shown, older, after is not None)


def counted(rows: QuerySet[Any]) -> str:
    """How many, in words: exact to ten thousand, then `10,000+`."""
    number = rows.order_by()[: COUNTED + 1].count()
    return f"{COUNTED:,}+" if number > COUNTED else f"{number:,}"


def _cursor(moment: datetime, pk: int) -> str:
    return f"{(moment - _EPOCH) // timedelta(microseconds=1)}.{pk}"


def _parsed(cursor: str) -> tuple[datetime, int] | None:
    microseconds, _, pk = cursor.partition(".")
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds)), int(pk)
    except (ValueError, OverflowError):
        return None
