"""Silences: what is not told for a while, who said so, and why."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from routing import audit, lookups, matching, waiting
from routing.access import Actor, insist
from routing.models import Alert, Silence


class SilenceError(Exception):
    """The silence cannot be; the text says what to change."""


def create(
    condition: str,
    ends_at: datetime,
    by: Actor,
    comment: str,
    now: datetime,
    starts_at: datetime | None = None,
    ip: str | None = None,
) -> Silence:
    """Do not tell what matches `condition`, until `ends_at`.

    Raises PermissionDenied; SilenceError for a time that has passed or an empty condition; RuleError with
    the place of what is wrong for a condition that cannot be read.
    """
    insist(by, "respond")
    starts_at = starts_at or now
    if not condition.strip():
        raise SilenceError("A silence without a condition would hide everything; say what it is about.")
    if ends_at <= max(now, starts_at):
        raise SilenceError("A silence must end after it starts, and in the future.")
    matching.compile(condition)
    if problem := lookups.problem_in(condition):
        raise SilenceError(f"{problem}.")
    with transaction.atomic():
        silence = Silence.objects.create(
            condition=condition,
            starts_at=starts_at,
            ends_at=ends_at,
            author=by if isinstance(by, User) else None,
            token_name="" if isinstance(by, User) else audit.name_of(by),
            comment=comment,
            created_at=now,
        )
        audit.record(by, "silence", silence, after=_facts(silence), ip=ip, now=now)
    return silence


def clone(
    silence: Silence, by: Actor, now: datetime, ends_at: datetime | None = None, ip: str | None = None
) -> Silence:
    """The same again, from now on: for as long as it lasted, or until `ends_at`. Raises as `create` does."""
    ends_at = ends_at or now + (silence.ends_at - silence.starts_at)
    return create(silence.condition, ends_at, by, silence.comment, now, ip=ip)


def active(now: datetime) -> list[Silence]:
    """Those that hold now."""
    return list(Silence.objects.filter(starts_at__lte=now, ends_at__gt=now).select_related("author"))


def holding(alert: Alert, now: datetime) -> Silence | None:
    """The silence that holds for an alert now, the one that ends last."""
    lookups.Tables().enrich([alert])
    return matching.silence_for(alert, active(now), now)


def extend(silence: Silence, ends_at: datetime, by: Actor, now: datetime, ip: str | None = None) -> Silence:
    """Let it end at another time, later or sooner. Raises PermissionDenied, and SilenceError where it has ended."""
    insist(by, "respond")
    if ends_at <= max(now, silence.starts_at):
        raise SilenceError("A silence must end after it starts, and in the future; end it instead.")
    return _set_end(silence, ends_at, "extend", by, now, ip)


def end(silence: Silence, by: Actor, now: datetime, ip: str | None = None) -> Silence:
    """End it at once; one that has not started never does. Raises PermissionDenied, SilenceError where it has ended."""
    insist(by, "respond")
    return _set_end(silence, max(now, silence.starts_at), "end", by, now, ip)


def _set_end(silence: Silence, ends_at: datetime, verb: str, by: Actor, now: datetime, ip: str | None) -> Silence:
    before = _facts(silence)
    with transaction.atomic():
        if not Silence.objects.filter(pk=silence.pk, ends_at__gt=now).update(ends_at=ends_at):
            raise SilenceError("This silence has ended already; make a new one.")
        silence.refresh_from_db()
        waiting.take_steps(now)
        audit.record(by, verb, silence, before=before, after=_facts(silence), ip=ip, now=now)
    return silence


def _facts(silence: Silence) -> dict[str, str]:
    return {
        "condition": silence.condition,
        "starts_at": silence.starts_at.isoformat(),
        "ends_at": silence.ends_at.isoformat(),
        "comment": silence.comment,
    }
