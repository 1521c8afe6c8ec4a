"""How groups stand at this moment, whatever was decided about them before: what holds them now."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import OuterRef, Subquery, UUIDField

from routing import tree
from routing.holds import Hold, Holds
from routing.models import Alert, AlertGroup, GroupedAlert


def newest_of(groups: Iterable[AlertGroup]) -> dict[int, Alert]:
    """The newest alert of each group that has one, by the group's id."""
    newest = GroupedAlert.objects.filter(group=OuterRef("pk")).order_by("-alert").values("alert")[:1]
    wanted = AlertGroup.objects.filter(pk__in=[group.pk for group in groups]).order_by()
    # Told what it is, for SQLite would hand out a foreign key as the text it stores.
    pairs = dict(wanted.values_list("pk", Subquery(newest, UUIDField())))
    alerts = Alert.objects.select_related("sensor").in_bulk(set(pairs.values()) - {None})
    return {group: alerts[alert] for group, alert in pairs.items() if alert in alerts}


def held(groups: Sequence[AlertGroup], now: datetime) -> dict[int, Hold]:
    """What holds some groups that are not resolved, by their ids: their newest alert, or else their route."""
    going_on = [group for group in groups if group.state != AlertGroup.State.RESOLVED]
    if not going_on:
        return {}
    newest, holds, nodes = newest_of(going_on), Holds(now), tree.load().by_key
    holds.expect(list(newest.values()))
    found: dict[int, Hold] = {}
    for group in going_on:
        alert, node = newest.get(group.pk), nodes.get(group.route_id)
        hold = (holds.of_alert(alert) if alert else None) or (holds.of_route(node) if node else None)
        if hold:
            found[group.pk] = hold
    return found
