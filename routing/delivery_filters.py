"""Which deliveries somebody asks for: the filters of the log's page, of the API, and of ranges."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import QuerySet

from routing.faults import Fault
from routing.form_fields import moment
from routing.models import Delivery
from routing.storable import text

FILTERS = ("state", "sink", "route", "group", "since", "until")
DEAD = ",".join(Delivery.DEAD)
"""The dead letters, as `state`."""

HELD_BACK = (Delivery.State.SUPPRESSED, Delivery.State.DISCARDED)
"""What nobody was told, and nobody should have been."""


def wanted(said: Mapping[str, str], now: datetime) -> QuerySet[Delivery]:
    """The deliveries that fit every filter that says something.

    `state` names one or several with commas; `sink` and `route` are numbers or names, `group` is a number; `since` and
    `until` are about when a delivery was made, as `moment` reads them. Raises Fault.
    """
    given = {name: value for name in FILTERS if (value := text(said.get(name, "")).strip())}
    found = Delivery.objects.all()
    if "state" in given:
        states = [word.strip() for word in given["state"].split(",") if word.strip()]
        for unknown in [word for word in states if word not in Delivery.State.values]:
            raise Fault("state", f"{unknown!r} is no state of a delivery; use {', '.join(Delivery.State.values)}.")
        found = found.filter(state__in=states)
    for name in ("sink", "route"):
        if name in given:
            column = name if _is_number(given[name]) else f"{name}__name"
            found = found.filter(**{column: given[name]})
    if "group" in given:
        if not _is_number(given["group"]):
            raise Fault("group", f"{given['group']!r} is not the number of a group.")
        found = found.filter(group=int(given["group"]))
    for name, lookup in (("since", "created_at__gte"), ("until", "created_at__lt")):
        if name in given:
            try:
                found = found.filter(**{lookup: moment(given[name], now)})
            except (ValueError, OverflowError) as error:
                raise Fault(name, f"{error}.") from None
    return found


def wanted_again(said: Mapping[str, str], now: datetime) -> QuerySet[Delivery]:
    """As `wanted`, of what shall be sent again: what was held back, or given up by a person, only where that is named.

    Raises Fault.
    """
    found = wanted(said, now)
    return found if text(said.get("state", "")).strip() else found.exclude(state__in=HELD_BACK)


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdecimal() and len(value) < 19  # what 64 bits hold
