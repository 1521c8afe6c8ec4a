"""Who did what, when and from where: append-only, each entry's hash covering the one before.

A changed, removed or inserted entry breaks the chain there. A chain cut off at its end still fits together,
so keep the newest hash elsewhere (it is logged with every entry).

Take the entry last in a transaction: the next one waits until this one is committed.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import structlog
from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction
from django.utils import timezone

from routing.models import AuditEntry, Token
from routing.storable import canonical, masked, text
from routing.turns import Turn, wait_for

log = structlog.get_logger(__name__)

SYSTEM = "system"
GENESIS = "0" * 64


def record(
    actor: AbstractBaseUser | Token | str,
    verb: str,
    target: models.Model | str,
    before: Any = None,
    after: Any = None,
    ip: str | None = None,
    now: datetime | None = None,
) -> AuditEntry:
    """Append an entry: `actor` did `verb` (as `approve`, `edit`) to `target`, which was `before` and is `after`.

    Secrets in `before` and `after` are starred. Text is cut to its column. Within `gathered` it is stored at the end.
    """
    entry = AuditEntry(
        at=now or timezone.now(),
        user_id=actor.pk if isinstance(actor, AbstractBaseUser) else None,
        actor=text(name_of(actor))[:255],
        verb=text(verb)[:64],
        target=text(_label(target))[:255],
        before=masked(before),
        after=masked(after),
        address=str(ip_address(ip)) if ip else None,
    )
    waiting = _gathered.get()
    if waiting is None:
        _append([entry])
    else:
        waiting.append(entry)
    return entry


_gathered: ContextVar[list[AuditEntry] | None] = ContextVar("gathered", default=None)


@contextmanager
def gathered() -> Iterator[None]:
    """Around many changes in one transaction: their entries are appended together when it is left without an error.

    So the log's turn is taken last, however many changes there are, and what is rolled back was never logged.
    """
    waiting: list[AuditEntry] = []
    before = _gathered.set(waiting)
    try:
        yield
    finally:
        _gathered.reset(before)
    _append(waiting)


def _append(entries: Sequence[AuditEntry]) -> None:
    with transaction.atomic():
        wait_for(Turn.AUDIT)
        newest = AuditEntry.objects.order_by("-id").first()
        for entry in entries:
            entry.previous_hash = newest.hash if newest else GENESIS
            entry.hash = hash_of(entry)
            entry.save()
            newest = entry
    for entry in entries:
        log.info("audit", actor=entry.actor, verb=entry.verb, target=entry.target, hash=entry.hash)


@dataclass(frozen=True)
class Verdict:
    """What a walk along the chain found."""

    entries: int
    """How many fit."""
    broken_at: int | None = None
    """Id of the first entry that does not fit."""
    problem: str = ""


def verify() -> Verdict:
    """Walk the whole chain, oldest first, up to the first entry that does not fit."""
    previous, count = GENESIS, 0
    for entry in AuditEntry.objects.order_by("id").iterator(chunk_size=2000):
        if entry.previous_hash != previous:
            return Verdict(count, entry.pk, "an entry before this one was removed or inserted")
        if entry.hash != hash_of(entry):
            return Verdict(count, entry.pk, "this entry was changed")
        previous, count = entry.hash, count + 1
    return Verdict(count)


def hash_of(entry: AuditEntry) -> str:
    """SHA-256 over the previous hash and everything the entry says, in one canonical spelling."""
    said = [
        entry.previous_hash,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.user_id,
        entry.actor,
        entry.verb,
        entry.target,
        entry.before,
        entry.after,
        # PostgreSQL spells some IPv6 addresses its own way.
        str(ip_address(entry.address)) if entry.address else None,
    ]
    return hashlib.sha256(canonical(said)).hexdigest()


def name_of(actor: AbstractBaseUser | Token | str) -> str:
    match actor:
        case AbstractBaseUser():
            return actor.get_username()
        case Token():
            return f"token {actor.name}"
        case _:
            return actor


def _label(target: models.Model | str) -> str:
    """`sink:3 Slack #sec`."""
    return target if isinstance(target, str) else f"{target._meta.model_name}:{target.pk} {target}"
