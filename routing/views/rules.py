"""Detection rules: the files people edit, what is wrong in them and where, and the numbered sets that sensors run."""

from collections import Counter
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from routing import access, rulesets
from routing.access import requires
from routing.models import RuleFile, Ruleset, Sensor
from routing.views.asking import address, person
from routing.views.show import show

STARTER = """\
- rule: Name of the rule
  desc: What it means when this happens.
  condition: evt.type in (open, openat) and fd.name = /etc/example
  output: Example opened (file=%fd.name command=%proc.cmdline user=%user.name)
  priority: WARNING
  tags: []
"""


class FileForm(forms.Form):
    name = forms.CharField(max_length=100, widget=forms.TextInput(attrs={"class": "code"}))
    text = forms.CharField(
        strip=False,
        label="Rules",
        max_length=rulesets.LONGEST_FILE,
        widget=forms.Textarea(attrs={"class": "code", "spellcheck": "false", "wrap": "off", "autocapitalize": "off"}),
    )
    based_on = forms.CharField(required=False, widget=forms.HiddenInput)


@require_safe
@requires("view")
def rules(request: HttpRequest) -> HttpResponse:
    """The files, what keeps them from being published, and the newest rulesets with who runs them."""
    report = rulesets.check(rulesets.draft())
    running = Counter(Sensor.objects.filter(native=True).values_list("ruleset", flat=True))
    published = list(Ruleset.objects.select_related("published_by")[:10])
    wrong = Counter(finding.file for finding in report.errors)
    context = {
        "files": [{"file": f, "errors": wrong[f.name]} for f in RuleFile.objects.select_related("updated_by")],
        "report": report,
        "rulesets": [{"ruleset": ruleset, "sensors": running[ruleset.number]} for ruleset in published],
        "changed": not published or rulesets.draft() != _files_of(published[0]),
    }
    return show(request, "rules/list.html", context)


@require_safe
@requires("view")
def ruleset(request: HttpRequest, number: int) -> HttpResponse:
    """One published ruleset, as sensors get it."""
    shown = get_object_or_404(Ruleset, number=number)
    running = Sensor.objects.filter(native=True, ruleset=number).order_by("name")
    return show(request, "rules/ruleset.html", {"ruleset": shown, "sensors": running})


def _files_of(ruleset: Ruleset) -> list[tuple[str, str]]:
    return [(file["name"], file["text"]) for file in ruleset.files]


@require_http_methods(["GET", "HEAD", "POST"])
@requires("edit")
def new(request: HttpRequest) -> HttpResponse:
    return _edit(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("view")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """A file with what is wrong in it; people without the right to edit see it all the same."""
    to = "edit" if request.method == "POST" else "view"
    return _edit(request, access.rule_file_for(request.user, pk, to=to))


def _edit(request: HttpRequest, file: RuleFile | None) -> HttpResponse:
    if request.method != "POST":
        known = {"name": file.name, "text": file.text, "based_on": file.updated_at.isoformat()} if file else {}
        form = FileForm(initial=known or {"text": STARTER})
        return _shown(request, form, file, rulesets.check_with(file.name, file.text) if file else None)
    form = FileForm(request.POST)
    if file is not None:
        form.fields["name"].required = False
    if not form.is_valid():
        return _shown(request, form, file, None)
    name, text = file.name if file else form.cleaned_data["name"], form.cleaned_data["text"]
    report = rulesets.check_with(name, text)
    if "check" in request.POST:
        return _shown(request, form, file, report)
    if file is None and RuleFile.objects.filter(name=name.strip()).exists():
        form.add_error("name", "A file of this name exists already.")
        return _shown(request, form, file, report)
    try:
        based_on = parse_datetime(form.cleaned_data["based_on"])
        saved = rulesets.save(
            name, text, person(request), timezone.now(), based_on=based_on if file else None, ip=address(request)
        )
    except rulesets.RulesetError as error:
        form.add_error(None, str(error))
        return _shown(request, form, file, report)
    if report.ok:
        messages.success(request, f"{saved.name} is saved. Sensors get it when you publish.")
    else:
        messages.warning(request, f"{saved.name} is saved as a draft; it cannot be published before it is mended.")
    return redirect("rule-file", pk=saved.pk)


def _shown(request: HttpRequest, form: FileForm, file: RuleFile | None, report: rulesets.Report | None) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "file": file, "report": report}
    return show(request, "rules/edit.html", context, part="rules/_report.html")


@require_POST
@requires("edit")
def enable(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the file into the draft, or out of it."""
    file = access.rule_file_for(request.user, pk, to="edit")
    enabled = request.POST.get("enabled") == "yes"
    rulesets.enable(file, enabled, person(request), timezone.now(), ip=address(request))
    messages.success(request, f"{file.name} is {'part of' if enabled else 'left out of'} the next ruleset.")
    return redirect("rules")


@require_POST
@requires("edit")
def publish(request: HttpRequest) -> HttpResponse:
    """Give the draft the next number; sensors pull it within seconds."""
    said = request.POST.get("comment", "").strip()
    try:
        made = rulesets.publish(person(request), timezone.now(), said, ip=address(request))
    except rulesets.RulesetError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Ruleset {made.number} with {made.rule_count} rules is published.")
    return redirect("rules")
