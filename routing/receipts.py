"""What kinds of sinks remember about a group between two messages, so that they can edit or reply to what they sent.

A receipt is written with the outcome that carries it, and read when the next message about the group is tried. Those
come one after the other, so nobody overwrites anybody.
"""

from collections.abc import Iterable, Mapping

from django.db.models import Exists, OuterRef

from routing.grouping import NotifyReason
from routing.models import AlertGroup, Delivery, Receipt


def of(deliveries: Iterable[Delivery]) -> dict[int, dict[str, str]]:
    """The receipts that one sink's deliveries go with, by their groups.

    A digest is about other groups too, and goes with none. Whatever became of what was told before a group's end, its
    new beginning is a message of its own, for it would be overlooked in an old one: what is left from then is forgotten
    before it is tried first.
    """
    alone = {one.group_id: one for one in deliveries if one.group_id is not None and not one.other_groups}
    receipts = Receipt.objects.filter(group__in=alone, sink__in={one.sink_id for one in alone.values()})
    found = list(receipts)
    left = [receipt for receipt in found if _begins(alone[receipt.group_id])]
    if left:
        Receipt.objects.filter(pk__in=[receipt.pk for receipt in left]).delete()
    return {receipt.group_id: receipt.said for receipt in found if receipt not in left}


def _begins(delivery: Delivery) -> bool:
    """Whether it is the first try of a group's first message."""
    return delivery.event == "firing" and delivery.reason == NotifyReason.FIRST and delivery.attempts_made <= 1


def forget(ended: Iterable[AlertGroup]) -> None:
    """Forget what was told of groups that ended and fire again, except where their end is still to be told."""
    groups = [group.pk for group in ended]
    if groups:
        same = Delivery.objects.filter(sink=OuterRef("sink"), group=OuterRef("group"), event="resolved")
        ending = same.filter(state__in=Delivery.UNSETTLED)
        Receipt.objects.filter(~Exists(ending), group__in=groups).delete()


def keep(sink_id: int, told: Mapping[int, Mapping[str, str]]) -> None:
    """Remember what a sink said about some groups; what is empty is forgotten."""
    over = [group for group, said in told.items() if not said]
    if over:
        Receipt.objects.filter(sink=sink_id, group__in=over).delete()
    Receipt.objects.bulk_create(
        [Receipt(sink_id=sink_id, group_id=group, said=dict(said)) for group, said in told.items() if said],
        update_conflicts=True,
        unique_fields=["sink", "group"],
        update_fields=["said"],
    )
