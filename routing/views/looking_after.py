"""Assigning and commenting, from the page of a group as from that of an alert: both belong to fingerprints."""

from collections.abc import Iterable, Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from routing import acknowledgements
from routing.models import Alert, AlertGroup, Assignment
from routing.views.asking import address, person
from routing.views.owners import owners, who_may_respond

About = Alert | AlertGroup


def shown(fingerprints: Iterable[str], page: str, **key: object) -> dict[str, object]:
    """What the page of a group or an alert needs to show whose it is, and to change that."""
    whose = owners(fingerprints)
    return {
        "owners": whose.values(),
        "assigned": any(owner.assigned for owner in whose.values()),
        "acknowledged": any(owner.acknowledged for owner in whose.values()),
        "people": who_may_respond(),
        "assign": reverse(f"{page}-assign", kwargs=key),
        "unassign": reverse(f"{page}-unassign", kwargs=key),
    }


def assign(request: HttpRequest, fingerprints: Sequence[str], about: About) -> HttpResponse:
    """To the person that the form names, or to who presses Take it."""
    wanted = request.POST.get("to", "")
    me, now = person(request), timezone.now()
    chosen = int(wanted) if wanted.isdecimal() else 0
    to = me if "take" in request.POST else get_object_or_404(who_may_respond(), pk=chosen)
    for fingerprint in fingerprints:
        acknowledgements.assign(fingerprint, to, me, now, ip=address(request))
    messages.success(request, "It is yours now." if to == me else f"It is for {to.get_username()} to look after now.")
    return redirect(about)


def unassign(request: HttpRequest, fingerprints: Sequence[str], about: About) -> HttpResponse:
    """It is nobody's any more."""
    given = list(Assignment.objects.filter(fingerprint__in=fingerprints).values_list("fingerprint", flat=True))
    try:
        for fingerprint in given or fingerprints[:1]:
            acknowledgements.unassign(fingerprint, person(request), timezone.now(), ip=address(request))
    except acknowledgements.AcknowledgementError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "It is nobody's now.")
    return redirect(about)


def comment(request: HttpRequest, fingerprint: str, about: About) -> HttpResponse:
    """Say something about it."""
    text = request.POST.get("comment", "")
    try:
        acknowledgements.comment(fingerprint, person(request), timezone.now(), text, ip=address(request))
    except acknowledgements.AcknowledgementError as error:
        messages.error(request, str(error))
    return redirect(about)
