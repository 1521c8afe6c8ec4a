"""Routes: the tree, each one with its versions, and what people change about them."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from routing import routes, tree
from routing.api.asking import address, found
from routing.api.auth import Bearer, token_of
from routing.api.definitions import Changes, Limit
from routing.api.faults import told
from routing.models import Route, RouteVersion
from routing.shapes import RouteShape, Shape, facts, shaped

router = Router(tags=["routes"])
KNOWN = Route.objects.select_related("parent").prefetch_related(*routes.NAMED, "steps__sinks")

Version = Annotated[int | None, Field(description="The version that the change was made from; 409 if it is older.")]


class RouteOut(RouteShape):
    """A route as it is stored."""

    id: int
    version: int
    path: list[str] = Field(description="The names from the top down to this one.")


class Routes(Schema):
    """All of them, in the order in which alerts walk them."""

    items: list[RouteOut]


class Said(RouteShape):
    """All that a route says."""

    version: Version = None


class Place(Shape):
    places: int = Field(ge=-10_000, le=10_000, description="Down among its siblings; below zero up.")


class VersionOut(Schema):
    """What a route said from one change to the next."""

    number: int
    by: str
    at: datetime
    facts: dict[str, Any]


class Versions(Schema):
    """Newest first."""

    items: list[VersionOut]
    next: int | None = Field(None, description="`before` of the next page; null on the last one.")


@router.get("/routes", response=Routes, auth=Bearer("view"), summary="List routes in the order of the walk")
def list_all(request: HttpRequest) -> dict[str, Any]:
    stored = {route.pk: route for route in KNOWN.all()}
    walked = [node.key for node in tree.load() if node.key in stored]
    return {"items": [_described(stored[pk], stored) for pk in walked]}


@router.post("/routes", response={201: RouteOut}, auth=Bearer("edit"), summary="Make a route")
def make(request: HttpRequest, said: RouteShape) -> Status[Any]:
    return Status(201, _saved(request, None, facts(said)))


@router.get("/routes/{pk}", response=RouteOut, auth=Bearer("view"), summary="Read one route")
def read(request: HttpRequest, pk: int) -> dict[str, Any]:
    return _described(found(KNOWN, pk))


@router.put("/routes/{pk}", response=RouteOut, auth=Bearer("edit"), summary="Say anew all that a route says")
def replace(request: HttpRequest, pk: int, said: Said) -> dict[str, Any]:
    route, changes = found(KNOWN, pk), facts(said)
    if changes["position"] is None:
        changes["position"] = route.position
    return _saved(request, route, changes)


@router.patch("/routes/{pk}", response=RouteOut, auth=Bearer("edit"), summary="Change some of what a route says")
def change(request: HttpRequest, pk: int, said: Changes) -> dict[str, Any]:
    route = found(KNOWN, pk)
    with told():
        whole = shaped(Said, {**routes.facts_of(route), **said})
    given = facts(whole)
    return _saved(request, route, {name: given[name] for name in said})


@router.delete("/routes/{pk}", response={204: None}, auth=Bearer("edit"), summary="Delete a route and end its groups")
def delete(request: HttpRequest, pk: int) -> Status[None]:
    with told():
        routes.delete(found(KNOWN, pk), token_of(request), timezone.now(), address(request))
    return Status(204, None)


@router.post("/routes/{pk}/move", response=RouteOut, auth=Bearer("edit"), summary="Move it among its siblings")
def move(request: HttpRequest, pk: int, said: Place) -> dict[str, Any]:
    routes.move(found(KNOWN, pk), said.places, token_of(request), timezone.now(), address(request))
    return _described(found(KNOWN, pk))


@router.get("/routes/{pk}/versions", response=Versions, auth=Bearer("view"), summary="List what it said, newest first")
def versions(request: HttpRequest, pk: int, limit: Limit = 100, before: int = 0) -> dict[str, Any]:
    kept = found(Route.objects.all(), pk).versions.order_by("-number")
    rows = list((kept.filter(number__lt=before) if before else kept)[: limit + 1])
    items = [_version(one) for one in rows[:limit]]
    return {"items": items, "next": items[-1]["number"] if len(rows) > limit else None}


@router.post(
    "/routes/{pk}/restore/{number}",
    response=RouteOut,
    auth=Bearer("edit"),
    summary="Make an earlier version the newest",
)
def restore(request: HttpRequest, pk: int, number: int) -> dict[str, Any]:
    route = found(KNOWN, pk)
    try:
        with told():
            routes.restore(route, number, token_of(request), timezone.now(), address(request))
    except RouteVersion.DoesNotExist:
        raise Http404 from None
    return _described(found(KNOWN, pk))


def _saved(request: HttpRequest, route: Route | None, changes: dict[str, Any]) -> dict[str, Any]:
    version = changes.pop("version", None)
    with told():
        saved = routes.save(route, changes, token_of(request), timezone.now(), address(request), version)
    return _described(found(KNOWN, saved.pk))


def _described(route: Route, others: dict[int, Route] | None = None) -> dict[str, Any]:
    path, above = [route.name], route.parent
    while above is not None:
        path.insert(0, above.name)
        above = others[above.pk].parent if others else above.parent
    return {"id": route.pk, "version": route.version, "path": path, **routes.facts_of(route)}


def _version(version: RouteVersion) -> dict[str, Any]:
    return {"number": version.number, "by": version.by, "at": version.at, "facts": version.facts}
