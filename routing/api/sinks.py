"""GET /api/v1/sinks/kinds: which kinds of sinks there are, and the options of each."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from routing import sinks
from routing.api.auth import Bearer
from routing.kinds import schema

router = Router(tags=["sinks"])


class KindOut(Schema):
    """One kind of sink; `options` is a JSON Schema."""

    kind: str
    label: str
    paging: bool
    sends_acknowledged: bool
    sends_resolved: bool
    missing: str
    options: dict[str, Any]


@router.get("/sinks/kinds", response=list[KindOut], auth=Bearer("view"), summary="List the kinds of sinks")
def kinds(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind.kind,
            "label": kind.label,
            "paging": kind.paging,
            "sends_acknowledged": kind.sends_acknowledged,
            "sends_resolved": kind.sends_resolved,
            "missing": kind.missing(),
            "options": schema(kind.Config),
        }
        for _, kind in sorted(sinks.kinds().items())
    ]
