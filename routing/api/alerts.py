"""GET /api/v1/alerts: the alerts, newest first, page by page."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema

from routing import matching
from routing.api.auth import Bearer
from routing.api.problems import Problem
from routing.form_fields import moment
from routing.models import Alert
from routing.searching import NOT_SEARCHABLE
from routing.storable import text
from sensor.alert import Priority, rfc3339
from sensor.rules.errors import RuleError

router = Router(tags=["alerts"])

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A plus sign in a URL's query is a blank; in a time it can only have been a zone's.
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")
_COLUMNS = (
    "id",
    "uuid",
    "time_ns",
    "received_at",
    "rule",
    "priority",
    "source",
    "hostname",
    "output",
    "output_fields",
    "tags",
    "time",
)


class Asked(Schema):
    """Every filter is optional; all that are given must hold."""

    q: str = ""
    """A condition (`proc.name = cat and alert.priority >= warning`), or else words of output, rule or hostname."""
    rule: str = ""
    """The rule's exact name."""
    hostname: str = ""
    """The exact name of the node."""
    priority: str = ""
    """One priority, or several with commas: exactly these."""
    at_least: str = ""
    """A priority: this one and all that are more severe."""
    since: str = ""
    """RFC 3339, or a span before now: `24h`."""
    until: str = ""
    """As `since`; this moment itself is left out."""
    limit: int = 100
    cursor: str = ""
    """`next` of the page before."""


class AlertOut(Schema):
    """One alert; `time` has nine decimals."""

    id: int
    uuid: str
    time: str
    received_at: str
    rule: str
    priority: str
    source: str
    hostname: str
    output: str
    output_fields: dict[str, Any]
    tags: list[str]


class Page(Schema):
    """Some alerts, and the cursor of the next page; null at the end."""

    items: list[AlertOut]
    next: str | None


MOST = 1_000


@router.get("/alerts", response=Page, auth=Bearer("view"), summary="List alerts, newest first")
def alerts(request: HttpRequest, asked: Query[Asked]) -> HttpResponse:
    if not 1 <= asked.limit <= MOST:
        raise Problem(422, f"limit must be between 1 and {MOST}.")
    found = filtered(asked, timezone.now()).order_by("-time", "-id").values(*_COLUMNS)[: asked.limit + 1]
    rows = list(found)
    more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    page = {"items": [described(row) for row in rows], "next": cursor_of(rows[-1]) if more else None}
    return HttpResponse(orjson.dumps(page), content_type="application/json")


def filtered(asked: Asked, now: datetime) -> QuerySet[Alert]:
    """The alerts asked for. Raises Problem 422 with what is wrong."""
    found = Alert.objects.all()
    if asked.q.strip():
        found = found.filter(_searched(text(asked.q)))
    if asked.rule:
        found = found.filter(rule=text(asked.rule))
    try:
        if asked.priority:
            found = found.filter(priority__in=[Priority.named(name.strip()) for name in asked.priority.split(",")])
        if asked.at_least:
            found = found.filter(priority__lte=Priority.named(asked.at_least.strip()))
        if asked.hostname:
            found = found.filter(hostname=text(asked.hostname))
        if asked.since:
            found = found.filter(time__gte=_moment(asked.since, now))
        if asked.until:
            found = found.filter(time__lt=_moment(asked.until, now))
        if asked.cursor:
            time, last = _place(asked.cursor)
            # The first bound is what the index is searched by.
            found = found.filter(Q(time__lt=time) | Q(id__lt=last), time__lte=time)
    except (ValueError, OverflowError) as error:
        raise Problem(422, f"{error}.") from None
    return found


def _searched(condition: str) -> Q:
    try:
        return matching.search(condition)
    except RuleError as error:
        if error.code == NOT_SEARCHABLE:
            raise Problem(422, f"q: {error.message}.") from None
    return Q(output__icontains=condition) | Q(rule__icontains=condition) | Q(hostname__icontains=condition)


def _moment(said: str, now: datetime) -> datetime:
    return moment(_LOST_PLUS.sub("+", said.strip()), now)


def cursor_of(row: dict[str, Any]) -> str:
    """Where a page ended: the last alert's time in microseconds, and its id."""
    return f"{(row['time'] - EPOCH) // timedelta(microseconds=1)}-{row['id']}"


def _place(cursor: str) -> tuple[datetime, int]:
    found = re.fullmatch(r"(\d{1,17})-(\d{1,18})", cursor, re.ASCII)
    if found is None:
        raise ValueError("cursor must be the `next` of a page")
    return EPOCH + timedelta(microseconds=int(found[1])), int(found[2])


def described(row: dict[str, Any]) -> dict[str, Any]:
    """An alert as the API gives it."""
    return {
        "id": row["id"],
        "uuid": str(row["uuid"]),
        "time": rfc3339(row["time_ns"]),
        "received_at": row["received_at"].isoformat().replace("+00:00", "Z"),
        "rule": row["rule"],
        "priority": Priority(row["priority"]).label,
        "source": row["source"],
        "hostname": row["hostname"],
        "output": row["output"],
        "output_fields": row["output_fields"],
        "tags": row["tags"],
    }
