"""Alert groups: the list by state, and one group's timeline with what a person may do about it."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from routing import access, acknowledgements, silences, tree
from routing.access import requires
from routing.models import Acknowledgement, Alert, AlertGroup
from routing.paging import PAGE, Page, page
from routing.standing import held
from routing.views import looking_after
from routing.views.asking import address, person
from routing.views.owners import longest_acknowledged, of, owners
from routing.views.show import show
from routing.views.suggested import of_group
from routing.views.timeline import timeline

NEWEST = 8
MOST_FINGERPRINTS = 200


@require_safe
@requires("view")
def groups(request: HttpRequest) -> HttpResponse:
    """Groups of one state, those that fire unless the URL says otherwise; `mine`, or of one `route`."""
    state = request.GET.get("state", "firing")
    found = AlertGroup.objects.select_related("route")
    route = request.GET.get("route", "")
    chosen = access.route_for(request.user, int(route)) if route.isdecimal() else None
    if chosen:
        found = found.filter(route=chosen)
    counts = dict(found.order_by().values_list("state").annotate(Count("pk")))
    mine = found.filter(of(person(request))).exclude(state=AlertGroup.State.RESOLVED)
    tabs = [(name, words, counts.get(name, 0)) for name, words in AlertGroup.State.choices]
    tabs += [("all", "All", sum(counts.values())), ("mine", "Mine", mine.count())]
    state = state if state in [name for name, _, _ in tabs] else "firing"
    if state in AlertGroup.State.values:
        found = found.filter(state=state)
    found = mine if state == "mine" else found
    longest = state == AlertGroup.State.ACKNOWLEDGED and request.GET.get("order") == "longest"
    if longest:
        shown = Page(list(longest_acknowledged(found)[:PAGE]), "", paged=False)
    else:
        shown = page(found, request.GET.get("before", ""), by="last_seen_at")
    holding = held(shown.rows, timezone.now())
    whose = owners(group.fingerprint for group in shown.rows)
    context = {
        "page": shown,
        "rows": [(group, holding.get(group.pk), whose.get(group.fingerprint)) for group in shown.rows],
        "state": state,
        "route": chosen,
        "of_route": f"&route={chosen.pk}" if chosen else "",
        "longest": longest,
        "tabs": tabs,
    }
    return show(request, "groups/list.html", context, part="groups/_rows.html")


@require_safe
@requires("view")
def group(request: HttpRequest, pk: int) -> HttpResponse:
    """One group: what it is about, and everything that happened, oldest first."""
    shown = access.group_for(request.user, pk)
    alerts = first_and_newest(shown)
    fingerprints = {alert.fingerprint for alert in alerts} or {shown.fingerprint}
    newest, now = alerts[-1] if alerts else None, timezone.now()
    node = tree.load().by_key[shown.route_id]
    context = {
        "group": shown,
        "newest": newest,
        "hold": held([shown], now).get(shown.pk),
        "silence": silences.holding(newest, now) if newest else None,
        "node": node,
        "told_to_somebody": bool(node.sinks),
        "step": next((step for step in node.steps if step.after > shown.escalated_to), None),
        "step_is_due": shown.next_step_at is not None and shown.next_step_at <= now,
        "entries": timeline(shown, alerts, fingerprints),
        "unshown": max(0, shown.count - len(alerts)),
        **looking_after.shown(fingerprints, "group", pk=pk),
        "suggested": of_group(shown),
        "labels": sorted(shown.labels.items()),
    }
    return show(request, "groups/detail.html", context, part="groups/_detail.html")


def first_and_newest(group: AlertGroup) -> list[Alert]:
    """The first alert of the group's life and its newest ones, oldest first: all that a page can show of thousands."""
    members = group.current.select_related("alert__sensor")
    newest = [member.alert for member in members.order_by("-number", "-alert")[:NEWEST]][::-1]
    if len(newest) < NEWEST:
        return newest
    first = members.order_by("number", "alert").first()
    return newest if first is None or first.alert == newest[0] else [first.alert, *newest]


def _fingerprints(group: AlertGroup) -> list[str]:
    """The different fingerprints of its alerts, without those of earlier lives: what taking on all of it covers."""
    found = group.current.order_by().values_list("alert__fingerprint", flat=True).distinct()[:MOST_FINGERPRINTS]
    return list(dict.fromkeys([group.fingerprint, *found]))


@require_POST
@requires("respond")
def acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the group on: every fingerprint in it."""
    chosen = access.group_for(request.user, pk, to="respond")
    said, now = request.POST.get("comment", "").strip(), timezone.now()
    try:
        for fingerprint in _fingerprints(chosen):
            acknowledgements.acknowledge(fingerprint, person(request), now, said, ip=address(request))
    except acknowledgements.AcknowledgementError as error:
        messages.error(request, str(error))
        return redirect(chosen)
    chosen.refresh_from_db(fields=["state"])
    if chosen.state == AlertGroup.State.ACKNOWLEDGED:
        messages.success(request, "You look after it now. It stays acknowledged until it is resolved.")
    else:
        messages.warning(request, "You look after what it told. It goes on firing for alerts that were not told yet.")
    return redirect(chosen)


@require_POST
@requires("respond")
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Nobody looks after it any more."""
    chosen = access.group_for(request.user, pk, to="respond")
    taken = Acknowledgement.objects.filter(fingerprint__in=_fingerprints(chosen))
    try:
        for acknowledgement in taken:
            acknowledgements.withdraw(acknowledgement.fingerprint, person(request), timezone.now(), ip=address(request))
    except acknowledgements.AcknowledgementError as error:
        messages.error(request, str(error))
    return redirect(chosen)


@require_POST
@requires("respond")
def comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Say something about it."""
    chosen = access.group_for(request.user, pk, to="respond")
    return looking_after.comment(request, chosen.fingerprint, chosen)


@require_POST
@requires("respond")
def assign(request: HttpRequest, pk: int) -> HttpResponse:
    """Say whose the group is: every fingerprint in it."""
    chosen = access.group_for(request.user, pk, to="respond")
    return looking_after.assign(request, _fingerprints(chosen), chosen)


@require_POST
@requires("respond")
def unassign(request: HttpRequest, pk: int) -> HttpResponse:
    """It is nobody's any more."""
    chosen = access.group_for(request.user, pk, to="respond")
    return looking_after.unassign(request, _fingerprints(chosen), chosen)
