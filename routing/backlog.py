"""How many stored alerts wait to be routed, and for how long."""

from datetime import datetime

from django.db.models import QuerySet

from routing.models import Unrouted


def waiting(at_most: int) -> int:
    """The alerts that wait, counted no further than `at_most`: a long queue costs no more to count than that."""
    return Unrouted.objects.order_by()[:at_most].count()


def oldest() -> datetime | None:
    """When the alert was received that waits for longest; asked lane by lane, for so its index answers."""
    heads = (
        Unrouted.objects.filter(lane=lane).order_by("received_at", "pk").values_list("received_at", flat=True).first()
        for lane in range(Unrouted.LANES)
    )
    return min((head for head in heads if head is not None), default=None)


def older_than(moment: datetime) -> QuerySet[Unrouted]:
    """The alerts that have waited since before a moment. All lanes are named, for so the index answers."""
    return Unrouted.objects.filter(lane__in=range(Unrouted.LANES), received_at__lt=moment)
