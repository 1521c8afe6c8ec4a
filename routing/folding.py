"""What still waits for a sink about a group is told together with what is new, not one after the other.

A sink that comes back after a day then hears of each group once, with everything that happened.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import F

from routing.messages import MOST_ALERTS
from routing.models import Delivery

State = Delivery.State


def fold(new: Sequence[Delivery], now: datetime) -> int:
    """Let each new firing delivery stand also for those that wait before it; how many were folded.

    Called in the transaction that stored the new ones. One that is being sent at this moment is left alone.
    """
    telling = {(one.sink_id, one.group_id): one for one in new if one.state == State.QUEUED and one.event == "firing"}
    if not telling:
        return 0
    waiting = Delivery.objects.filter(
        sink_id__in={sink for sink, _ in telling},
        group_id__in={group for _, group in telling},
        state__in=[State.QUEUED, State.SENDING],
        pk__lt=min(one.pk for one in telling.values()),
    )
    count = 0
    for old in waiting.order_by("-pk"):
        at = (old.sink_id, old.group_id)
        if at not in telling:
            continue
        if old.event != "firing" or not _take(old, telling[at], now):
            # What lies before a group's end, or before what is under way, was told or will be.
            del telling[at]
            continue
        count += 1
    return count


def _take(old: Delivery, into: Delivery, now: datetime) -> bool:
    still = Delivery.objects.filter(pk=old.pk, state=State.QUEUED)
    if not still.update(state=State.FOLDED, folded_into=into, settled_at=now):
        return False
    into.alert_ids = [*old.alert_ids, *into.alert_ids][-MOST_ALERTS:]
    into.reason = old.reason
    Delivery.objects.filter(pk=into.pk).update(
        alert_ids=into.alert_ids, alert_count=F("alert_count") + old.alert_count, reason=into.reason
    )
    return True
