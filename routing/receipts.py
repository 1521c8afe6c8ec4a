"""What kinds of sinks remember about a group between two messages, so that they can edit or reply to what they sent.

A receipt is written with the outcome that carries it, and read when the next message about the group is tried. Those
come one after the other, so nobody overwrites anybody.
"""

from collections.abc import Iterable, Mapping

from django.db.models import Exists, OuterRef

from routing.grouping import NotifyReason
from routing.models import AlertGroup, Delivery, Receipt

State = Delivery.State


def of(deliveries: Iterable[Delivery]) -> dict[int, dict[str, str]]:
    """The receipts that one sink's deliveries go with, by their groups.

    A digest is about other groups too. And whatever became of what was told before a group's end, its new beginning
    is a message of its own, for it would be overlooked in an old one.
    """
    groups = {one.group_id: one.sink_id for one in deliveries if one.group_id is not None and not _stands_alone(one)}
    found = Receipt.objects.filter(group__in=groups, sink__in=set(groups.values()))
    return dict(found.values_list("group", "said"))


def _stands_alone(delivery: Delivery) -> bool:
    begins = delivery.event == "firing" and delivery.reason == NotifyReason.FIRST
    return begins or delivery.other_groups > 0


def begin_anew(ended: Iterable[AlertGroup]) -> None:
    """Forget what was told of groups that ended and fire again, except where their end is still to be told."""
    groups = [group.pk for group in ended]
    if groups:
        same = Delivery.objects.filter(sink=OuterRef("sink"), group=OuterRef("group"), event="resolved")
        ending = same.filter(state__in=[State.QUEUED, State.SENDING])
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
