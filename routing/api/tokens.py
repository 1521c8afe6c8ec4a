"""Whose token this is: looked up in memory, asked of the database at most every few seconds.

A revoked token is refused within `TTL` everywhere; a made one works at once unless it was tried before.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from django.db import OperationalError
from django.db.models import Q
from django.utils import timezone

from routing.admission import Sender
from routing.api.in_threads import Threads
from routing.api.problems import Problem
from routing.models import Role, Token
from routing.models.member import digest_of

log = structlog.get_logger(__name__)

TTL = 4.0
"""Seconds; revocation is promised within five."""
UNBOUND_TTL = 0.5
"""For a sensor's token without a node: its first hello is about to bind it, and its alerts then speak for the node."""
KNOWN = 4_096
LAST_USED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is."""
MAX_LENGTH = 256


OWN_HEADER = "x-sensorapp-token"
"""For posts of alerts: where a proxy in between uses Authorization for itself, or a sender cannot set it."""


def told(headers: Mapping[str, str]) -> str:
    """The token in the headers of a post: a bearer's, or else that of `OWN_HEADER`; empty where there is none."""
    return bearer(headers.get("authorization", "")) or headers.get(OWN_HEADER, "").strip()


def bearer(authorization: str) -> str:
    """The token of an `Authorization: Bearer …` header; empty where there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def find(token: str, now: datetime) -> Token | None:
    """The live token of this plain text; notes that it was used."""
    if not token or len(token) > MAX_LENGTH or not token.isascii():
        return None
    found = Token.objects.filter(digest=digest_of(token), revoked_at=None).first()
    if found is not None and (found.last_used_at is None or now - found.last_used_at >= LAST_USED_EVERY):
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_EVERY)
        try:
            Token.objects.filter(stale, pk=found.pk).update(last_used_at=now)
        except OperationalError as error:
            log.warning("last_used_not_written", token=found.pk, error=str(error))
    return found


def find_sender(token: str) -> Sender | None:
    """`find`, with only what a post needs."""
    found = find(token, timezone.now())
    return None if found is None else Sender(found.pk, found.name, found.role, found.hostname)


class Senders:
    """Tokens seen lately, for one event loop; simultaneous questions about one token are asked once."""

    def __init__(
        self,
        threads: Threads,
        look_up: Callable[[str], Sender | None] = find_sender,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads
        self._look_up = look_up
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Sender | None]] = OrderedDict()
        """Until when each answer holds, and the answer."""
        self._asking: dict[str, asyncio.Future[Sender | None]] = {}

    async def sender(self, token: str, roles: frozenset[str]) -> Sender:
        """Who sends; raises Problem 401 for a token that is missing, wrong or revoked, 403 for a role too few."""
        found = await self._find(token) if token and len(token) <= MAX_LENGTH else None
        if found is None:
            challenge = {"WWW-Authenticate": "Bearer"}
            raise Problem(401, "A valid token is needed: Authorization: Bearer TOKEN.", challenge)
        if found.role not in roles:
            raise Problem(403, f"This takes a token with the role {' or '.join(sorted(roles))}.")
        return found

    async def _find(self, token: str) -> Sender | None:
        now = self._clock()
        known = self._known.get(token)
        if known is not None and now < known[0]:
            return known[1]
        asking = self._asking.get(token)
        if asking is None:
            asking = asyncio.ensure_future(self._threads.run(self._look_up, token))
            self._asking[token] = asking
            asking.add_done_callback(lambda _: self._asking.pop(token, None))
        found = await asyncio.shield(asking)
        # Counted from before the question: an answer is as old as that.
        unbound = found is not None and found.role == Role.SENSOR and not found.hostname
        self._known[token] = (now + (UNBOUND_TTL if unbound else TTL), found)
        self._known.move_to_end(token)
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return found
