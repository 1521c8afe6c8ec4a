"""The tree of routes: which alerts go where, what would become of one, and how it came to be so."""

from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from routing import access, tree
from routing import routes as service
from routing.access import requires
from routing.faults import Fault
from routing.models import Alert, ResponseAction, Route, RouteVersion, Sink, TimeInterval
from routing.simulation import NoAlert
from routing.tree import Tree
from routing.views.asking import address, person
from routing.views.branches import Figures, branches
from routing.views.draft import Effect, effect
from routing.views.route_form import RouteForm, Steps
from routing.views.route_versions import history
from routing.views.show import show
from routing.views.trial import Trial, attempt, pasted

RECENT = 20


@require_http_methods(["GET", "HEAD", "POST"])
@requires("view")
def routes(request: HttpRequest) -> HttpResponse:
    """The routes in the order in which alerts walk them.

    With `alert`, or a pasted one, also which of them take that one and why; nothing is stored or told.
    """
    now, grown = timezone.now(), tree.load()
    text, problem = request.POST.get("text", ""), ""
    trial: Trial | None = None
    if uuid := request.GET.get("alert", ""):
        trial = attempt(access.alert_for(request.user, uuid), grown, now)
    elif request.method == "POST":
        try:
            trial = attempt(pasted(text, now), grown, now)
        except NoAlert as error:
            problem = str(error)
    figures = Figures(now)
    context = {
        "branches": branches(grown, figures, trial.verdicts if trial else {}),
        "counted_whole": figures.whole,
        "catch_all": grown.catch_all(),
        "trial": trial,
        "text": text,
        "problem": problem,
        "recent": Alert.objects.order_by("-pk")[:RECENT],
    }
    return show(request, "routes/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new route: beneath the one that the URL names, or at the top before what takes everything."""
    route = Route(**{**dict.fromkeys(tree.SETTINGS), "group_by": ["alert.rule", "alert.hostname"]})
    above = request.GET.get("beneath", "")
    if above.isdecimal():
        route.parent, route.group_by = access.route_for(request.user, int(above), to="edit"), None
    return _edit(request, route)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """What the route says itself."""
    return _edit(request, access.route_for(request.user, pk, to="edit"))


def _edit(request: HttpRequest, route: Route) -> HttpResponse:
    data, grown, now = request.POST or None, tree.load(), timezone.now()
    title, above = route.name, route.parent_id
    form, steps = RouteForm(data, route, grown), Steps(data, route)
    if request.method == "POST" and all([form.is_valid(), steps.is_valid()]):
        facts = {**form.facts(), "escalation": steps.facts()}
        chosen = form.cleaned_data["parent"]
        moved = route.pk is None or above != (chosen.pk if chosen else None)
        if moved:
            facts["position"] = None
        try:
            if "try" in request.POST:
                tried = effect(route, facts, title, now)
                return show(request, "routes/edit.html", _context(route, title, form, steps, grown, tried))
            stored = service.save(route, facts, person(request), now, address(request), form.cleaned_data["version"])
        except Fault as error:
            form.add_error(error.field if error.field in form.Meta.fields else None, str(error))
        else:
            placed = _before_the_rest(request, stored, now) if moved else ""
            messages.success(request, f"{stored.name} is saved; the next alert walks it.{placed}")
            return redirect("routes")
    return show(request, "routes/edit.html", _context(route, title, form, steps, grown))


def _context(
    route: Route, title: str, form: RouteForm, steps: Steps, grown: Tree, tried: Effect | None = None
) -> dict[str, object]:
    context: dict[str, object] = {
        "form": form,
        "steps": steps.forms,
        "route": route,
        "title": title,
        "effect": tried,
        "open": _with_something(form, steps),
        "nothing": {
            "sinks": not Sink.objects.exists(),
            "actions": not ResponseAction.objects.exists(),
            "intervals": not TimeInterval.objects.exists(),
        },
    }
    if route.pk:
        context |= _loss(route, grown)
    return context


def _with_something(form: RouteForm, steps: Steps) -> dict[str, bool]:
    """Which parts of the form are shown unfolded: those that say something, or are wrong."""

    def says(*names: str) -> bool:
        return any(form[name].value() or form[name].errors for name in names)

    return {
        "times": says(*tree.SETTINGS),
        "quiet": says("mute_in", "active_in"),
        "steps": any(step["after"].value() or step.errors for step in steps.forms),
    }


def _before_the_rest(request: HttpRequest, route: Route, now: datetime) -> str:
    """Put a route that came last before the sibling that takes everything; what was done, in words."""
    grown = tree.load()
    behind = grown.unreached().get(route.pk)
    if behind is None or behind.route.parent_id != route.parent_id or grown.by_key[route.pk].takes_everything:
        return ""
    siblings = [one for one in Route.objects.all() if one.parent_id == route.parent_id]
    service.move(route, siblings.index(behind.route) - siblings.index(route), person(request), now, address(request))
    return f" It stands before {behind.name}, which takes everything."


def _loss(route: Route, grown: Tree) -> dict[str, object]:
    """What would end with a route that is deleted, and what stands in the way."""
    node = grown.by_key.get(route.pk)
    return {"going_on": service.going_on(route).count(), "children": node.children if node else []}


@require_POST
@requires("edit")
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """One place up or down among its siblings."""
    route = access.route_for(request.user, pk, to="edit")
    places = -1 if request.POST.get("to") == "up" else 1
    service.move(route, places, person(request), timezone.now(), address(request))
    return redirect("routes")


@require_POST
@requires("edit")
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Nothing comes to the route any more, its groups end, and the log stays."""
    route = access.route_for(request.user, pk, to="edit")
    try:
        service.delete(route, person(request), timezone.now(), address(request))
    except Fault as error:
        messages.error(request, str(error))
        return redirect("route-edit", pk)
    messages.success(request, f"{route.name} is deleted.")
    return redirect("routes")


@require_safe
@requires("view")
def versions(request: HttpRequest, pk: int) -> HttpResponse:
    """Who changed what about a route, newest first."""
    route = access.route_for(request.user, pk)
    return show(request, "routes/versions.html", {"route": route, "history": history(route)})


@require_POST
@requires("edit")
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Make an earlier version the newest one."""
    route = access.route_for(request.user, pk, to="edit")
    number = request.POST.get("number", "")
    try:
        stored = service.restore(route, int(number or 0), person(request), timezone.now(), address(request))
    except (ValueError, RouteVersion.DoesNotExist):
        raise Http404 from None
    except Fault as error:
        messages.error(request, f"Version {number} cannot be restored: {error}")
    else:
        messages.success(request, f"{stored.name} is again as in version {number}.")
    return redirect("route-versions", pk)
