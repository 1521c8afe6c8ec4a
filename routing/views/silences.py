"""Silences: what is not told for a while, with a look at what that would be before it is so."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from routing import access
from routing import silences as service
from routing.access import requires
from routing.form_fields import ConditionField, MomentField, SpanField
from routing.matching import RuleError, problem, said
from routing.models import Silence
from routing.paging import page
from routing.preview import Preview, preview
from routing.views.asking import address, person
from routing.views.show import show
from routing.views.suggested import Suggested, Unsaid, comparison, like, quoted, together

LONGEST = 90 * 86_400
SOON = timedelta(hours=1)
"""Before its end a silence is pointed out."""


class SilenceForm(forms.Form):
    condition = ConditionField(rows=3, help_text="In the rule language, over alerts.")
    comment = forms.CharField(
        label="Why", max_length=500, help_text="Whoever looks for a missing message reads this first."
    )
    starts_at = MomentField(
        required=False,
        placeholder="now",
        ahead=True,
        label="From",
        help_text="In 2h, or a time in UTC: 2026-11-23 14:00.",
    )
    lasts = SpanField(most=LONGEST, label="Lasts", initial="4h", help_text="30min, 4h, 2d; at most 90 days.")


@require_safe
@requires("view")
def silences(request: HttpRequest) -> HttpResponse:
    """Silences that hold, then those to come; or the expired ones."""
    now = timezone.now()
    found = Silence.objects.select_related("author")
    tabs = {
        "active": found.filter(starts_at__lte=now, ends_at__gt=now),
        "scheduled": found.filter(starts_at__gt=now, ends_at__gt=now),
        "expired": found.filter(ends_at__lte=now),
    }
    state = request.GET.get("state", "active")
    state = state if state in tabs else "active"
    context = {
        "soon": now + SOON,
        "page": page(tabs[state], request.GET.get("before", ""), by="ends_at"),
        "state": state,
        "tabs": [(name, name.capitalize(), rows.count()) for name, rows in tabs.items()],
    }
    return show(request, "silences/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("respond")
def new(request: HttpRequest) -> HttpResponse:
    """The form; its Preview button shows the effect and stores nothing."""
    if request.method != "POST":
        suggested = Suggested()
        if not (initial := _again(request)):
            suggested = _suggested(request)
            initial = {"condition": suggested.condition}
        return _shown(request, SilenceForm(initial=initial), _effect(initial["condition"]), suggested.why_not)
    form = SilenceForm(request.POST)
    if not form.is_valid() or "preview" in request.POST:
        return _shown(request, form, _effect(form.cleaned_data.get("condition", "")))
    given, now = form.cleaned_data, timezone.now()
    starts = given["starts_at"] or now
    ends = starts + timedelta(seconds=given["lasts"])
    try:
        service.create(
            given["condition"], ends, person(request), given["comment"], now, given["starts_at"], ip=address(request)
        )
    except service.SilenceError as error:
        form.add_error(None, str(error))
        return _shown(request, form, _effect(given["condition"]))
    messages.success(request, f"Silent until {ends:%Y-%m-%d %H:%M} UTC.")
    return redirect("silences")


def _shown(request: HttpRequest, form: SilenceForm, effect: Preview | None, why_not: str = "") -> HttpResponse:
    context = {"form": form, "preview": effect, "why_not": why_not}
    return show(request, "silences/edit.html", context, part="silences/_preview.html")


def _effect(condition: str) -> Preview | None:
    try:
        return preview(condition, timezone.now()) if condition.strip() else None
    except RuleError:
        return None


def _again(request: HttpRequest) -> dict[str, Any]:
    """What an earlier silence said, where the link is to make one like it."""
    wanted = request.GET.get("silence", "")
    if not wanted.isdecimal():
        return {}
    earlier = access.silence_for(request.user, int(wanted))
    lasts = min(int((earlier.ends_at - earlier.starts_at).total_seconds()), LONGEST)
    return {"condition": earlier.condition, "comment": earlier.comment, "lasts": lasts or None}


def _suggested(request: HttpRequest) -> Suggested:
    """The condition that the link asks for: like an alert, or like the filters of the alert list."""
    if uuid := request.GET.get("alert"):
        return like(access.alert_for(request.user, uuid))
    try:
        return together(_filters(request))
    except Unsaid as error:
        return Suggested(why_not=str(error))


def _filters(request: HttpRequest) -> Iterator[str]:
    """What each filter of the list says. Raises Unsaid."""
    if condition := request.GET.get("q", "").strip():
        # By itself: within brackets, one that closes another would mean something else.
        if error := problem(condition):
            raise Unsaid(f"The condition of the list cannot be read. {said(error)}.")
        yield f"({condition})"
    for name in ("rule", "hostname"):
        if value := request.GET.get(name, "").strip():
            yield comparison(f"alert.{name}", value)
    for name, compared in (("at_least", ">="), ("priority", "=")):
        if priority := request.GET.get(name, "").strip():
            yield f"alert.priority {compared} {quoted(priority)}"


@require_POST
@requires("respond")
def extend(request: HttpRequest, pk: int) -> HttpResponse:
    """Let it end later than it does, by the hours that the button says."""
    silence = access.silence_for(request.user, pk, to="respond")
    hours = request.POST.get("hours", "")
    ends = silence.ends_at + timedelta(hours=min(int(hours), 24 * 90) if hours.isdecimal() else 1)
    return _changed(request, lambda now: service.extend(silence, ends, person(request), now, ip=address(request)))


@require_POST
@requires("respond")
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """End it now."""
    silence = access.silence_for(request.user, pk, to="respond")
    return _changed(request, lambda now: service.end(silence, person(request), now, ip=address(request)))


def _changed(request: HttpRequest, change: Any) -> HttpResponse:
    now: datetime = timezone.now()
    try:
        silence = change(now)
    except service.SilenceError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"It ends {silence.ends_at:%Y-%m-%d %H:%M} UTC.")
    return redirect("silences")
