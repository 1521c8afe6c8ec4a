"""The ordered list of routes: which alerts go where."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from routing import access, matching, tree
from routing import routes as service
from routing.access import requires
from routing.faults import Fault
from routing.form_fields import ConditionField, SpanField
from routing.grouping import ALONE
from routing.lookups import Tables
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
        self.initial["group_by"] = ", ".join(self.instance.group_by or ())
        # What a route beneath another leaves empty, it has from that one.
        for name in tree.SETTINGS:
            self.fields[name].required = name != "group_by" and self.instance.parent_id is None

    def clean_group_by(self) -> list[str] | None:
        """The names as a list, None where they are inherited; raises ValidationError for what is no field of alerts."""
        names = [name.strip() for name in self.cleaned_data["group_by"].split(",") if name.strip()]
        for name in names:
            if name != ALONE and (wrong := matching.field_problem(name)):
                raise forms.ValidationError(wrong)
        return names if names or self.instance.group_by is not None else None

    def facts(self) -> dict[str, Any]:
        """What was entered, as `routing.routes` takes it."""
        given = self.cleaned_data
        return {**given, **{name: [one.name for one in given[name]] for name in ("sinks", "actions")}}


@require_safe
@requires("view")
def routes(request: HttpRequest) -> HttpResponse:
    """The routes in the order in which alerts walk them; with `alert`, which of them take that one and why."""
    firing = Count("groups", filter=Q(groups__state="firing"))
    told = Route.objects.annotate(last=Max("groups__last_seen_at"), firing=firing)
    figures = told.in_bulk()
    grown = tree.load()
    verdicts: dict[int, str] = {}
    tried = None
    if uuid := request.GET.get("alert", ""):
        tried = access.alert_for(request.user, uuid)
        Tables().enrich([tried])
        verdicts = {one.node.key: str(one.match) for one in matching.explain(tried, grown)}
    context = {
        "rows": [
            {"node": node, "route": figures[node.key], "verdict": verdicts.get(node.key, "")}
            for node in grown
            if node.key in figures
        ],
        "ended_by": _ends_early(grown.roots),
        "tried": tried,
        "recent": Alert.objects.order_by("-pk")[:20],
    }
    return show(request, "routes/list.html", context)


def _ends_early(siblings: Sequence[tree.Node]) -> tree.Node | None:
    """The route behind which nothing is ever reached, unless it is the last one."""
    for node in siblings[:-1]:
        if node.enabled and not node.route.condition and not node.route.continues:
            return node
    return None


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new route, at the end of the list."""
    return _edit(request, Route(group_by=["alert.rule", "alert.hostname"]))


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, access.route_for(request.user, pk, to="edit"))


def _edit(request: HttpRequest, route: Route) -> HttpResponse:
    form = RouteForm(request.POST or None, instance=route)
    if request.method == "POST" and form.is_valid():
        try:
            stored = service.save(route, form.facts(), person(request), timezone.now(), address(request))
        except Fault as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        else:
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
    places = -1 if request.POST.get("to") == "up" else 1
    service.move(route, places, person(request), timezone.now(), address(request))
    return redirect("routes")


@require_POST
@requires("edit")
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """The route and its groups are gone; the alerts stay."""
    route = access.route_for(request.user, pk, to="edit")
    try:
        service.delete(route, person(request), timezone.now(), address(request))
    except Fault as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{route.name} is deleted.")
    return redirect("routes")
