"""POST /api/v1/alerts and POST /ingest/<token>/: alerts in, answered after they are stored."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from routing import metrics
from routing.admission import Posted, Rejected, Row, Sender, admit
from routing.api import formats
from routing.api.in_threads import Threads
from routing.api.pressure import COME_BACK, Pressure
from routing.api.problems import Problem
from routing.api.rates import Rates
from routing.api.tokens import Senders, told
from routing.api.wire import SOON, Request, Send, answer_json
from routing.groupcommit import Full, Unavailable, Writer
from routing.ingest import Outcome
from routing.models import Role

MAY_POST = frozenset({Role.SENSOR.value, Role.EDITOR.value, Role.ADMIN.value})
INGEST = "/ingest/"
LARGE = 128 * 1024
"""Bytes of a body from which reading it would make other requests wait; a thread does it then."""

NOT_STORED = {Outcome.REFUSED: "", Outcome.DROPPED: "time"}
"""What is answered as rejected although it could be read, and the field that is at fault."""
Rejection = dict[str, Any]


class PostAlerts:
    """Both paths; `threads` do what is too long for the event loop."""

    def __init__(self, senders: Senders, writer: Writer, threads: Threads) -> None:
        self._senders = senders
        self._writer = writer
        self._threads = threads
        self._rates = Rates()
        self._pressure = Pressure(threads)

    async def api(self, request: Request, send: Send) -> None:
        """`POST /api/v1/alerts`: 202 where at least one alert is valid."""
        sender = await self._senders.sender(told(request.headers), MAY_POST)
        await answer_json(send, 202, await self._take(request, sender))

    async def ingest(self, request: Request, send: Send) -> None:
        """`POST /ingest/<token>/`: the same for Falco, which wants 200; the token may also be a header's."""
        token = request.path.removeprefix(INGEST).strip("/")
        sender = await self._senders.sender(token or told(request.headers), MAY_POST)
        await answer_json(send, 200, await self._take(request, sender))

    async def _take(self, request: Request, sender: Sender) -> dict[str, Any]:
        self._may_post(sender)
        body = await request.body(settings.INGEST_MAX_BYTES)
        if len(body) < LARGE:
            rows, indexes, rejected = read(body, sender, request.headers)
        else:
            rows, indexes, rejected = await self._threads.run(read, body, sender, request.headers)
        self._rates.spend(sender.token, len(rows) + len(rejected) - 1)
        for reason, count in Counter(_reason(rejection["field"]) for rejection in rejected).items():
            metrics.ALERTS.add(count, "rejected", reason)
        accepted = duplicates = 0
        if rows:
            try:
                outcomes = await self._writer.store(rows)
            except Full:
                raise Problem(429, "Too many alerts are waiting to be stored; send these again.", SOON) from None
            except Unavailable as error:
                raise Problem(503, f"Not stored: {error}; send these again.", SOON) from None
            accepted, duplicates = outcomes.count(Outcome.ACCEPTED), outcomes.count(Outcome.DUPLICATE)
            if accepted + duplicates < len(rows):
                rejected += [
                    {"index": index, "field": field, "reason": outcome.value}
                    for index, outcome in zip(indexes, outcomes, strict=True)
                    if (field := NOT_STORED.get(outcome)) is not None
                ]
                rejected.sort(key=lambda rejection: rejection["index"])
        counts: dict[str, Any] = {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
        if not accepted and not duplicates:
            raise Problem(422, "There is no valid alert in the body.", **counts)
        return counts

    def _may_post(self, sender: Sender) -> None:
        """Raises Problem 429, before the body is read, where this sender or everybody has to wait."""
        if wait := self._rates.enter(sender.token):
            later = {"Retry-After": str(math.ceil(wait))}
            raise Problem(429, f"This token posts more than {settings.INGEST_RATE} alerts a second; wait.", later)
        if self._pressure.is_high():
            detail = f"More than {settings.INGEST_MAX_BACKLOG} alerts wait to be routed; send these again later."
            raise Problem(429, detail, {"Retry-After": str(COME_BACK)})


def _reason(field: str) -> str:
    """The member of an alert that was wrong, as a label: what is below it could be spelled in endless ways."""
    member = re.split(r"[.\[]", field)[0]
    return member if member in Posted.__struct_fields__ else "not an alert"


def read(body: bytes, sender: Sender, headers: Mapping[str, str]) -> tuple[list[Row], Sequence[int], list[Rejection]]:
    """The rows of a body, the index of each in it, and what was rejected. Raises Problem 400, 413 or 415."""
    values = formats.values(body, headers)
    key = headers.get("idempotency-key")
    if len(values) > settings.INGEST_MAX_ALERTS:
        raise Problem(413, f"More than {settings.INGEST_MAX_ALERTS} alerts at once; send them in parts.")
    rows: list[Row] = []
    indexes: list[int] = []
    rejected: list[Rejection] = []
    for index, value in enumerate(values):
        try:
            rows.append(admit(value, sender, None if key is None else (key, index)))
            indexes.append(index)
        except Rejected as error:
            rejected.append({"index": index, "field": error.field, "reason": error.reason})
    return rows, indexes, rejected
