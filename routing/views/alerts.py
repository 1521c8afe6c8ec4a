"""The list of alerts with its filters, and one alert."""

from contextlib import suppress
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from routing import access, acknowledgements, approvals, doorbell, finding, silences
from routing.access import requires
from routing.endings import is_end
from routing.holds import Holds
from routing.models import Alert, AlertGroup, Comment, Delivery, ResponseAction, Unrouted
from routing.paging import PAGE, counted
from routing.standing import held
from routing.views import arrivals, looking_after
from routing.views.alert_filter import AlertFilter
from routing.views.asking import address, person, way_back
from routing.views.show import show, wants_part
from sensor.alert import Priority, rfc3339


@require_safe
@requires("view")
def alerts(request: HttpRequest) -> HttpResponse:
    """The alerts that the filters in the URL leave, newest first."""
    form = AlertFilter(request.GET)
    shown_at = timezone.now()
    found, search = form.alerts(), form.search()
    before = _key(request.GET.get("before", ""))
    shown = finding.find(found, search, before, PAGE)
    # A search that took its time to find a page is not asked for a second time to be counted.
    counted = finding.Count(len(shown.alerts), shown.read_to) if shown.read_to else finding.count(found, search)
    context = {
        "form": form,
        "query": form.query(),
        "page": shown,
        "paged": before is not None,
        "counted": counted,
        "shown_at": shown_at.isoformat(),
        "begins": form.begins() if form.is_valid() else None,
        "newest": Alert.objects.order_by("-pk").first,
    }
    response = show(request, "alerts/list.html", context, part="alerts/_rows.html")
    if wants_part(request):
        place = f"&before={before}" if before else ""
        response["HX-Push-Url"] = f"{request.path}?{form.query()}{place}"
    return response


@require_safe
@requires("view")
def newer(request: HttpRequest) -> HttpResponse:
    """How many alerts arrived since the list was shown, as the link that shows them."""
    form = AlertFilter(request.GET)
    shown_at = arrivals.read(request.GET.get("after", ""), timezone.now())
    found = finding.count(*arrivals.since(form.alerts(), form.search(), shown_at))
    context = {"counted": found, "query": form.query(), "shown_at": shown_at.isoformat()}
    return render(request, "alerts/_newer.html", context)


@require_safe
@requires("view")
def alert(request: HttpRequest, uuid: str) -> HttpResponse:
    """Everything known about one alert."""
    shown = access.alert_for(request.user, uuid)
    memberships = list(shown.memberships.select_related("group__route"))
    groups = [membership.group for membership in memberships]
    now = timezone.now()
    not_told = held(groups, now)
    deliveries = Delivery.objects.filter(group__in=groups, created_at__gte=shown.received_at)
    context = {
        "alert": shown,
        "delay": (shown.received_at - shown.time).total_seconds(),
        "fields": sorted(shown.output_fields.items()),
        "wire": as_wire(shown),
        "groups": [(group, not_told.get(group.pk)) for group in groups],
        "routed_at": memberships[0].routed_at if memberships else None,
        "ends": is_end(shown),
        "silence": silences.holding(shown, now),
        "hold": Holds(now).of_alert(shown),
        **looking_after.shown([shown.fingerprint], "alert", uuid=uuid),
        "comments": Comment.objects.filter(fingerprint=shown.fingerprint).select_related("user").order_by("-at")[:20],
        "deliveries": deliveries.select_related("sink", "route").order_by("created_at", "pk")[:20],
        "runs": shown.runs.select_related("action").order_by("requested_at"),
        "unrouted": Unrouted.objects.filter(pk=shown.pk).exists(),
        "same": counted(Alert.objects.filter(fingerprint=shown.fingerprint)),
        "actions": ResponseAction.objects.exclude(mode=ResponseAction.Mode.OFF),
        "similar": Alert.objects.filter(fingerprint=shown.fingerprint).exclude(pk=shown.pk).order_by("-pk")[:10],
    }
    return show(request, "alerts/detail.html", context)


@require_POST
@requires("respond")
def acknowledge(request: HttpRequest) -> HttpResponse:
    """Take on the chosen alerts: what bears their fingerprints, in every group of it."""
    chosen = [access.alert_for(request.user, uuid, to="respond") for uuid in _uuids(request)]
    said, now = request.POST.get("comment", "").strip(), timezone.now()
    fingerprints = dict.fromkeys(alert.fingerprint for alert in chosen)
    taken = 0
    for fingerprint in fingerprints:
        with suppress(acknowledgements.AcknowledgementError):
            acknowledgements.acknowledge(fingerprint, person(request), now, said, ip=address(request))
            taken += 1
    if taken:
        messages.success(request, f"Acknowledged: {taken} different, {len(chosen)} selected.")
    if taken < len(fingerprints):
        over = len(fingerprints) - taken
        messages.warning(request, f"Not acknowledged: {over} different, for no group fires that has them.")
    if not fingerprints:
        messages.warning(request, "Nothing was selected.")
    return redirect(way_back(request, "/alerts/"))


@require_POST
@requires("respond")
def respond(request: HttpRequest, uuid: str) -> HttpResponse:
    """Ask for a response by hand; somebody else must then approve it."""
    chosen = access.alert_for(request.user, uuid, to="respond")
    wanted = request.POST.get("action", "")
    action = access.action_for(request.user, int(wanted) if wanted.isdecimal() else 0, to="respond")
    group = AlertGroup.objects.filter(members__alert=chosen).order_by("pk").first()
    run = approvals.request(action, chosen, group, None, timezone.now(), by=person(request))
    if run is None:
        messages.warning(request, f"{action.name} is off, so nothing was asked for.")
        return redirect(chosen)
    doorbell.ring("runs")
    return redirect(run)


@require_POST
@requires("respond")
def assign(request: HttpRequest, uuid: str) -> HttpResponse:
    """Say whose the alert is, and all that bear its fingerprint."""
    chosen = access.alert_for(request.user, uuid, to="respond")
    return looking_after.assign(request, [chosen.fingerprint], chosen)


@require_POST
@requires("respond")
def unassign(request: HttpRequest, uuid: str) -> HttpResponse:
    """It is nobody's any more."""
    chosen = access.alert_for(request.user, uuid, to="respond")
    return looking_after.unassign(request, [chosen.fingerprint], chosen)


@require_POST
@requires("respond")
def comment(request: HttpRequest, uuid: str) -> HttpResponse:
    """Say something about the alert, and all that bear its fingerprint."""
    chosen = access.alert_for(request.user, uuid, to="respond")
    return looking_after.comment(request, chosen.fingerprint, chosen)


def _key(text: str) -> UUID | None:
    """A cursor of the list; one without sense is the first page."""
    with suppress(ValueError):
        return UUID(text)
    return None


def _uuids(request: HttpRequest) -> list[UUID]:
    """The alerts a form names, at most a page of them; what is no uuid is left out."""
    found = []
    for text in request.POST.getlist("alert")[:PAGE]:
        with suppress(ValueError):
            found.append(UUID(text))
    return found


def as_wire(alert: Alert) -> dict[str, object]:
    """The alert as the API gives it, for people who paste it elsewhere."""
    return {
        "uuid": alert.uuid,
        "time": rfc3339(alert.time_ns),
        "rule": alert.rule,
        "priority": Priority(alert.priority).label,
        "source": alert.source,
        "hostname": alert.hostname,
        "output": alert.output,
        "output_fields": alert.output_fields,
        "tags": alert.tags,
    }
