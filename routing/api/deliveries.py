"""The delivery log: what is owed to sinks and how every try went, sending again and giving up."""

from datetime import datetime
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from routing import delivery_filters, resending
from routing.api.asking import MOST, address, found
from routing.api.auth import Bearer, token_of
from routing.api.faults import told
from routing.api.problems import Problem
from routing.delivery_filters import DEAD, FILTERS
from routing.models import Attempt, Delivery
from routing.paging import page
from routing.shapes import Shape

router = Router(tags=["deliveries"])
KNOWN = Delivery.objects.select_related("sink", "route", "group")


class Asked(Schema):
    """Newest first. Every filter is optional; all that are given must hold."""

    state: str = Field(
        "",
        description="One of `queued`, `sending`, `sent`, `failed`, `unknown`, `suppressed`, "
        "`folded`, `discarded`, or several with commas.",
    )
    sink: str = Field("", description="A number or a name.")
    route: str = Field("", description="A number or a name.")
    group: str = Field("", description="A number.")
    since: str = Field("", description="When it was made: RFC 3339, or a span before now, as `24h`.")
    until: str = Field("", description="As `since`; this moment itself is left out.")
    limit: int = Field(100, ge=1, le=MOST)
    cursor: str = Field("", description="`next` of the page before.")


class Range(Shape):
    """At least one filter, as those of the list. Without `state` it is what failed or is unknown."""

    state: str = ""
    sink: str = ""
    route: str = ""
    group: str = ""
    since: str = ""
    until: str = ""


class Named(Schema):
    id: int
    name: str


class DeliveryOut(Schema):
    """One message owed to one sink."""

    id: int
    uuid: str = Field(description="Goes with every attempt, so that a receiver can tell a repeat.")
    sink: Named
    route: Named | None
    group: Named | None = Field(description="Null for a test message.")
    event: str
    reason: str
    state: str
    error: str
    alert_count: int
    other_groups: int
    attempts_made: int = Field(description="Since it was made, or last sent again.")
    created_at: datetime
    next_attempt_at: datetime | None = Field(description="Null where it is not tried again by itself.")
    settled_at: datetime | None
    folded_into: int | None


class AttemptOut(Schema):
    """One try. Secrets in `request` and `response` are starred, and both are cut."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    status: int | None
    latency_ms: int | None
    request: str
    response: str
    error: str


class DetailOut(DeliveryOut):
    """A delivery with the uuids of its alerts, and with every try."""

    alerts: list[str]
    attempts: list[AttemptOut]


class Page(Schema):
    items: list[DeliveryOut]
    next: str | None = Field(None, description="Null on the last page.")


class Changed(Schema):
    """What became of a range."""

    count: int
    more: bool = Field(description="Whether there may be more than are changed at a time: ask again.")


@router.get("/deliveries", response=Page, auth=Bearer("view"), summary="List deliveries, newest first")
def list_all(request: HttpRequest, asked: Annotated[Asked, Query()]) -> dict[str, Any]:
    rows = _wanted(asked).select_related("sink", "route", "group")
    shown = page(rows, asked.cursor, by="created_at", size=asked.limit)
    if asked.cursor and not shown.paged:
        raise Problem(422, "cursor must be the `next` of a page.")
    return {"items": [_described(one) for one in shown.rows], "next": shown.older or None}


@router.post("/deliveries/retry", response=Changed, auth=Bearer("respond"), summary="Send a range again")
def retry_range(request: HttpRequest, said: Range) -> Changed:
    """The messages keep their uuids. Left out are tests, and firing messages of groups that are resolved by now."""
    return _changed(resending.retry_all(_range(said), token_of(request), timezone.now(), address(request)))


@router.post("/deliveries/discard", response=Changed, auth=Bearer("respond"), summary="Give up on a range")
def discard_range(request: HttpRequest, said: Range) -> Changed:
    """What was sent stays as it is."""
    return _changed(resending.discard_all(_range(said), token_of(request), timezone.now(), address(request)))


@router.get("/deliveries/{pk}", response=DetailOut, auth=Bearer("view"), summary="Read one delivery with every try")
def read(request: HttpRequest, pk: int) -> dict[str, Any]:
    delivery = found(KNOWN, pk)
    attempts = [tried(attempt) for attempt in delivery.attempts.order_by("number")]
    return {**_described(delivery), "alerts": delivery.alert_ids, "attempts": attempts}


@router.post("/deliveries/{pk}/retry", response=DeliveryOut, auth=Bearer("respond"), summary="Send it again")
def retry(request: HttpRequest, pk: int) -> dict[str, Any]:
    delivery = found(KNOWN, pk)
    if not resending.retry(delivery, token_of(request), timezone.now(), address(request)):
        raise Problem(409, "It is being sent at this moment, or another message stands for it.")
    return _described(found(KNOWN, pk))


@router.post("/deliveries/{pk}/discard", response=DeliveryOut, auth=Bearer("respond"), summary="Give up on it")
def discard(request: HttpRequest, pk: int) -> dict[str, Any]:
    delivery = found(KNOWN, pk)
    if not resending.discard(delivery, token_of(request), timezone.now(), address(request)):
        raise Problem(409, "Only what is queued, failed or unknown can be discarded.")
    return _described(found(KNOWN, pk))


def tried(attempt: Attempt) -> dict[str, Any]:
    """An attempt as the API gives it."""
    return {name: getattr(attempt, name) for name in AttemptOut.model_fields}


def _wanted(said: Asked | Range) -> QuerySet[Delivery]:
    with told():
        return delivery_filters.wanted({name: getattr(said, name) for name in FILTERS}, timezone.now())


def _range(said: Range) -> QuerySet[Delivery]:
    if not any(getattr(said, name).strip() for name in FILTERS):
        raise Problem(422, f"Say which: give at least one of {', '.join(FILTERS)}.")
    return _wanted(said if said.state.strip() else said.model_copy(update={"state": DEAD}))


def _changed(ids: list[int]) -> Changed:
    return Changed(count=len(ids), more=len(ids) == resending.MOST_IN_A_RANGE)


def _described(delivery: Delivery) -> dict[str, Any]:
    route, group = delivery.route, delivery.group
    same = ("event", "reason", "state", "error", "alert_count", "other_groups", "attempts_made", "created_at")
    return {
        "id": delivery.pk,
        "uuid": str(delivery.uuid),
        "sink": {"id": delivery.sink.pk, "name": delivery.sink.name},
        "route": {"id": route.pk, "name": route.name} if route else None,
        "group": {"id": group.pk, "name": group.title} if group else None,
        "next_attempt_at": delivery.next_attempt_at if delivery.state == Delivery.State.QUEUED else None,
        "settled_at": delivery.settled_at,
        "folded_into": delivery.folded_into_id,
        **{name: getattr(delivery, name) for name in same},
    }
