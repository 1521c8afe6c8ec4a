"""Lists and forms of what is defined by name: maintenance windows, inhibitions, time intervals and lookup tables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from routing import access, matching
from routing import definitions as service
from routing.access import requires
from routing.definitions import INHIBITIONS, INTERVALS, LOOKUPS, WINDOWS
from routing.faults import Fault
from routing.form_fields import pointed
from routing.models import Lookup
from routing.preview import Preview, preview
from routing.views.asking import address, person
from routing.views.defined import Telling, sample, telling
from routing.views.quiet_forms import InhibitionForm, IntervalForm, LookupForm, NamedForm, WindowForm
from routing.views.show import show

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class Family:
    """The pages of one kind of definition."""

    name: str
    """In URLs: `window` has the list `windows` and the pages `window-new`, `window-edit` and `window-delete`."""
    title: str
    definition: Any
    form: type[NamedForm]

    def told(self, row: Any) -> Telling:
        """What the pages say about one."""
        return telling(row, timezone.now(), self.definition.users(row))

    def page(self) -> dict[str, Any]:
        """What every page of the family shows."""
        urls = {"listed": f"{self.name}s", "add": f"{self.name}-new"}
        return {"family": self, **urls, "change": f"{self.name}-edit", "remove": f"{self.name}-delete"}


def listing(family: Family) -> View:
    """All of them with what they mean, and whether they hold now."""

    @require_safe
    @requires("view")
    def view(request: HttpRequest) -> HttpResponse:
        rows = [family.told(row) for row in family.definition.model.objects.all()]
        return show(request, "definitions/list.html", {**family.page(), "rows": rows})

    return view


def new(family: Family) -> View:
    """The empty form."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @requires("edit")
    def view(request: HttpRequest) -> HttpResponse:
        return _edit(request, family, None)

    return view


def edit(family: Family) -> View:
    """The form of a stored one."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @requires("edit")
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        return _edit(request, family, access.definition_for(request.user, family.definition.model, pk, to="edit"))

    return view


def delete(family: Family) -> View:
    """It is gone, unless something still uses it."""

    @require_POST
    @requires("edit")
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        row = access.definition_for(request.user, family.definition.model, pk, to="edit")
        try:
            service.delete(family.definition, row, person(request), timezone.now(), address(request))
        except Fault as error:
            messages.error(request, str(error))
            return redirect(f"{family.name}-edit", pk)
        messages.success(request, f"{row} is deleted.")
        return redirect(f"{family.name}s")

    return view


def _edit(request: HttpRequest, family: Family, row: Any) -> HttpResponse:
    initial = family.form.said(row) if row else None
    form = family.form(request.POST or None, request.FILES or None, initial=initial)
    if request.method == "POST" and form.is_valid() and "preview" not in request.POST:
        try:
            saved = service.save(
                family.definition, row, form.facts(), person(request), timezone.now(), address(request)
            )
        except Fault as error:
            _say(form, error)
        else:
            messages.success(request, f"{saved} is saved; it counts from now on.")
            return redirect(f"{family.name}s")
    context = {
        **family.page(),
        "form": form,
        "told": family.told(row) if row else None,
        "sample": sample(row) if isinstance(row, Lookup) else None,
        "preview": _effect(form),
    }
    return show(request, "definitions/edit.html", context, part="silences/_preview.html")


def _say(form: NamedForm, error: Fault) -> None:
    """Show what cannot be at its field: a condition with its caret, a table with each line that is wrong."""
    field = error.field if error.field in form.fields and error.field != "spec" else None
    for said in [pointed(error.error)] if error.error else str(error).splitlines():
        form.add_error(field, said)


def _effect(form: NamedForm) -> Preview | None:
    """What a window's condition would hide."""
    if "condition" not in form.fields:
        return None
    condition = str(form["condition"].value() or "")
    return preview(condition, timezone.now()) if condition.strip() and matching.problem(condition) is None else None


FAMILIES = {
    family.name: family
    for family in (
        Family("window", "Maintenance windows", WINDOWS, WindowForm),
        Family("inhibition", "Inhibitions", INHIBITIONS, InhibitionForm),
        Family("interval", "Time intervals", INTERVALS, IntervalForm),
        Family("lookup", "Lookup tables", LOOKUPS, LookupForm),
    )
}
