"""Groups that wait, and that something was changed about which they wait for: they are looked at once more."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import DateTimeField, F, Q, QuerySet, Value
from django.db.models.functions import Least

from routing import tree
from routing.models import AlertGroup

PIECE = 500
"""Groups that are due at one moment. Those of the next second come in between."""


def look_again(now: datetime) -> None:
    """What makes routes wait or puts steps off has changed: the groups that wait are looked at once more."""
    _look(AlertGroup.objects.filter(_step_put_off(now) | Q(held_until__gt=now)), now)


def take_steps(now: datetime) -> None:
    """What puts steps off has changed, and no route waits for it."""
    _look(AlertGroup.objects.filter(_step_put_off(now)), now)


def follow(routes: Collection[int], now: datetime, *, collecting: bool) -> None:
    """These routes' times or steps have changed: they hold for what fires already.

    Groups that still collect their first alerts would be told by a look; they wait on unless they are named as well.
    """
    groups = AlertGroup.objects.filter(route__in=routes, next_flush_at__gt=now)
    first = Q(told_at=None, count__gt=F("told_count"), held_until=None)
    _look(groups if collecting else groups.exclude(first), now)


def _step_put_off(now: datetime) -> Q:
    """Groups whose step is due, as their route says or one above it, and that look at it only later."""
    late = Q(pk__in=[])
    steps: dict[int, list[int]] = {}
    for node in tree.load():
        for step in node.steps:
            steps.setdefault(step.after, []).append(node.key)
    for after, routes in steps.items():
        since = now - timedelta(seconds=after)
        late |= Q(route__in=routes, unacknowledged_since__lte=since, escalated_to__lt=after, next_step_at__gt=now)
    return late


def _look(groups: QuerySet[AlertGroup], now: datetime) -> None:
    """Let them come due, a piece a second, so that what fires meanwhile is told in between, however many they are."""
    # In this order, so that workers wait for each other instead of deadlocking.
    found = list(groups.order_by("id").select_for_update().values_list("pk", flat=True))
    for second, start in enumerate(range(0, len(found), PIECE)):
        due = Value(now + timedelta(seconds=second), DateTimeField())
        piece = AlertGroup.objects.filter(pk__in=found[start : start + PIECE])
        piece.update(held_until=None, next_flush_at=Least("next_flush_at", due))
