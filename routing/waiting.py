"""Groups that wait because of what people said: intervals, windows, silences, inhibitions."""

from datetime import datetime, timedelta

from django.db.models import Q

from routing.models import AlertGroup, EscalationStep


def look_again(now: datetime) -> None:
    """What makes routes wait or puts steps off has changed: the groups that wait are looked at once more."""
    waits = Q(held_until__gt=now)
    for step in EscalationStep.objects.all():
        due = Q(unacknowledged_since__lte=now - timedelta(seconds=step.after), escalated_to__lt=step.after)
        waits |= Q(due, route=step.route_id, next_step_at__gt=now)
    waiting = AlertGroup.objects.filter(waits).order_by("id").select_for_update()
    AlertGroup.objects.filter(pk__in=list(waiting.values_list("pk", flat=True))).update(
        held_until=None, next_flush_at=now
    )
