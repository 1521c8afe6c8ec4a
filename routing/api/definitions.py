"""Sinks, tables, inhibitions, windows and intervals: list, read, make, replace, change, delete."""

from typing import Annotated, Any

from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from ninja import Body, Query, Router, Status
from pydantic import Field, create_model

from routing import definitions
from routing.api.asking import MOST, address, cut, found
from routing.api.auth import Bearer, token_of
from routing.api.faults import told
from routing.definitions import INHIBITIONS, INTERVALS, LOOKUPS, SINKS, WINDOWS, Definition
from routing.shapes import facts

Limit = Annotated[int, Query(ge=1, le=MOST, description="Items of the page.")]
After = Annotated[int, Query(ge=0, description="`next` of the page before.")]


Changes = Annotated[dict[str, Any], Body(description="Some members, as they shall be; the others stay as they are.")]


def router_for(definition: Definition[Any, Any], path: str, *, left_out: frozenset[str] = frozenset()) -> Router:
    """The operations on one kind of definition; the list leaves some members out."""
    noun = definition.noun
    shape: Any = definition.shape
    name = shape.__name__.removesuffix("Shape")
    out: Any = create_model(f"{name}Out", __base__=shape, id=(int, ...))
    members: Any = {field: (info.annotation, ...) for field, info in shape.model_fields.items()}
    listed: Any = create_model(
        f"{name}Listed", id=(int, ...), **{k: v for k, v in members.items() if k not in left_out}
    )
    page: Any = create_model(
        f"{name}Page", items=(list[listed], ...), next=(int | None, Field(None, description="Null on the last page."))
    )
    router = Router(tags=[path])
    rows: models.Manager[Any] = definition.model._default_manager

    def described(row: Any) -> dict[str, Any]:
        return {"id": row.pk, **definition.facts_of(row)}

    @router.get(f"/{path}", response=page, auth=Bearer("view"), summary=f"List {path}")
    def list_all(request: HttpRequest, limit: Limit = 100, after: After = 0) -> dict[str, Any]:
        items, following = cut(rows.filter(pk__gt=after).order_by("pk")[: limit + 1], limit)
        return {
            "items": [{k: v for k, v in described(row).items() if k not in left_out} for row in items],
            "next": following,
        }

    @router.get(f"/{path}/{{pk}}", response=out, auth=Bearer("view"), summary=f"Read one {noun}")
    def read(request: HttpRequest, pk: int) -> dict[str, Any]:
        return described(found(rows.all(), pk))

    @router.post(f"/{path}", response={201: out}, auth=Bearer("edit"), summary=f"Make a {noun}")
    def make(request: HttpRequest, said: shape) -> Status[Any]:
        return Status(201, described(_saved(definition, request, None, facts(said))))

    @router.put(f"/{path}/{{pk}}", response=out, auth=Bearer("edit"), summary=f"Say anew all that a {noun} says")
    def replace(request: HttpRequest, pk: int, said: shape) -> dict[str, Any]:
        return described(_saved(definition, request, found(rows.all(), pk), facts(said)))

    @router.patch(f"/{path}/{{pk}}", response=out, auth=Bearer("edit"), summary=f"Change some of what a {noun} says")
    def change(request: HttpRequest, pk: int, said: Changes) -> dict[str, Any]:
        return described(_saved(definition, request, found(rows.all(), pk), said))

    @router.delete(f"/{path}/{{pk}}", response={204: None}, auth=Bearer("edit"), summary=f"Delete a {noun}")
    def delete(request: HttpRequest, pk: int) -> Status[None]:
        with told():
            definitions.delete(
                definition, found(rows.all(), pk), token_of(request), timezone.now(), ip=address(request)
            )
        return Status(204, None)

    return router


def _saved(definition: Definition[Any, Any], request: HttpRequest, row: Any, changes: dict[str, Any]) -> Any:
    with told():
        return definitions.save(definition, row, changes, token_of(request), timezone.now(), ip=address(request))


ROUTERS = (
    router_for(LOOKUPS, "lookups", left_out=frozenset({"text"})),
    router_for(INHIBITIONS, "inhibitions"),
    router_for(WINDOWS, "windows"),
    router_for(INTERVALS, "intervals"),
    router_for(SINKS, "sinks"),
)
