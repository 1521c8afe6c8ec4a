"""The form of a route: what it says itself, and what it leaves to the route above it."""

from collections.abc import Mapping
from typing import Any

from django import forms

from routing import matching, tree
from routing.form_fields import ConditionField, SpanField
from routing.grouping import ALONE
from routing.models import Route, Sink
from routing.models.route import WEEK
from routing.routes import SOONEST_STEP
from routing.tree import Node, Tree

ONE_GROUP = "-"
"""In `group_by`: nothing, so that all alerts of the route are one group."""
BLANK_STEPS = 1
PREFIX = "step"
TIMES = {
    "group_wait": "To collect alerts before a new group is first told.",
    "group_interval": "Between messages about a group that got new alerts.",
    "repeat_interval": "After it a group that still fires is told again; 0 never.",
    "resolve_after": "Without a new alert, after it the group is resolved.",
}


class RouteForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    condition = ConditionField(
        required=False, help_text="In the rule language, over alerts; empty matches every alert."
    )
    parent = forms.ModelChoiceField(
        Route.objects.all(),
        required=False,
        label="Beneath",
        empty_label="No other route: at the top",
        help_text="Only alerts that the route above takes come here, and what is left empty is as it is there.",
    )
    group_by = forms.CharField(
        required=False,
        label="Group by",
        help_text="Fields, separated by commas, whose values make one group; ... alone tells every alert by itself, "
        "- alone makes one group of all.",
        widget=forms.TextInput(attrs={"class": "code"}),
    )
    group_wait = SpanField(required=False, most=WEEK, help_text=TIMES["group_wait"])
    group_interval = SpanField(required=False, most=WEEK, help_text=TIMES["group_interval"])
    repeat_interval = SpanField(required=False, most=WEEK, help_text=TIMES["repeat_interval"])
    resolve_after = SpanField(required=False, most=WEEK, help_text=TIMES["resolve_after"])
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Route
        fields = (
            *("name", "parent", "condition", "sinks", "actions", "mute_in", "active_in"),
            *("continues", "enabled", "dry_run", *tree.SETTINGS),
        )
        _many = forms.CheckboxSelectMultiple
        widgets = {"sinks": _many, "actions": _many, "mute_in": _many, "active_in": _many}  # noqa: RUF012
        labels = {  # noqa: RUF012
            "actions": "Response actions",
            "continues": "Go on with the next route after a match",
            "dry_run": "Dry run: plan everything, tell nobody",
            "mute_in": "Wait with telling while one of these holds",
            "active_in": "Tell only while one of these holds",
        }
        help_texts = {  # noqa: RUF012
            "continues": "",
            "sinks": "None: those of the route above it.",
            "actions": "Asked for at once. Never those of the route above it.",
            "dry_run": "Holds for the routes beneath it, too.",
        }

    def __init__(self, data: Mapping[str, Any] | None, route: Route, grown: Tree) -> None:
        super().__init__(data, instance=route)
        self.initial["group_by"] = ONE_GROUP if route.group_by == [] else ", ".join(route.group_by or ())
        self.initial["version"] = route.version if route.pk else None
        node = grown.by_key.get(route.pk)
        beneath = [one.key for one in node.below()] if node else []
        field = self.fields["parent"]
        field.queryset = Route.objects.exclude(pk__in=beneath)  # type: ignore[attr-defined]
        above = grown.by_key.get(route.parent_id) if route.parent_id else None
        for name in tree.SETTINGS:
            self.fields[name].widget.attrs["placeholder"] = _inherited(name, above)

    def clean_group_by(self) -> list[str] | None:
        """The names as a list, None where they are inherited; raises ValidationError for what is no field of alerts."""
        text = self.cleaned_data["group_by"].strip()
        if text == ONE_GROUP:
            return []
        names = [name.strip() for name in text.split(",") if name.strip()]
        for name in names:
            if name != ALONE and (wrong := matching.field_problem(name)):
                raise forms.ValidationError(wrong)
        return names or None

    def facts(self) -> dict[str, Any]:
        """What was entered, as `routing.routes` takes it."""
        given = {name: self.cleaned_data[name] for name in self.Meta.fields}
        named = {name: [str(one) for one in given[name]] for name in ("sinks", "actions", "mute_in", "active_in")}
        return {**given, **named, "parent": given["parent"].name if given["parent"] else None}


def _inherited(name: str, above: Node | None) -> str:
    """What the route has where it leaves a setting empty."""
    value = getattr(above, name) if above else tree.DEFAULTS[name]
    said = SpanField.said(value) if name != "group_by" else ", ".join(value) or "nothing: one group"
    return f"{said}, as {above.name}" if above else said


class StepForm(forms.Form):
    """Whom to tell, too, when nobody has acknowledged; one without a time and a sink is no step."""

    after = SpanField(required=False, most=WEEK, label="After")
    sinks = forms.ModelMultipleChoiceField(
        Sink.objects.all(), required=False, label="Also tell", widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["after"].widget.attrs["placeholder"] = "15min"

    def clean(self) -> None:
        """Raises ValidationError for half a step."""
        given = self.cleaned_data
        after, told = given.get("after"), given.get("sinks")
        if after is None and told and "after" not in self.errors:
            self.add_error("after", "Say after how long they are told, as 15min.")
        elif after is not None and not told:
            self.add_error("sinks", "Choose whom to tell, or leave the time empty.")
        elif after is not None and after < SOONEST_STEP:
            self.add_error("after", "At least one minute.")


class Steps:
    """The escalation steps of a route, one small form each, and some blank ones."""

    def __init__(self, data: Mapping[str, Any] | None, route: Route) -> None:
        stored = list(route.steps.prefetch_related("sinks")) if route.pk else []
        count = len(stored) + BLANK_STEPS
        if data is not None:
            count = max(count, sum(f"{PREFIX}-{number}-after" in data for number in range(50)))
        initial = [{"after": step.after, "sinks": step.sinks.all()} for step in stored]
        initial += [{}] * (count - len(initial))
        self.forms = [StepForm(data, prefix=f"{PREFIX}-{number}", initial=one) for number, one in enumerate(initial)]

    def is_valid(self) -> bool:
        """Whether every step is; asks all of them, so that every error shows."""
        found = [form.is_valid() for form in self.forms]
        return all(found)

    def facts(self) -> list[dict[str, Any]]:
        """The steps, as `routing.routes` takes them."""
        given = [form.cleaned_data for form in self.forms]
        steps = [
            {"after": one["after"], "sinks": [sink.name for sink in one["sinks"]]} for one in given if one["sinks"]
        ]
        return sorted(steps, key=lambda step: step["after"])
