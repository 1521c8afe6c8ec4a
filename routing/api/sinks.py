"""Which kinds of sinks there are with the options of each, and trying a stored one."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema

from routing import deliveries, sinks
from routing.api.asking import address, found
from routing.api.auth import Bearer, token_of
from routing.api.deliveries import AttemptOut, tried
from routing.kinds import schema
from routing.models import Sink

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


@router.post("/sinks/{pk}/test", response=AttemptOut, auth=Bearer("edit"), summary="Send a test message now")
def test(request: HttpRequest, pk: int) -> dict[str, Any]:
    """It is tried once, also where the sink is disabled; the answer comes when the attempt is over."""
    return tried(deliveries.test(found(Sink.objects.all(), pk), token_of(request), timezone.now(), address(request)))
