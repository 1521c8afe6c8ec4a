"""What arrived since a page was shown: alerts come late and out of order, and are kept in the order they happened."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from routing.days import lowest
from routing.models import Alert
from routing.searching import Search

LATE = timedelta(minutes=10)
"""What arrives later than this after it happened is in the lists, but not announced."""


def read(text: str, now: datetime) -> datetime:
    """The moment a page names; `now` where it names none that can be."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return now
    return moment if moment.tzinfo is not None and now - timedelta(days=1) <= moment <= now else now


def since(alerts: QuerySet[Alert], search: Search, moment: datetime) -> tuple[QuerySet[Alert], Search]:
    """Those of `alerts` that may have arrived after a moment, and the search for those that did."""
    return alerts.filter(pk__gte=lowest(moment - LATE)), search.also(Q(received_at__gt=moment))
