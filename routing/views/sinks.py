"""Sinks: where messages go, how each is doing, and whether it works (Test)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Min, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from routing import access, definitions, deliveries, pacing, templating
from routing import sinks as kinds_of_sinks
from routing.access import requires
from routing.definitions import SINKS
from routing.definitions.sinks import switch, unreadable
from routing.faults import Fault
from routing.forms import OptionsForm, form_for
from routing.messages import preview_message
from routing.models import AlertGroup, Attempt, Route, Sink
from routing.sandbox import TemplateError
from routing.sinks.base import Sender, Templated
from routing.views.asking import address, person
from routing.views.refusing import refuse
from routing.views.show import show
from routing.views.sink_health import health_of, trouble_of, unusable

PARTS = ("title", "body")
_TAKEN = {
    "text": "A template in your own words (docs/sinks.md); empty for the usual ones.",
    "html": "A template of the whole HTML; values are escaped. Empty for the usual one.",
    "json": "A template of the whole JSON; write values with |tojson. Empty for the usual one.",
}


class SinkForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    class Meta:
        model = Sink
        fields = ("name", "most_per_minute", "title_template", "body_template")
        labels = {"most_per_minute": "Most messages a minute", "title_template": "Title", "body_template": "Body"}  # noqa: RUF012  # as Django has it

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        takes = _kind(self.instance.kind).takes
        for part in PARTS:
            field = self.fields[f"{part}_template"]
            if not takes.most(part):
                del self.fields[f"{part}_template"]
                continue
            field.help_text = _TAKEN[takes.format if part == "body" else "text"]
            field.widget = forms.Textarea(
                attrs={"rows": 1 if part == "title" else 4, "class": "condition", "spellcheck": "false"}
            )
        own = pacing.pace_of(Sink(kind=self.instance.kind))
        usual = f"{own.per_minute}, which the service takes" if own else "no limit"
        self.fields["most_per_minute"].help_text = f"What is more than that waits, nothing is lost. Empty: {usual}."


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    sink: Sink
    label: str
    health: str
    word: str
    trouble: str
    queued: int
    oldest: Any
    percent: str
    routes: list[Route]


@require_safe
@requires("view")
def sinks(request: HttpRequest) -> HttpResponse:
    """Every sink with its health, and the kinds that can be added."""
    now = timezone.now()
    recent = Q(deliveries__settled_at__gte=now - timedelta(hours=24))
    waiting = Q(deliveries__state__in=["queued", "sending"])
    found = Sink.objects.prefetch_related("routes").annotate(
        queued=Count("deliveries", filter=waiting),
        oldest=Min("deliveries__created_at", filter=waiting),
        good=Count("deliveries", filter=recent & Q(deliveries__state="sent")),
        dead=Count("deliveries", filter=recent & Q(deliveries__state__in=["failed", "unknown"])),
    )
    kinds = kinds_of_sinks.kinds()
    context = {
        "rows": [_row(sink, kinds, now) for sink in found.order_by("name")],
        "kinds": _choices(kinds),
    }
    return show(request, "sinks/list.html", context, part="sinks/_rows.html")


def _choices(kinds: dict[str, type[Sender]]) -> list[dict[str, Any]]:
    """The kinds for a template, which would call a class."""
    return [
        {"kind": name, "label": kind.label, "paging": kind.paging, "sends_resolved": kind.sends_resolved}
        for name, kind in sorted(kinds.items(), key=lambda item: item[1].label)
    ]


def _row(sink: Any, kinds: dict[str, type[Sender]], now: Any) -> Row:
    done = sink.good + sink.dead
    health, word = health_of(sink, now)
    label = kinds[sink.kind].label if sink.kind in kinds else f"{sink.kind} (not installed)"
    percent = f"{100 * sink.good / done:.4g} %" if done else "nothing sent"
    return Row(sink, label, health, word, trouble_of(sink), sink.queued, sink.oldest, percent, list(sink.routes.all()))


def _kind(name: str) -> type[Sender]:
    try:
        return kinds_of_sinks.kinds()[name]
    except KeyError:
        raise Http404(f"no kind of sink is called {name}") from None


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def new(request: HttpRequest, kind: str) -> HttpResponse:
    return _edit(request, Sink(kind=kind))


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, access.sink_for(request.user, pk, to="edit"))


def _edit(request: HttpRequest, sink: Sink) -> HttpResponse:
    kind = _kind(sink.kind)
    data = request.POST if request.method == "POST" else None
    form = SinkForm(data, instance=sink)
    lost = unreadable(sink)
    stored = frozenset() if lost else frozenset(sink.secrets)
    options = form_for(kind.Config)(data, values=sink.config, stored=stored)
    if data is not None and form.is_valid() and options.is_valid() and (saved := _saved(request, sink, form, options)):
        messages.success(request, f"{saved.name} is saved. Press Test to see whether it works.")
        return redirect("sink", pk=saved.pk)
    context = {"form": form, "options": options, "sink": sink, "label": kind.label}
    return show(request, "sinks/edit.html", {**context, "missing": kind.missing(), "lost": lost})


def _saved(request: HttpRequest, sink: Sink, form: SinkForm, options: OptionsForm) -> Sink | None:
    """The stored sink; None, with the error on the forms, where it cannot be so."""
    said = {"kind": sink.kind, **form.cleaned_data, "options": options.plain(), "secrets": options.secrets()}
    try:
        return definitions.save(
            SINKS, sink if sink.pk else None, said, person(request), timezone.now(), ip=address(request)
        )
    except Fault as fault:
        refuse(fault, form, options)
        return None


@dataclass(frozen=True)
class Worded:
    """What a template makes, and how much of the limit it takes."""

    part: str
    text: str
    wrong: str
    size: int
    most: int
    unit: str


@require_POST
@requires("edit")
def preview(request: HttpRequest, kind: str) -> HttpResponse:
    """What templates make of the newest group, as a part of a page; nothing is stored or sent."""
    takes = _kind(kind).takes
    newest = AlertGroup.objects.select_related("route").order_by("-last_seen_at").first()
    context = templating.context_of(preview_message(newest, timezone.now()))
    made = [
        _worded(part, source, takes, context)
        for part in PARTS
        if takes.most(part) and (source := request.POST.get(f"{part}_template", "").strip())
    ]
    return show(request, "sinks/_preview.html", {"made": made, "group": newest})


def _worded(part: str, source: str, takes: Templated, context: dict[str, Any]) -> Worded:
    unit = "characters" if part == "title" or takes.format == "text" else "bytes"
    try:
        text, wrong = templating.one(source, part, takes, context), ""
    except TemplateError as error:
        text, wrong = "", str(error)
    size = len(text) if unit == "characters" else len(text.encode())
    return Worded(part, text, wrong, size, takes.most(part), unit)


@require_safe
@requires("view")
def sink(request: HttpRequest, pk: int) -> HttpResponse:
    """One sink: its options without secrets, its last messages, and the Test button."""
    shown = access.sink_for(request.user, pk)
    kind = kinds_of_sinks.kinds().get(shown.kind)
    health, word = health_of(shown, timezone.now())
    context = {
        "sink": shown,
        "label": kind.label if kind else f"{shown.kind} (not installed)",
        "missing": unusable(shown),
        "health": health,
        "word": word,
        "options": sorted(shown.config.items()),
        "pace": pacing.pace_of(shown),
        "secrets": sorted(SINKS.facts_of(shown)["secrets"].items()),
        "recent": shown.deliveries.select_related("group").order_by("-created_at", "-pk")[:15],
        "attempt": Attempt.objects.filter(delivery__sink=shown, delivery__event="test").order_by("-pk").first(),
        "routes": shown.routes.all(),
    }
    return show(request, "sinks/detail.html", context)


@require_POST
@requires("edit")
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test message and show what was sent and what came back, secrets masked."""
    chosen = access.sink_for(request.user, pk, to="edit")
    attempt = deliveries.test(chosen, person(request), timezone.now(), address(request))
    if request.headers.get("HX-Request") == "true":
        # Read anew, not refreshed: that would decrypt.
        health, word = health_of(access.sink_for(request.user, pk), timezone.now())
        return show(request, "sinks/_tested.html", {"attempt": attempt, "health": health, "word": word})
    return redirect("sink", pk=pk)


@require_POST
@requires("edit")
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Hold its deliveries back; they stay queued."""
    return _switch(request, pk, enabled=False)


@require_POST
@requires("edit")
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Use it again, forgetting its trouble; what waits is sent at once."""
    return _switch(request, pk, enabled=True)


def _switch(request: HttpRequest, pk: int, *, enabled: bool) -> HttpResponse:
    chosen = access.sink_for(request.user, pk, to="edit")
    switch(chosen, person(request), timezone.now(), address(request), enabled=enabled)
    words = "is used again" if enabled else "is paused; its deliveries wait"
    messages.success(request, f"{chosen.name} {words}.")
    return redirect("sink", pk=pk)


@require_POST
@requires("edit")
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """The sink, what it was owed and its log are gone; not while a route leads there."""
    chosen = access.sink_for(request.user, pk, to="edit")
    try:
        definitions.delete(SINKS, chosen, person(request), timezone.now(), address(request))
    except Fault as fault:
        messages.error(request, str(fault))
        return redirect("sink", pk=pk)
    messages.success(request, f"{chosen.name} is deleted.")
    return redirect("sinks")
