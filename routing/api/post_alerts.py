"""POST /api/v1/alerts and POST /ingest/<token>/: alerts in, answered after they are stored."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from routing.admission import Rejected, Row, Sender, admit
from routing.api import formats
from routing.api.in_threads import Threads
from routing.api.problems import Problem
from routing.api.tokens import Senders, bearer
from routing.api.wire import SOON, Request, Send, answer_json
from routing.groupcommit import Full, Unavailable, Writer
from routing.ingest import Outcome
from routing.models import Role

MAY_POST = frozenset({Role.SENSOR.value, Role.EDITOR.value, Role.ADMIN.value})
INGEST = "/ingest/"
LARGE = 128 * 1024
"""Bytes of a body from which reading it would make other requests wait; a thread does it then."""


Rejection = dict[str, Any]


class PostAlerts:
    """Both paths; `threads` do what is too long for the event loop."""

    def __init__(self, senders: Senders, writer: Writer, threads: Threads) -> None:
        self._senders = senders
        self._writer = writer
        self._threads = threads

    async def api(self, request: Request, send: Send) -> None:
        """`POST /api/v1/alerts`: 202 where at least one alert is valid."""
        sender = await self._senders.sender(bearer(request.headers.get("authorization", "")), MAY_POST)
        await answer_json(send, 202, await self._take(request, sender))

    async def ingest(self, request: Request, send: Send) -> None:
        """`POST /ingest/<token>/`: the same for Falco, which wants 200; the token may also be a header's."""
        token = request.path.removeprefix(INGEST).strip("/")
        sender = await self._senders.sender(token or bearer(request.headers.get("authorization", "")), MAY_POST)
        await answer_json(send, 200, await self._take(request, sender))

    async def _take(self, request: Request, sender: Sender) -> dict[str, Any]:
        body = await request.body(settings.INGEST_MAX_BYTES)
        key = request.headers.get("idempotency-key")
        if len(body) < LARGE:
            rows, indexes, rejected = read(body, sender, key)
        else:
            rows, indexes, rejected = await self._threads.run(read, body, sender, key)
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
                    {"index": index, "field": "", "reason": Outcome.REFUSED.value}
                    for index, outcome in zip(indexes, outcomes, strict=True)
                    if outcome is Outcome.REFUSED
                ]
                rejected.sort(key=lambda rejection: rejection["index"])
        counts: dict[str, Any] = {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
        if not accepted and not duplicates:
            raise Problem(422, "There is no valid alert in the body.", **counts)
        return counts


def read(body: bytes, sender: Sender, key: str | None) -> tuple[list[Row], Sequence[int], list[Rejection]]:
    """The rows of a body, the index of each in it, and what was rejected. Raises Problem 400 or 413."""
    values = formats.values(body)
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
