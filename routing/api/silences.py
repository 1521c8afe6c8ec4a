"""Silences: list, read, preview, make, extend, end."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field

from routing import silences
from routing.api.alerts import AlertOut, described
from routing.api.asking import MOST, address, cut, found
from routing.api.auth import Bearer, token_of
from routing.api.faults import told
from routing.faults import check_condition
from routing.models import AlertGroup, Silence
from routing.preview import preview
from routing.shapes import Moment, Shape, SilenceShape, Text

router = Router(tags=["silences"])
KNOWN = Silence.objects.select_related("author")


class SilenceOut(Schema):
    """A silence, and how it stands."""

    id: int
    condition: str
    comment: str
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    by: str = Field(description="The person's or the token's name.")
    state: Literal["scheduled", "active", "expired"]


class Page(Schema):
    items: list[SilenceOut]
    next: int | None = Field(None, description="Null on the last page.")


class Asked(Schema):
    """Newest first."""

    state: Literal["scheduled", "active", "expired", ""] = ""
    limit: int = Field(100, ge=1, le=MOST)
    before: int = Field(0, ge=0, description="`next` of the page before.")


class ConditionShape(Shape):
    condition: Text


class EndShape(Shape):
    ends_at: Moment


class GroupOut(Schema):
    id: int
    title: str
    labels: dict[str, str]


class PreviewOut(Schema):
    """What a condition would hide: among the alerts of the last day, and among the groups that fire now."""

    matched: int
    tried: int
    whole: bool = Field(description="Whether all alerts of the last day were tried; else the newest ones.")
    examples: list[AlertOut]
    firing: list[GroupOut]


@router.get("/silences", response=Page, auth=Bearer("view"), summary="List silences, newest first")
def list_all(request: HttpRequest, asked: Annotated[Asked, Query()]) -> dict[str, Any]:
    now, rows = timezone.now(), KNOWN.order_by("-pk")
    rows = rows.filter(pk__lt=asked.before) if asked.before else rows
    match asked.state:
        case "active":
            rows = rows.filter(starts_at__lte=now, ends_at__gt=now)
        case "scheduled":
            rows = rows.filter(starts_at__gt=now, ends_at__gt=now)
        case "expired":
            rows = rows.filter(ends_at__lte=now)
    items, following = cut(rows[: asked.limit + 1], asked.limit)
    return {"items": [_described(silence, now) for silence in items], "next": following}


@router.post("/silences/preview", response=PreviewOut, auth=Bearer("view"), summary="Show what a condition would hide")
def show_effect(request: HttpRequest, said: ConditionShape) -> dict[str, Any]:
    with told():
        check_condition("condition", said.condition, needed=True)
        effect = preview(said.condition, timezone.now())
    return {
        "matched": effect.matched,
        "tried": effect.tried,
        "whole": effect.whole,
        "examples": [described(alert) for alert in effect.examples],
        "firing": [_group(group) for group in effect.firing],
    }


@router.get("/silences/{pk}", response=SilenceOut, auth=Bearer("view"), summary="Read one silence")
def read(request: HttpRequest, pk: int) -> dict[str, Any]:
    return _described(found(KNOWN, pk), timezone.now())


@router.post("/silences", response={201: SilenceOut}, auth=Bearer("respond"), summary="Silence what matches")
def make(request: HttpRequest, said: SilenceShape) -> Status[Any]:
    now, by = timezone.now(), token_of(request)
    with told():
        made = silences.create(said.condition, said.ends_at, by, said.comment, now, said.starts_at, address(request))
    return Status(201, _described(made, now))


@router.post(
    "/silences/{pk}/extend", response=SilenceOut, auth=Bearer("respond"), summary="Let it end later, or sooner"
)
def extend(request: HttpRequest, pk: int, said: EndShape) -> dict[str, Any]:
    now = timezone.now()
    with told():
        kept = silences.extend(found(KNOWN, pk), said.ends_at, token_of(request), now, address(request))
    return _described(kept, now)


@router.post("/silences/{pk}/expire", response=SilenceOut, auth=Bearer("respond"), summary="End it at once")
def expire(request: HttpRequest, pk: int) -> dict[str, Any]:
    now = timezone.now()
    with told():
        ended = silences.end(found(KNOWN, pk), token_of(request), now, address(request))
    return _described(ended, now)


def _described(silence: Silence, now: datetime) -> dict[str, Any]:
    state = "expired" if silence.ends_at <= now else "scheduled" if silence.starts_at > now else "active"
    kept = {name: getattr(silence, name) for name in ("condition", "comment", "starts_at", "ends_at", "created_at")}
    return {"id": silence.pk, "by": silence.by, "state": state, **kept}


def _group(group: AlertGroup) -> dict[str, Any]:
    return {"id": group.pk, "title": group.title, "labels": group.labels}
