"""What is settled leaves as old as alerts do; what people decided and what was done to nodes stays, as the audit log.

Everything goes in small transactions and for a limited time, so that nobody waits for it; the next round goes on.
"""

import time
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import Any

import structlog
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, QuerySet

from routing import acknowledgements
from routing.models import Acknowledgement, ActionRun, AlertGroup, Assignment, Delivery, GroupedAlert, Route

log = structlog.get_logger(__name__)

CHUNK = 500
"""Rows of one transaction, without those that go with them."""
SECONDS = 20.0
"""How long one round may take."""
WITHOUT_EFFECT = ("skipped", "refused", "expired", "superseded", "would_have")
"""States of runs that did nothing; where no person had a say there is one for each alert, and nothing to prove."""

Clock = Callable[[], float]


def tidy(before: datetime, now: datetime, clock: Clock = time.monotonic) -> dict[str, int]:
    """Remove what was settled before a moment; how many of each went."""
    until = clock() + SECONDS
    gone = {
        # In this order: a group is kept for as long as something was told of it, and its route as long as the group.
        "deliveries": _remove(_settled(before), until, clock),
        "groups": _remove(_resolved(before), until, clock),
        "routes": _remove(_deleted(before), until, clock),
        # An acknowledgement of what is over would mute what comes next.
        "acknowledgements": _remove(acknowledgements.over(Acknowledgement), until, clock),
        "assignments": _remove(acknowledgements.over(Assignment).filter(at__lt=before), until, clock),
        "runs": _remove(_without_effect(before), until, clock),
        "sign_ins": sum(_remove(rows, until, clock) for rows in _sign_ins(before, now)),
    }
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    if any(gone.values()):
        log.info("tidied", **gone)
    return gone


def _settled(before: datetime) -> QuerySet[Delivery]:
    """Deliveries, with their attempts. One that is sent again is not settled any more."""
    return Delivery.objects.filter(settled_at__lt=before)


def _resolved(before: datetime) -> QuerySet[AlertGroup]:
    """Groups without anything left that they would be kept for."""
    over = AlertGroup.objects.filter(state=AlertGroup.State.RESOLVED, last_seen_at__lt=before, resolved_at__lt=before)
    members, told = GroupedAlert.objects.filter(group=OuterRef("pk")), Delivery.objects.filter(group=OuterRef("pk"))
    return over.filter(~Exists(members), ~Exists(told))


def _deleted(before: datetime) -> QuerySet[Route]:
    """Routes that were deleted, of which nothing is left, and nothing of those beneath them."""
    groups, beneath = AlertGroup.objects.filter(route=OuterRef("pk")), Route.everything.filter(parent=OuterRef("pk"))
    return Route.everything.filter(~Exists(groups), ~Exists(beneath), deleted_at__lt=before)


def _without_effect(before: datetime) -> QuerySet[ActionRun]:
    return ActionRun.objects.filter(
        state__in=WITHOUT_EFFECT, requested_at__lt=before, decided_by=None, requested_by=None
    )


def _sign_ins(before: datetime, now: datetime) -> list[QuerySet[Any]]:
    """What django-axes remembers of them; a lock-out only for as long as it holds."""
    return [
        AccessAttempt.objects.filter(attempt_time__lt=now - settings.AXES_COOLOFF_TIME),
        AccessFailureLog.objects.filter(attempt_time__lt=before),
        AccessLog.objects.filter(attempt_time__lt=before),
    ]


def _remove(rows: QuerySet[Any], until: float, clock: Clock) -> int:
    """Delete them, and what hangs on them, leaving alone what somebody has his hands on at this moment."""
    count = 0
    model: type[models.Model] = rows.model
    while clock() < until:
        with transaction.atomic():
            found = rows.order_by("pk").select_for_update(skip_locked=True, of=("self",))
            keys = list(found.values_list("pk", flat=True)[:CHUNK])
            model._base_manager.filter(pk__in=keys).delete()
        count += len(keys)
        if len(keys) < CHUNK:
            break
    return count
