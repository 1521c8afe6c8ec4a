"""What kinds of sinks remember about a group between two messages, so that they can edit or reply to what they sent.

A receipt is written with the outcome that carries it, and read when the next message about the group is tried. Those
come one after the other, so nobody overwrites anybody.
"""

from collections.abc import Iterable, Mapping

from routing.models import Delivery, Receipt


def of(deliveries: Iterable[Delivery]) -> dict[int, dict[str, str]]:
    """The receipts that one sink's deliveries go with, by their groups."""
    groups = {delivery.group_id: delivery.sink_id for delivery in deliveries if delivery.group_id is not None}
    found = Receipt.objects.filter(group__in=groups, sink__in=set(groups.values()))
    return dict(found.values_list("group", "said"))


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
