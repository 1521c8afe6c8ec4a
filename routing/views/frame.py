"""What surrounds every page: the navigation with its counts, and the banner that says what is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Aggregate, Count, Min, QuerySet, Subquery, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.timesince import timesince
from redis.exceptions import RedisError

from routing import auditor, backlog, signs
from routing.access import PERMISSIONS, may, role_of
from routing.auditor import What
from routing.models import ActionRun, AlertGroup, Delivery, Sink
from routing.signs import SILENT, Part

THEMES = ("auto", "light", "dark")
# It comes every thirty seconds.
AUDITOR_SILENT = timedelta(minutes=3)
SILENCE = {
    Part.BEAT: "Beat was not heard for a minute. Alerts are stored, but told late or not at all until it runs.",
    Part.WORKER: "No worker was heard for a minute. Alerts are stored, but nobody is told until one runs.",
}
STUCK = {
    What.LOST_CLAIMS: ("Deliveries are held by a worker that is gone", "deliveries"),
    What.OVERDUE_GROUPS: ("Alert groups are overdue to be told", "groups"),
    What.STUCK_RUNS: ("Action runs are stuck", "runs"),
}
"""What the auditor finds and the pages do not see by themselves, and where one looks at it."""


@dataclass(frozen=True)
class Link:
    """One line of the navigation."""

    name: str
    title: str
    letter: str
    """Goes there after `g`."""
    url: str = ""
    """The URL's name, where it is not `name`."""
    also: tuple[str, ...] = ()
    """Other lists that belong to it."""
    current: bool = False
    count: int = 0
    counted: str = ""
    heat: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    links: list[Link]
    permission: str = "view"


@dataclass(frozen=True)
class Banner:
    """Something is wrong with the product itself: `bad` where alerts are not told, `warn` where some may not be."""

    level: str
    text: str
    url: str
    link: str


