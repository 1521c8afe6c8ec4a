"""Acknowledgements, assignments and comments: they belong to a fingerprint and hold in every group of it."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from routing import audit
from routing.access import insist, may
from routing.models import Acknowledgement, AlertGroup, Assignment, Comment

State = AlertGroup.State


class AcknowledgementError(Exception):
    """Nothing to say or to withdraw; the text says why."""


def acknowledge(fingerprint: str, by: User, now: datetime, comment: str = "", ip: str | None = None) -> Acknowledgement:
    """Take it on: firing groups of this fingerprint become acknowledged. A later person takes over from an earlier.

    Raises PermissionDenied.
    """
    insist(by, "respond")
    with transaction.atomic():
        _hold_groups(fingerprint)
        earlier = Acknowledgement.objects.filter(fingerprint=fingerprint).select_related("user").first()
        taken, _ = Acknowledgement.objects.update_or_create(
            fingerprint=fingerprint, defaults={"user": by, "at": now, "comment": comment}
        )
        _move_groups(fingerprint, State.FIRING, State.ACKNOWLEDGED, now)
        before = {"by": earlier.user.get_username()} if earlier else None
        audit.record(by, "acknowledge", _label(fingerprint), before, {"comment": comment}, ip=ip, now=now)
    return taken


def withdraw(fingerprint: str, by: User, now: datetime, ip: str | None = None) -> None:
    """Nobody looks after it any more: its groups fire again. Raises PermissionDenied, or AcknowledgementError."""
    insist(by, "respond")
    with transaction.atomic():
        _hold_groups(fingerprint)
        earlier = Acknowledgement.objects.filter(fingerprint=fingerprint).select_related("user").first()
        if earlier is None:
            raise AcknowledgementError("Nobody has acknowledged this, or somebody withdrew it a moment ago.")
        earlier.delete()
        _move_groups(fingerprint, State.ACKNOWLEDGED, State.FIRING, now)
        audit.record(
            by, "withdraw acknowledgement", _label(fingerprint), {"by": earlier.user.get_username()}, ip=ip, now=now
        )


def assign(fingerprint: str, to: User, by: User, now: datetime, ip: str | None = None) -> Assignment:
    """Say who is to look after it, in place of who was. It changes nothing about what is told.

    Raises PermissionDenied, or AcknowledgementError where that person could do nothing about it.
    """
    insist(by, "respond")
    if not may(to, "respond"):
        raise AcknowledgementError(f"{to.get_username()} may not respond to alerts; choose somebody who may.")
    with transaction.atomic():
        earlier = Assignment.objects.filter(fingerprint=fingerprint).select_related("user").first()
        given, _ = Assignment.objects.update_or_create(
            fingerprint=fingerprint, defaults={"user": to, "by": audit.name_of(by), "at": now}
        )
        before = {"to": earlier.user.get_username()} if earlier else None
        audit.record(by, "assign", _label(fingerprint), before, {"to": to.get_username()}, ip=ip, now=now)
    return given


def unassign(fingerprint: str, by: User, now: datetime, ip: str | None = None) -> None:
    """It is nobody's any more. Raises PermissionDenied, or AcknowledgementError where it was nobody's."""
    insist(by, "respond")
    with transaction.atomic():
        earlier = Assignment.objects.filter(fingerprint=fingerprint).select_related("user").first()
        if earlier is None:
            raise AcknowledgementError("This is assigned to nobody, or somebody took it back a moment ago.")
        earlier.delete()
        audit.record(by, "unassign", _label(fingerprint), {"to": earlier.user.get_username()}, ip=ip, now=now)


def comment(fingerprint: str, by: User, now: datetime, text: str, ip: str | None = None) -> Comment:
    """Say something about it. Raises PermissionDenied, or AcknowledgementError for an empty text."""
    insist(by, "respond")
    if not text.strip():
        raise AcknowledgementError("The comment is empty.")
    with transaction.atomic():
        said = Comment.objects.create(fingerprint=fingerprint, user=by, at=now, text=text.strip())
        audit.record(by, "comment", _label(fingerprint), after={"text": said.text}, ip=ip, now=now)
    return said


def _hold_groups(fingerprint: str) -> None:
    """Lock the groups before what is said of them, and in the order of their ids, as those do who route and resolve.

    Else we would wait for a group, and they for what we say of it.
    """
    list(AlertGroup.objects.filter(fingerprint=fingerprint).order_by("id").select_for_update().values_list("pk"))


def _move_groups(fingerprint: str, old: State, new: State, now: datetime) -> None:
    """The pipeline looks at them at once: sinks that are told of an acknowledgement hear of it."""
    AlertGroup.objects.filter(fingerprint=fingerprint, state=old).update(state=new, next_flush_at=now)


def _label(fingerprint: str) -> str:
    return f"fingerprint:{fingerprint}"
