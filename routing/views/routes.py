"""The ordered list of routes: which alerts go where."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, F, Max, Q
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from routing import access, audit, matching
from routing.access import requires
from routing.form_fields import ConditionField, SpanField
from routing.grouping import ALONE
from routing.models import Alert, ResponseAction, Route, Sink
from routing.models.route import WEEK
from routing.views.asking import address, person
from routing.views.show import show


class RouteForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    condition = ConditionField(
        required=False, help_text="In the rule language, over alerts; empty matches every alert."
    )
    group_by = forms.CharField(
        required=False,
        label="Group by",
        help_text="Fields, separated by commas, whose values make one group; ... alone tells every alert by itself.",
        widget=forms.TextInput(attrs={"class": "code"}),
    )
    group_wait = SpanField(most=WEEK, help_text="To collect alerts before a new group is first told.")
    group_interval = SpanField(most=WEEK, help_text="Between messages about a group that got new alerts.")
    repeat_interval = SpanField(most=WEEK, help_text="After it a group that still fires is told again; 0 never.")
    resolve_after = SpanField(most=WEEK, help_text="Without a new alert, after it the group is resolved.")

    class Meta:
        model = Route
        fields = (
            "name",
            "condition",
            "sinks",
            "actions",
            "continues",
            "enabled",
            "group_by",
            "group_wait",
            "group_interval",
            "repeat_interval",
            "resolve_after",
        )
        widgets = {"sinks": forms.CheckboxSelectMultiple, "actions": forms.CheckboxSelectMultiple}  # noqa: RUF012
        labels = {"actions": "Response actions", "continues": "Go on with the next route after a match"}  # noqa: RUF012
        help_texts = {"continues": ""}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["group_by"] = ", ".join(self.instance.group_by)

    def clean_group_by(self) -> list[str]:
        """The names as a list; raises ValidationError for one that is no field of alerts."""
        names = [name.strip() for name in self.cleaned_data["group_by"].split(",") if name.strip()]
        for name in names:
            if name != ALONE and (error := matching.problem(f"{name} exists")):
                hint = f"; {error.hint}" if error.hint else ""
                raise forms.ValidationError(f"{name} is not a field of alerts{hint}")
        return names


@require_safe
@requires("view")
def routes(request: HttpRequest) -> HttpResponse:
    """The routes in the order in which alerts walk them; with `alert`, which of them take that one and why."""
    firing = Count("groups", filter=Q(groups__state="firing"))
    told = Route.objects.annotate(last=Max("groups__last_seen_at"), firing=firing)
    # A query that counts forgets the model's own order.
    rows = list(told.order_by("position", "pk").prefetch_related("sinks", "actions"))
    verdicts: dict[int, str] = {}
    tried = None
    if uuid := request.GET.get("alert", ""):
        tried = access.alert_for(request.user, uuid)
        verdicts = {route.pk: verdict for route, verdict in matching.explain(tried, rows)}
    context = {
        "rows": [{"route": route, "verdict": verdicts.get(route.pk, "")} for route in rows],
        "ended_by": _catch_all(rows),
        "tried": tried,
        "recent": Alert.objects.order_by("-pk")[:20],
    }
    return show(request, "routes/list.html", context)


def _catch_all(rows: Sequence[Route]) -> Route | None:
    """The route behind which nothing is ever reached, unless it is the last one."""
    for route in rows[:-1]:
        if route.enabled and not route.condition and not route.continues:
            return route
    return None


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new route, at the end of the list."""
    last = Route.objects.aggregate(last=Max("position"))["last"] or 0
    return _edit(request, Route(position=last + 1, group_by=["alert.rule", "alert.hostname"]), "create")


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, access.route_for(request.user, pk, to="edit"), "edit")


def _edit(request: HttpRequest, route: Route, verb: str) -> HttpResponse:
    before = _said(route) if route.pk else None
    form = RouteForm(request.POST or None, instance=route)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            stored = form.save()
            Route.objects.filter(pk=stored.pk).update(version=F("version") + (1 if before else 0))
            audit.record(person(request), verb, stored, before, _said(stored), ip=address(request))
        messages.success(request, f"{stored.name} is saved; the next alert walks it.")
        return redirect("routes")
    context = {
        "form": form,
        "route": route,
        "nowhere": not Sink.objects.exists(),
        "no_actions": not ResponseAction.objects.exists(),
    }
    return show(request, "routes/edit.html", context)


@require_POST
@requires("edit")
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """One place up or down: it changes places with its neighbour."""
    route = access.route_for(request.user, pk, to="edit")
    with transaction.atomic():
        ordered = list(Route.objects.select_for_update())
        here = ordered.index(route)
        there = here + (-1 if request.POST.get("to") == "up" else 1)
        if 0 <= there < len(ordered):
            ordered[here], ordered[there] = ordered[there], ordered[here]
            for position, each in enumerate(ordered, start=1):
                Route.objects.filter(~Q(position=position), pk=each.pk).update(position=position)
            audit.record(person(request), "move", route, here + 1, there + 1, ip=address(request))
    return redirect("routes")


@require_POST
@requires("edit")
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """The route and its groups are gone; the alerts stay."""
    route = access.route_for(request.user, pk, to="edit")
    with transaction.atomic():
        audit.record(person(request), "delete", route, before=_said(route), ip=address(request))
        route.delete()
    messages.success(request, f"{route.name} is deleted.")
    return redirect("routes")


def _said(route: Route) -> dict[str, Any]:
    """What the audit log keeps of it."""
    said = model_to_dict(route)
    return said | {name: [str(each) for each in said[name]] for name in ("sinks", "actions")}
