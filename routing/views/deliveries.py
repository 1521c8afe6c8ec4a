"""The log of deliveries with every attempt, and what a person may do about one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from routing import access
from routing import deliveries as service
from routing.access import requires
from routing.models import AlertGroup, Delivery, Sink
from routing.views.asking import address, person
from routing.views.paging import counted, page
from routing.views.show import show

State = Delivery.State
SHOWN_OF_A_DIGEST = 20


@require_safe
@requires("view")
def deliveries(request: HttpRequest) -> HttpResponse:
    """Deliveries, newest first; `state` and `sink` narrow them."""
    state, sink = request.GET.get("state", ""), request.GET.get("sink", "")
    found = Delivery.objects.all()
    if state in State.values:
        found = found.filter(state=state)
    if sink.isdecimal():
        found = found.filter(sink=int(sink))
    context = {
        "page": page(found.select_related("sink", "group", "route"), request.GET.get("before", ""), by="created_at"),
        "counted": counted(found),
        "state": state,
        "sink": sink,
        "states": State.choices,
        "sinks": Sink.objects.all(),
    }
    return show(request, "deliveries/list.html", context, part="deliveries/_rows.html")


@require_safe
@requires("view")
def delivery(request: HttpRequest, pk: int) -> HttpResponse:
    """One delivery and its attempts, with what was sent and what came back."""
    shown = access.delivery_for(request.user, pk)
    context = {
        "delivery": shown,
        "attempts": shown.attempts.order_by("number"),
        "folded": shown.folded.select_related("group").order_by("-pk")[:SHOWN_OF_A_DIGEST],
        "may_retry": shown.state not in (State.SENDING, State.FOLDED) and shown.event != "test",
        "may_discard": shown.state in (State.QUEUED, State.FAILED, State.UNKNOWN),
    }
    return show(request, "deliveries/detail.html", context)


@require_POST
@requires("respond")
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Send it again, now."""
    chosen = access.delivery_for(request.user, pk, to="respond")
    if service.retry(chosen, person(request), timezone.now(), address(request)):
        messages.success(request, "It is sent again within a second.")
    else:
        messages.error(request, "It is being sent at this moment, so nothing was changed.")
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
def retry_dead(request: HttpRequest) -> HttpResponse:
    """Send every dead letter again, of one sink where the form names it.

    Not those about groups that are resolved by now: they would open a page that nothing closes again.
    """
    dead = Delivery.objects.filter(state=State.FAILED).exclude(event="test")
    dead = dead.exclude(event="firing", group__state=AlertGroup.State.RESOLVED)
    sink = request.POST.get("sink", "")
    if sink.isdecimal():
        dead = dead.filter(sink=int(sink))
    ids = service.retry_all(dead, person(request), timezone.now(), address(request))
    messages.success(request, f"{len(ids)} dead {'letter is' if len(ids) == 1 else 'letters are'} sent again.")
    return redirect("deliveries")
