"""GET /api/v1/alerts: the alerts, newest first, page by page."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema

from routing import finding, searching
from routing.alert_fields import CATALOG
from routing.api.auth import Bearer
from routing.api.faults import refused
from routing.api.problems import Problem
from routing.form_fields import moment
from routing.matching import said
from routing.models import Alert
from routing.searching import EVERYTHING, NOT_SEARCHABLE, Search
from routing.storable import text
from sensor.alert import Priority, rfc3339
from sensor.rules import lexer
from sensor.rules.errors import RuleError

router = Router(tags=["alerts"])


class Asked(Schema):
    """Every filter is optional; all that are given must hold."""

    q: str = ""
    """A condition (`proc.name = cat and alert.priority >= warning`); what has no operator and names no field is words
    of output, rule or hostname."""
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
    read_to: str | None
    """How far back the search read, where it ran out of time before it had a page: `next` continues from there."""


MOST = 1_000
_ROOTS = {name.partition(".")[0] for name in CATALOG.fields}
"""What fields' names begin with; a host's name has dots, too."""
_OPERATOR = re.compile(r"[=<>]|\b(i?contains|i?glob|startswith|endswith|regex|intersects|pmatch)\b|\bin\s*\(")


@router.get("/alerts", response=Page, auth=Bearer("view"), summary="List alerts, newest first")
def alerts(request: HttpRequest, asked: Query[Asked]) -> HttpResponse:
    if not 1 <= asked.limit <= MOST:
        raise Problem(422, f"limit must be between 1 and {MOST}.")
    found = finding.find(*wanted(asked, timezone.now()), asked.limit)
    page = {
        "items": [described(alert) for alert in found.alerts],
        "next": found.older.hex if found.older else None,
        "read_to": found.read_to.isoformat().replace("+00:00", "Z") if found.read_to else None,
    }
    return HttpResponse(orjson.dumps(page), content_type="application/json")


def wanted(asked: Asked, now: datetime) -> tuple[QuerySet[Alert], Search, UUID | None]:
    """The alerts of the span that is asked for, the search for all other filters, and where to begin.

    Raises Problem 422.
    """
    search = _searched(text(asked.q)) if asked.q.strip() else EVERYTHING
    try:
        until = moment(asked.until, now) if asked.until else None
        since = moment(asked.since, now) if asked.since else (until or now) - finding.DEFAULT_SPAN
        if asked.at_least:
            search = search.also(Q(priority__lte=Priority.named(asked.at_least.strip())))
        if asked.rule:
            search = search.also(Q(rule=text(asked.rule)), ordered=True)
        if asked.priority:
            named = [Priority.named(name.strip()) for name in asked.priority.split(",")]
            search = search.also(Q(priority__in=named), ordered=True)
        if asked.hostname:
            search = search.also(Q(hostname=text(asked.hostname)), ordered=True)
        before = _place(asked.cursor) if asked.cursor else None
        return finding.between(since, until), search, before
    except (ValueError, OverflowError) as error:
        raise Problem(422, f"{error}.") from None


def _searched(asked: str) -> Search:
    """A condition, or else words of output, rule or hostname."""
    try:
        return searching.search(asked)
    except RuleError as error:
        if error.code == NOT_SEARCHABLE or not _are_words(asked):
            raise refused("q", said(error), error) from None
    return Search(Q(output__icontains=asked) | Q(rule__icontains=asked) | Q(hostname__icontains=asked))


def _are_words(asked: str) -> bool:
    """Whether it cannot have been meant as a condition: it has no operator, and nothing like a field of alerts.

    `in` and `exists` alone are words as well.
    """
    fields = (name.partition(".")[0] for name in lexer.FIELD.findall(asked))
    return not _OPERATOR.search(asked) and _ROOTS.isdisjoint(fields)


def _place(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError:
        raise ValueError("cursor must be the `next` of a page") from None


def described(alert: Alert) -> dict[str, Any]:
    """An alert as the API gives it."""
    return {
        "uuid": str(alert.uuid),
        "time": rfc3339(alert.time_ns),
        "received_at": alert.received_at.isoformat().replace("+00:00", "Z"),
        "rule": alert.rule,
        "priority": Priority(alert.priority).label,
        "source": alert.source,
        "hostname": alert.hostname,
        "output": alert.output,
        "output_fields": alert.output_fields,
        "tags": alert.tags,
    }
