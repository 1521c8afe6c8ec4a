"""POST /api/v1/actions/lease: a sensor waits for actions to run on its node (long poll)."""

import asyncio
from datetime import datetime
from typing import Any

import msgspec
from django.utils import timezone

from routing import doorbell, executor
from routing.admission import Sender
from routing.api.closing import Closing
from routing.api.in_threads import Threads
from routing.api.problems import Problem
from routing.api.tokens import Senders, bearer
from routing.api.wire import Request, Send, answer_json
from routing.models import ActionRun, Role, Sensor
from routing.storable import text

LONGEST_WAIT = 25.0
"""Seconds; below the thirty after which proxies commonly give up."""
LOOK_SECONDS = 5.0
"""How often to look without a ring: what a dead Redis costs at most."""
BODY_BYTES = 65_536
SENSORS = frozenset({Role.SENSOR.value})


class Wanted(msgspec.Struct):
    """What a sensor asks for."""

    hostname: str
    kinds: list[str]
    wait: float = 0.0


class Lease:
    """The long poll; a run is handed out once, under a lease that its result must name."""

    def __init__(self, senders: Senders, threads: Threads, closing: Closing) -> None:
        self._senders = senders
        self._threads = threads
        self._closing = closing

    async def __call__(self, request: Request, send: Send) -> None:
        sender = await self._senders.sender(bearer(request.headers.get("authorization", "")), SENSORS)
        wanted = read(await request.body(BODY_BYTES))
        waiting, leaving = await self._closing.until_any(self._runs(sender, wanted), request.left())
        if not waiting.cancelled():
            await answer_json(send, 200, {"runs": waiting.result()})
        elif leaving.cancelled():  # The server stops.
            await answer_json(send, 200, {"runs": []})

    async def _runs(self, sender: Sender, wanted: Wanted) -> list[dict[str, Any]]:
        clock = asyncio.get_running_loop().time
        until = clock() + min(max(wanted.wait, 0.0), LONGEST_WAIT)
        async with doorbell.listen("runs") as listener:
            while True:
                runs = await self._threads.run(lease, sender, wanted, timezone.now())
                left = until - clock()
                if runs or left <= 0:
                    return runs
                await listener.heard(min(left, LOOK_SECONDS))


def read(body: bytes) -> Wanted:
    """The request's body; raises Problem 400 or 422."""
    try:
        return msgspec.json.decode(body, type=Wanted)
    except msgspec.ValidationError as error:
        raise Problem(422, str(error)) from None
    except (ValueError, RecursionError):
        raise Problem(400, "The body is not JSON.") from None


def lease(sender: Sender, wanted: Wanted, now: datetime) -> list[dict[str, Any]]:
    """What this sensor may run now. Raises Problem 409 where it has not said hello or speaks for another node."""
    hostname = text(wanted.hostname)
    mine = Sensor.objects.filter(token=sender.token, hostname=hostname, native=True)
    sensor = mine.filter(token__hostname=hostname, token__revoked_at=None).first()
    if sensor is None:
        raise Problem(409, f"This token does not speak for the node {wanted.hostname!r}; say hello first.")
    return [described(run) for run in executor.lease(sensor, wanted.kinds, now)]


def described(run: ActionRun) -> dict[str, Any]:
    """A run as the sensor gets it."""
    return {
        "id": str(run.uuid),
        "kind": run.kind,
        "params": run.params,
        "target": run.target,
        "mode": run.mode,
        "expires_at": run.expires_at.isoformat(),
        "lease": str(run.lease),
    }
