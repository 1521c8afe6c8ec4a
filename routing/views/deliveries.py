"""The log of deliveries with every attempt, and what a person may do about one."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from routing import access, delivery_filters
from routing import resending as service
from routing.access import requires
from routing.delivery_filters import DEAD, FILTERS
from routing.faults import Fault
from routing.models import Delivery, Route, Sink
from routing.paging import counted, page
from routing.views.asking import address, person
from routing.views.show import show

State = Delivery.State
SHOWN_OF_A_DIGEST = 20
ChangeOfOne = Callable[[Delivery, User, datetime, str | None], bool]
Change = Callable[[QuerySet[Delivery], User, datetime, str | None], list[int]]
Wanted = Callable[[dict[str, str], datetime], QuerySet[Delivery]]


@require_safe
@requires("view")
def deliveries(request: HttpRequest) -> HttpResponse:
    """Deliveries, newest first, as the filters in the URL narrow them; the same filters bound what is changed."""
    said = _said(request.GET)
    try:
        found, wrong = delivery_filters.wanted(said, timezone.now()), ""
    except Fault as fault:
        found, wrong = Delivery.objects.none(), str(fault)
    dead = {**said, "state": DEAD}
    may_change = bool(_query(said)) and access.may(request.user, "respond")
    context = {
        "page": page(found.select_related("sink", "group", "route"), request.GET.get("before", ""), by="created_at"),
        "counted": counted(found),
        "wrong": wrong,
        "said": said,
        "query": _query(said),
        "narrowed": bool(_query(said)),
        "changes": _changes(said) if may_change and not wrong else [],
        "most": f"{service.MOST_IN_A_RANGE:,}",
        "tabs": [
            ("All", _query({**said, "state": ""}), said["state"] == ""),
            ("Dead letters", _query(dead), said == dead),
        ],
        "states": State.choices,
        "dead": DEAD,
        "sinks": Sink.objects.all(),
        "routes": Route.objects.order_by("name"),
    }
    return show(request, "deliveries/list.html", context, part="deliveries/_rows.html")


def _said(query: QueryDict) -> dict[str, str]:
    return {name: query.get(name, "").strip() for name in FILTERS}


def _query(said: dict[str, str]) -> str:
    return urlencode({name: value for name, value in said.items() if value})


def _changes(said: dict[str, str]) -> list[tuple[str, str, str, str]]:
    """What can be done to all of a range: the words, the address, the button's class, and to how many in each state."""
    now = timezone.now()
    again = service.by_state(service.repeatable(delivery_filters.wanted_again(said, now)))
    away = service.by_state(service.discardable(delivery_filters.wanted(said, now)))
    changes = [("Send again", "deliveries-retry", "", again), ("Discard", "deliveries-discard", "danger", away)]
    return [
        (words, address, style, ", ".join(f"{count:,} {state}" for state, count in states.items()))
        for words, address, style, states in changes
        if states
    ]


@require_safe
@requires("view")
def delivery(request: HttpRequest, pk: int) -> HttpResponse:
    """One delivery and its attempts, with what was sent and what came back."""
    shown = access.delivery_for(request.user, pk)
    waits = shown.state == State.QUEUED
    context = {
        "delivery": shown,
        "held": service.held_back(shown, timezone.now()) if waits else "",
        "may_try": waits and shown.sink.enabled,
        "attempts": shown.attempts.order_by("number"),
        "folded": shown.folded.select_related("group").order_by("-pk")[:SHOWN_OF_A_DIGEST],
        "may_retry": not waits and shown.state in service.SEND_AGAIN.may and shown.event != "test",
        "may_discard": shown.state in service.DISCARD.may,
    }
    return show(request, "deliveries/detail.html", context)


@require_POST
@requires("respond")
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Send it again, now."""
    return _change_one(request, pk, service.retry, "It is sent again within a second.")


@require_POST
@requires("respond")
def try_now(request: HttpRequest, pk: int) -> HttpResponse:
    """Try it, also where the sink is left alone."""
    return _change_one(request, pk, service.try_now, "It is tried within a second.")


def _change_one(request: HttpRequest, pk: int, change: ChangeOfOne, done: str) -> HttpResponse:
    chosen = access.delivery_for(request.user, pk, to="respond")
    if change(chosen, person(request), timezone.now(), address(request)):
        # The page that follows says what holds it back, where something does.
        held = service.held_back(access.delivery_for(request.user, pk), timezone.now())
        messages.success(request, "It waits to be sent again." if held else done)
    else:
        messages.error(request, "It is being sent at this moment, or was sent, so nothing was changed.")
    return redirect("delivery", pk=pk)


@require_POST
@requires("respond")
def discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Give up on it."""
    chosen = access.delivery_for(request.user, pk, to="respond")
    if service.discard(chosen, person(request), timezone.now(), address(request)):
        messages.success(request, "Discarded. It stays in the log and can be sent again.")
    else:
        messages.error(request, "It was sent already, or is being sent at this moment; nothing was changed.")
    return redirect("delivery", pk=pk)


@require_POST
@requires("respond")
def retry_all(request: HttpRequest) -> HttpResponse:
    """Send again what the filters show."""
    return _change_all(request, service.retry_all, delivery_filters.wanted_again, "queued again")


@require_POST
@requires("respond")
def discard_all(request: HttpRequest) -> HttpResponse:
    """Give up on what the filters show."""
    return _change_all(request, service.discard_all, delivery_filters.wanted, "discarded")


def _change_all(request: HttpRequest, change: Change, wanted: Wanted, done: str) -> HttpResponse:
    """A range without a filter would be everything there ever was, which nobody means."""
    said = _said(request.POST)
    try:
        if not _query(said):
            raise Fault("", "Choose which ones: set at least one filter.")
        ids = change(wanted(said, timezone.now()), person(request), timezone.now(), address(request))
    except Fault as fault:
        messages.error(request, str(fault))
    else:
        rest = "; press again for the rest" if len(ids) == service.MOST_IN_A_RANGE else ""
        messages.success(request, f"{len(ids):,} {'delivery is' if len(ids) == 1 else 'deliveries are'} {done}{rest}.")
    return redirect(f"{reverse('deliveries')}?{_query(said)}")
