"""POST /api/v1/routes/simulate: what would become of alerts, in the stored tree or in a draft of one."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from pydantic import Field, model_validator

from routing import simulation, tree
from routing.api.auth import Bearer
from routing.api.faults import refused, told
from routing.models import Alert
from routing.shapes import BranchShape, Moment, Shape
from routing.simulation import NoAlert, Recent, Simulation
from routing.simulation.many import MOST_ALERTS, MOST_HOURS

router = Router(tags=["routes"])


class Asked(Shape):
    """One of `alert`, `uuid` and `hours`."""

    alert: dict[str, Any] | None = Field(
        None, description="As it is posted; the time may be left out. It counts as reported by its node's own sensor."
    )
    uuid: UUID | None = Field(None, description="A stored alert; it counts as one that comes now.")
    hours: int | None = Field(None, ge=1, le=MOST_HOURS, description="The newest alerts of so many hours.")
    most: int = Field(1_000, ge=1, le=MOST_ALERTS, description="Alerts of those hours that are tried.")
    routes: list[BranchShape] | None = Field(None, description="A whole tree to try, in place of the stored one.")
    at: Moment | None = Field(None, description="When the alert comes; null is now.")

    @model_validator(mode="after")
    def _one(self) -> "Asked":
        if sum(given is not None for given in (self.alert, self.uuid, self.hours)) != 1:
            raise ValueError("name one of alert, uuid and hours")
        return self


class Simulated(Schema):
    """What would happen; `one` for an alert, `recent` for hours. Nothing is written and nobody is told."""

    one: Simulation | None = None
    recent: Recent | None = None


@router.post("/routes/simulate", response=Simulated, auth=Bearer("view"), summary="Try routes, without any effect")
def simulate(request: HttpRequest, asked: Asked) -> dict[str, Any]:
    now = asked.at or timezone.now()
    stored = tree.load()
    with told():
        tried = stored if asked.routes is None else simulation.tree_of(asked.routes)
    if asked.hours is not None:
        compared = None if asked.routes is None else stored
        return {"recent": simulation.recent(tried, now, asked.hours, asked.most, compared)}
    try:
        alert = simulation.alert_of(asked.alert, now) if asked.alert is not None else _stored(str(asked.uuid))
    except NoAlert as error:
        raise refused("alert", str(error)) from None
    return {"one": simulation.simulate(alert, tried, now)}


def _stored(uuid: str) -> Alert:
    alert = Alert.objects.select_related("sensor").filter(uuid=uuid).first()
    if alert is None:
        raise Http404
    return alert
