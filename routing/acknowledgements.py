"""Acknowledgements, assignments and comments: they belong to a fingerprint and hold in every group of it."""

from datetime import datetime
from typing import TypeVar

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from routing import audit
from routing.access import insist, may
from routing.models import Acknowledgement, AlertGroup, Assignment, Comment, GroupedAlert

Said = TypeVar("Said", Acknowledgement, Assignment)
State = AlertGroup.State


class AcknowledgementError(Exception):
    """Nothing to say or to withdraw; the text says why."""


def acknowledge(fingerprint: str, by: User, now: datetime, comment: str = "", ip: str | None = None) -> Acknowledgement:
    """Take it on: firing groups of this fingerprint become acknowledged. A later person takes over from an earlier.

    A group with alerts that nobody was told of, or a newest one, that nobody looks after goes on firing. Raises
    PermissionDenied, or AcknowledgementError where every group of it is resolved: it would mute the next one.
    """
    insist(by, "respond")
    with transaction.atomic():
        groups = _hold_groups(fingerprint)
        if not groups:
            raise AcknowledgementError("Nothing to acknowledge: no group that is not resolved has such an alert.")
        earlier = Acknowledgement.objects.filter(fingerprint=fingerprint).select_related("user").first()
        taken, _ = Acknowledgement.objects.update_or_create(
            fingerprint=fingerprint, defaults={"user": by, "at": now, "comment": comment}
        )
        _move([group for group in groups if _is_covered(group)], State.FIRING, State.ACKNOWLEDGED, now)
        before = {"by": earlier.user.get_username()} if earlier else None
        audit.record(by, "acknowledge", _label(fingerprint), before, {"comment": comment}, ip=ip, now=now)
    return taken


def withdraw(fingerprint: str, by: User, now: datetime, ip: str | None = None) -> None:
    """Nobody looks after it any more: its groups fire again. Raises PermissionDenied, or AcknowledgementError."""
    insist(by, "respond")
    with transaction.atomic():
        groups = _hold_groups(fingerprint)
        earlier = Acknowledgement.objects.filter(fingerprint=fingerprint).select_related("user").first()
        if earlier is None:
            raise AcknowledgementError("Nobody has acknowledged this, or somebody withdrew it a moment ago.")
        earlier.delete()
        _move(groups, State.ACKNOWLEDGED, State.FIRING, now)
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


def end_with(group: AlertGroup) -> None:
    """What was said of the alerts of a group that is resolved ends, where no other group goes on that has them."""
    mine = Q(fingerprint=group.fingerprint) | Q(fingerprint__in=group.current.values("alert__fingerprint"))
    # Locked, so that of two workers who end the last two groups the second one sees what the first one did.
    taken, given = _keys(Acknowledgement.objects.filter(mine)), _keys(Assignment.objects.filter(mine))
    if taken or given:
        # Whoever resolves a group stores it only after all of its transaction.
        AlertGroup.objects.filter(pk=group.pk).update(state=State.RESOLVED)
        over(Acknowledgement).filter(pk__in=taken).delete()
        over(Assignment).filter(pk__in=given).delete()


def over(said: type[Said]) -> QuerySet[Said]:
    """What was said of fingerprints that no group has any more that is not resolved."""
    newest = AlertGroup.objects.filter(fingerprint=OuterRef("fingerprint"), state__in=AlertGroup.UNRESOLVED)
    members = _members_going_on().filter(alert__fingerprint=OuterRef("fingerprint"))
    return said._default_manager.filter(~Exists(newest), ~Exists(members))


def _members_going_on() -> QuerySet[GroupedAlert]:
    """The alerts of the groups that are not resolved, without those of earlier lives."""
    return GroupedAlert.objects.filter(group__state__in=AlertGroup.UNRESOLVED, routed_at__gte=F("group__first_seen_at"))


def _keys(rows: QuerySet[Said]) -> list[int]:
    return list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))


def _hold_groups(fingerprint: str) -> list[AlertGroup]:
    """The groups that go on and have it; locked before what is said of them, in the order in which who routes does.

    Else we would wait for a group, and they for what we say of it.
    """
    members = _members_going_on().filter(alert__fingerprint=fingerprint)
    having = Q(fingerprint=fingerprint) | Q(pk__in=members.values("group"))
    return list(AlertGroup.objects.filter(having, state__in=AlertGroup.UNRESOLVED).order_by("id").select_for_update())


def _is_covered(group: AlertGroup) -> bool:
    """Whether somebody looks after the newest alert and all that nobody was told of."""
    taken = Acknowledgement.objects.filter(fingerprint=OuterRef("alert__fingerprint"))
    untold = group.current.filter(~Exists(taken), number__gt=group.told_count)
    return Acknowledgement.objects.filter(fingerprint=group.fingerprint).exists() and not untold.exists()


def _move(groups: list[AlertGroup], old: State, new: State, now: datetime) -> None:
    """The pipeline looks at them at once: sinks that are told of an acknowledgement hear of it."""
    moved = AlertGroup.objects.filter(pk__in=[group.pk for group in groups], state=old)
    moved.update(state=new, next_flush_at=now)


def _label(fingerprint: str) -> str:
    return f"fingerprint:{fingerprint}"
