"""Action runs: those that wait for a person first, and the page where one decides."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from routing import access, approvals, doorbell
from routing.access import requires
from routing.models import ActionRun, Alert
from routing.paging import page
from routing.views.asking import address, person
from routing.views.show import show

State = ActionRun.State


@require_safe
@requires("view")
def runs(request: HttpRequest) -> HttpResponse:
    """What awaits approval, then every other run, newest first."""
    state = request.GET.get("state", "")
    done = ActionRun.objects.select_related("action", "sensor", "decided_by")
    done = done.filter(state=state) if state in State.values else done.exclude(state=State.AWAITING_APPROVAL)
    awaiting = ActionRun.objects.filter(state=State.AWAITING_APPROVAL).select_related("action")
    asked = list(awaiting.order_by("expires_at")[:100])
    alerts = Alert.objects.in_bulk({run.alert_id for run in asked})
    context = {
        "awaiting": [(run, alerts.get(run.alert_id)) for run in asked],
        "page": page(done, request.GET.get("before", ""), by="requested_at"),
        "state": state,
        "states": State.choices,
    }
    return show(request, "runs/list.html", context, part="runs/_rows.html")


@require_safe
@requires("view")
def run(request: HttpRequest, uuid: str) -> HttpResponse:
    """One run: what it would do, why, and what became of it."""
    shown = access.action_run_for(request.user, uuid)
    open_question = shown.state == State.AWAITING_APPROVAL
    context = {
        "run": shown,
        "alert": Alert.objects.filter(pk=shown.alert_id).first(),
        "open_question": open_question,
        "own": shown.requested_by_id == request.user.pk,
        "target": sorted(shown.target.items()),
    }
    return show(request, "runs/detail.html", context, part="runs/_detail.html")


@require_POST
@requires("approve")
def approve(request: HttpRequest, uuid: str) -> HttpResponse:
    return _decide(request, uuid, approvals.approve, "Approved")


@require_POST
@requires("approve")
def deny(request: HttpRequest, uuid: str) -> HttpResponse:
    return _decide(request, uuid, approvals.deny, "Denied")


def _decide(request: HttpRequest, uuid: str, decision: Callable[..., ActionRun], done: str) -> HttpResponse:
    asked = access.action_run_for(request.user, uuid, to="approve")
    comment = request.POST.get("comment", "").strip()
    try:
        decision(asked, person(request), timezone.now(), comment, ip=address(request))
    except approvals.ApprovalError as error:
        messages.error(request, str(error))
    else:
        # The node waits in a long poll for it.
        doorbell.ring("runs")
        messages.success(request, f"{done}: {asked.description}.")
    return redirect(asked)
