"""Response actions: what may be done, on which alerts, and who must agree."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from routing import access, definitions
from routing import actions as kinds_of_actions
from routing.access import requires
from routing.actions.base import Responder
from routing.definitions import ACTIONS
from routing.faults import Fault
from routing.form_fields import ConditionField, SpanField
from routing.forms import form_for
from routing.models import ResponseAction
from routing.views.asking import address, person
from routing.views.refusing import refuse
from routing.views.show import show

DAY = 86_400


class ActionForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    condition = ConditionField(required=False, help_text="Narrows what its routes match; empty is everything.")
    max_alert_age = SpanField(most=DAY, label="Oldest alert", help_text="An older alert asks for nothing.")
    approval_ttl = SpanField(most=DAY, label="Time to approve", help_text="After it the request expires.")

    class Meta:
        model = ResponseAction
        fields = ("name", "mode", "condition", "max_alert_age", "approval_ttl", "max_per_hour")
        widgets = {"mode": forms.RadioSelect}  # noqa: RUF012
        labels = {"max_per_hour": "Runs in any hour"}  # noqa: RUF012
        help_texts = {"max_per_hour": "Over it they are refused."}  # noqa: RUF012


@require_safe
@requires("view")
def actions(request: HttpRequest) -> HttpResponse:
    """Every response action with its mode and what it did in the last day."""
    today = Q(runs__requested_at__gte=timezone.now() - timedelta(days=1))
    rows = ResponseAction.objects.prefetch_related("routes").annotate(
        asked=Count("runs", filter=today, distinct=True),
        done=Count("runs", filter=today & Q(runs__state="succeeded"), distinct=True),
    )
    rows = rows.order_by("name")
    kinds = [
        {"kind": name, "label": kind.label, "summary": kind.summary, "where": kind.where}
        for name, kind in sorted(kinds_of_actions.kinds().items(), key=lambda item: item[1].label)
    ]
    return show(request, "actions/list.html", {"rows": rows, "kinds": kinds})


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def new(request: HttpRequest, kind: str) -> HttpResponse:
    label = _kind(kind).label
    return _edit(request, ResponseAction(kind=kind, name=label))


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, access.action_for(request.user, pk, to="edit"))


def _edit(request: HttpRequest, action: ResponseAction) -> HttpResponse:
    kind = _kind(action.kind)
    data = request.POST if request.method == "POST" else None
    form = ActionForm(data, instance=action)
    options = form_for(kind.Params)(data, values=action.params)
    if data is not None and form.is_valid() and options.is_valid():
        said = {"kind": action.kind, **form.cleaned_data, "params": options.plain()}
        stored = action if action.pk else None
        try:
            saved = definitions.save(ACTIONS, stored, said, person(request), timezone.now(), ip=address(request))
        except Fault as fault:
            refuse(fault, form, options)
        else:
            messages.success(request, f"{saved.name} is saved. A route must ask for it before anything happens.")
            return redirect("actions")
    context: dict[str, Any] = {"form": form, "options": options, "action": action}
    context |= {"label": kind.label, "summary": kind.summary}
    return show(request, "actions/edit.html", context)


@require_POST
@requires("edit")
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Only one that never ran can be deleted; the others are switched off, for their runs must stay explained."""
    action = access.action_for(request.user, pk, to="edit")
    try:
        definitions.delete(ACTIONS, action, person(request), timezone.now(), address(request))
    except Fault as fault:
        messages.error(request, str(fault))
        return redirect("action-edit", pk=pk)
    messages.success(request, f"{action.name} is deleted.")
    return redirect("actions")


def _kind(name: str) -> type[Responder]:
    try:
        return kinds_of_actions.kinds()[name]
    except KeyError:
        raise Http404(f"no kind of response action is called {name}") from None
