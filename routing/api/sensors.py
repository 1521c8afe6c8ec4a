"""What sensors say and ask: hello, the newest ruleset, and how an action ended."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from ninja import Router, Schema, Status
from pydantic import Field

from routing import audit, doorbell, executor, rulesets
from routing.api.auth import Bearer, token_of
from routing.api.problems import Problem
from routing.models import ActionRun, Ruleset, Sensor, Token
from routing.storable import plain, text

router = Router(tags=["sensors"], auth=Bearer("report"))


Label = Annotated[str, Field(min_length=1, max_length=255)]


class Hello(Schema):
    """What a sensor says about itself, at its start and every ten seconds."""

    hostname: str = Field(min_length=1, max_length=255)
    boot_id: str = Field("", max_length=64)
    version: str = Field("", max_length=64)
    kernel: str = Field("", max_length=255)
    labels: dict[Label, Label] = Field(default_factory=dict, max_length=64)
    """What the node's own settings call it by, as `{"cluster": "prod"}`."""
    probes: list[str] = Field(default_factory=list, max_length=256)
    actions: list[str] = Field(default_factory=list, max_length=256)
    """The kinds of action that the node's own allow-list lets it run."""
    ruleset: int = Field(0, ge=0, le=2**31 - 1)
    stats: dict[str, Any] = Field(default_factory=dict)
    time: str = ""
    """The node's clock, RFC 3339."""


class Heard(Schema):
    """The sensor's name, the newest ruleset's number and the server's clock."""

    sensor: str
    ruleset: int
    server_time: str


class Files(Schema):
    """A published ruleset."""

    number: int
    files: list[dict[str, str]]


class Result(Schema):
    """How an action ended on the node; `lease` is what it was handed out under."""

    lease: str
    state: str
    reason: str = ""
    detail: Any = None


@router.post("/sensors/hello", response=Heard, summary="Say that a sensor is alive and how it is doing")
def hello(request: HttpRequest, said: Hello) -> dict[str, Any]:
    now = timezone.now()
    sensor, changed = greet(token_of(request), said, now)
    if changed:
        doorbell.ring("sensors")
    return {"sensor": sensor.name, "ruleset": newest_number(), "server_time": now.isoformat().replace("+00:00", "Z")}


@router.get("/ruleset", response={200: Files, 204: None}, summary="The newest ruleset, if it is newer than `have`")
def ruleset(request: HttpRequest, have: int = 0) -> Status[Any]:
    newest = rulesets.latest(have)
    if newest is None:
        return Status(204, None)
    return Status(200, {"number": newest.number, "files": newest.files})


@router.post("/actions/{uuid:run_id}/result", response=dict[str, str], summary="Tell how an action ended")
def result(request: HttpRequest, run_id: UUID, said: Result) -> dict[str, str]:
    if not ActionRun.objects.filter(uuid=run_id, sensor__token=token_of(request)).exists():
        raise Problem(409, "This run was not handed to this token's sensor.")
    try:
        run = executor.settle(run_id, said.lease, said.state, said.reason, said.detail, timezone.now())
    except executor.ExecutorError as error:
        raise Problem(409 if error.conflict else 422, f"{error}.") from None
    doorbell.ring("runs")
    return {"state": run.state}


def greet(token: Token, said: Hello, now: datetime) -> tuple[Sensor, bool]:
    """The sensor that said hello, and whether anything but its counters is new. Raises Problem 409."""
    hostname = text(said.hostname)
    with transaction.atomic():
        bind(token, hostname, now)
        told = {
            "native": True,
            "boot_id": text(said.boot_id),
            "version": text(said.version),
            "kernel": text(said.kernel),
            "labels": plain(said.labels),
            "probes": plain(said.probes),
            "actions": plain(said.actions),
            "ruleset": said.ruleset,
        }
        counters = {"stats": plain(said.stats), "clock_skew_ms": clock_skew_ms(said.time, now), "last_seen_at": now}
        sensor, created = Sensor.objects.get_or_create(
            token=token, hostname=hostname, defaults={"name": hostname, "first_seen_at": now, **told, **counters}
        )
        changed = created or any(getattr(sensor, name) != value for name, value in told.items())
        if not created:
            Sensor.objects.filter(pk=sensor.pk).update(**told, **counters)
    return sensor, changed


def bind(token: Token, hostname: str, now: datetime) -> None:
    """Make a token that no other node uses speak for this one. Raises Problem 409 where it speaks for another.

    A token that several nodes post with stays unbound: their alerts are stored, but ask for no automatic action.
    """
    if not token.hostname:
        if Sensor.objects.filter(token=token).exclude(hostname=hostname).exists():
            return
        if Token.objects.filter(pk=token.pk, hostname="").update(hostname=hostname):
            audit.record(token, "bind", token, after={"hostname": hostname}, now=now)
        token.refresh_from_db(fields=["hostname"])
    if token.hostname != hostname:
        raise Problem(409, f"This token speaks for the node {token.hostname!r}; make another for {hostname!r}.")


def clock_skew_ms(told: str, now: datetime) -> int:
    """How far the node's clock is ahead of ours, in milliseconds; 0 where it cannot be read."""
    try:
        time = parse_datetime(told)
    except ValueError:
        return 0
    if time is None or time.tzinfo is None:
        return 0
    return max(-(2**31), min(2**31 - 1, round((time - now).total_seconds() * 1000)))


def newest_number() -> int:
    """The number of the newest ruleset; 0 where none was published."""
    newest = Ruleset.objects.order_by("-number").values_list("number", flat=True).first()
    return newest or 0