NAVIGATION = [
    Section(
        "Watch",
        [
            Link("overview", "Overview", "o"),
            Link("live", "Live", "l"),
            Link("alerts", "Alerts", "a"),
            Link("groups", "Groups", "g", counted="firing", heat="hot"),
        ],
    ),
    Section(
        "Respond",
        [
            Link("runs", "Action runs", "u", counted="awaiting approval", heat="wait"),
            Link("actions", "Response actions", "x"),
            Link("silences", "Silences", "s", also=("windows", "inhibitions", "intervals")),
        ],
    ),
    Section(
        "Configure",
        [
            Link("rules", "Rules", "r"),
            Link("routes", "Routes", "t"),
            Link("lookups", "Lookup tables", "b"),
            Link("sinks", "Sinks", "k"),
            Link("deliveries", "Deliveries", "d"),
            Link("sensors", "Sensors", "n"),
        ],
    ),
    Section(
        "Administer",
        [
            Link("people", "People", "p", url="admin:auth_user_changelist"),
            Link("tokens", "Tokens", "e"),
            Link("audit", "Audit", "h"),
        ],
        "administer",
    ),
]


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context of every page. Lazy: a fragment that shows no frame asks the database nothing for it."""
    return {"frame": SimpleLazyObject(lambda: _frame(request))}


def _frame(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get("theme", "auto")
    shown: dict[str, Any] = {"theme": theme if theme in THEMES else "auto"}
    user = getattr(request, "user", None)
    if user is None or (role := role_of(user)) is None:
        return shown
    now = timezone.now()
    pulse = _pulse(user.pk, now)
    return shown | {
        "role": role.label,
        "may": {permission: may(user, permission) for permission in PERMISSIONS},
        "sections": list(_sections(request, pulse)),
        "banners": list(_banners(pulse, now)),
    }


def _pulse(user: int, now: datetime) -> dict[str, Any]:
    """The few numbers that every page shows, from one query."""
    waiting = ActionRun.objects.filter(state=ActionRun.State.AWAITING_APPROVAL)
    firing = AlertGroup.objects.filter(state=AlertGroup.State.FIRING)
    unrouted = backlog.older_than(now - SILENT)
    overdue = Delivery.objects.filter(
        state=Delivery.State.QUEUED, next_attempt_at__lt=now - SILENT, sink__enabled=True, sink__open_until=None
    )
    shut = Sink.objects.filter(enabled=True, open_until__gt=now)
    stopped = Sink.objects.exclude(disabled_reason="")
    found = User.objects.values(
        awaiting=_one(waiting, Count("pk")),
        firing=_one(firing, Count("pk")),
        unrouted_since=_one(unrouted, Min("received_at")),
        overdue_since=_one(overdue, Min("next_attempt_at")),
        shut=_one(shut, Min("name")),
        stopped=_one(stopped, Min("name")),
    )
    return dict(found.get(pk=user))


def _one(rows: QuerySet[Any], aggregate: Aggregate) -> Subquery:
    """An aggregate over other rows as a column; grouping by a constant is how the ORM spells it."""
    return Subquery(rows.order_by().values(same=Value(1)).values(found=aggregate))


def _sections(request: HttpRequest, pulse: dict[str, Any]) -> Iterator[Section]:
    counts = {"groups": pulse["firing"] or 0, "runs": pulse["awaiting"] or 0}
    match = request.resolver_match
    here = match.url_name.split("-")[0] if match and match.url_name else ""
    # The pages below `deliveries` are called `delivery`, `delivery-retry`, ….
    at = {here, f"{here}s", f"{here.removesuffix('y')}ies"}
    for section in NAVIGATION:
        if may(request.user, section.permission):
            links = [
                replace(link, count=counts.get(link.name, 0), current=bool(at & {link.name, *link.also}))
                for link in section.links
            ]
            yield replace(section, links=links)


def _banners(pulse: dict[str, Any], now: datetime) -> Iterator[Banner]:
    deliveries = reverse("deliveries")
    if pulse["unrouted_since"]:
        waited = timesince(pulse["unrouted_since"], now)
        text = f"Alerts have waited {waited} to be routed. They are stored, but nobody is told: is the worker running?"
        yield Banner("bad", text, reverse("alerts"), "See the alerts")
    elif pulse["overdue_since"]:
        waited = timesince(pulse["overdue_since"], now)
        text = f"Deliveries are overdue by {waited}: is the worker running, and does it serve the queue `deliver`?"
        yield Banner("bad", text, f"{deliveries}?state=queued", "See what waits")
    else:
        yield from _silences(now)
    if pulse["shut"]:
        text = f"The sink {pulse['shut']} keeps failing, so nothing is sent to it for a while."
        yield Banner("warn", text, reverse("sinks"), "See its last error")
    if pulse["stopped"]:
        text = f"The sink {pulse['stopped']} was switched off because its receiver refused it for good."
        yield Banner("bad", text, reverse("sinks"), "Mend it")


def _silences(now: datetime) -> Iterator[Banner]:
    """Who was not heard, or else what the auditor found; without Redis nobody can tell, and nobody can be rung."""
    try:
        times = signs.heard()
        report = auditor.last_report()
    except (signs.Unreachable, RedisError, OSError):
        text = "Redis cannot be reached. Alerts are stored, but nobody is told until it answers."
        yield Banner("bad", text, reverse("deliveries"), "See the deliveries")
        return
    silent = signs.silent(times, SILENCE, now)
    if silent is not None:
        yield Banner("bad", SILENCE[silent], reverse("deliveries"), "See the deliveries")
    elif now - times.get(Part.AUDITOR, now) > AUDITOR_SILENT:  # A new installation has had none yet.
        text = "The auditor was not heard for three minutes, so nobody looks for what is stuck. Is a worker overloaded?"
        yield Banner("warn", text, reverse("deliveries"), "See the deliveries")
    elif report is not None:
        for finding in report.stuck:
            if finding.what in STUCK:
                words, page = STUCK[finding.what]
                text = f"{words}: {finding.count} of them, {timesince(report.at, now)} ago. They were seen to again."
                yield Banner("bad", text, reverse(page), "Look at them")
