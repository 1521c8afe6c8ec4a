"""Acknowledgements and comments: they belong to a fingerprint and hold in every group of it."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from routing import audit
from routing.access import insist
from routing.models import Acknowledgement, AlertGroup, Comment

State = AlertGroup.State


class AcknowledgementError(Exception):
    """Nothing to say or to withdraw; the text says why."""


def acknowledge(fingerprint: str, by: User, now: datetime, comment: str = "", ip: str | None = None) -> Acknowledgement:
    """Take it on: firing groups of this fingerprint become acknowledged. A later person takes over from an earlier.

    Raises PermissionDenied.
    """
    insist(by, "respond")
    with transaction.atomic():
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
        earlier = Acknowledgement.objects.filter(fingerprint=fingerprint).select_related("user").first()
        if earlier is None:
            raise AcknowledgementError("Nobody has acknowledged this, or somebody withdrew it a moment ago.")
        earlier.delete()
        _move_groups(fingerprint, State.ACKNOWLEDGED, State.FIRING, now)
        audit.record(
            by, "withdraw acknowledgement", _label(fingerprint), {"by": earlier.user.get_username()}, ip=ip, now=now
        )


def comment(fingerprint: str, by: User, now: datetime, text: str, ip: str | None = None) -> Comment:
    """Say something about it. Raises PermissionDenied, or AcknowledgementError for an empty text."""
    insist(by, "respond")
    if not text.strip():
        raise AcknowledgementError("The comment is empty.")
    with transaction.atomic():
        said = Comment.objects.create(fingerprint=fingerprint, user=by, at=now, text=text.strip())
        audit.record(by, "comment", _label(fingerprint), after={"text": said.text}, ip=ip, now=now)
    return said


def _move_groups(fingerprint: str, old: State, new: State, now: datetime) -> None:
    """The pipeline looks at them at once: sinks that are told of an acknowledgement hear of it."""
    AlertGroup.objects.filter(fingerprint=fingerprint, state=old).update(state=new, next_flush_at=now)


def _label(fingerprint: str) -> str:
    return f"fingerprint:{fingerprint}"
