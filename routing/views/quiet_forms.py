"""Forms of what is defined by name: maintenance windows, inhibitions, time intervals and lookup tables."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from routing.form_fields import ConditionField, MomentField
from routing.intervals import WEEKDAYS
from routing.lookups import LONGEST
from routing.models import Inhibition, Lookup, MaintenanceWindow, TimeInterval

_CODE = {"class": "code", "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
_MOMENT = "%Y-%m-%d %H:%M"


class NamedForm(forms.Form):
    """The base: `facts` is what was entered, as `routing.definitions` takes it, `said` the stored row as a form."""

    name = forms.CharField(max_length=100)

    def facts(self) -> dict[str, Any]:
        """What was entered. Ask for it where the form is valid."""
        return dict(self.cleaned_data)

    @staticmethod
    def said(row: Any) -> dict[str, Any]:
        """The initial values of a stored row."""
        raise NotImplementedError


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


class WindowForm(NamedForm):
    condition = ConditionField(rows=3, help_text="What is not told, in the rule language, over alerts.")
    starts_at = MomentField(
        required=False, placeholder="now", ahead=True, label="From", help_text="In 2h, or in UTC: 2026-11-23 14:00."
    )
    ends_at = MomentField(
        required=False,
        placeholder="2h",
        ahead=True,
        label="Until",
        help_text="The same. A window that recurs may go without.",
    )
    interval = forms.ModelChoiceField(
        TimeInterval.objects.all(),
        required=False,
        label="Recurs",
        empty_label="Once, from start to end",
        help_text="Between start and end it holds whenever this time interval does.",
    )
    comment = forms.CharField(required=False, label="Why", widget=forms.Textarea(attrs={"rows": 2}))
    enabled = forms.BooleanField(required=False, initial=True)

    def facts(self) -> dict[str, Any]:
        given = self.cleaned_data
        interval = given["interval"].name if given["interval"] else None
        return {**given, "interval": interval}

    @staticmethod
    def said(row: MaintenanceWindow) -> dict[str, Any]:
        times = {name: getattr(row, name) for name in ("starts_at", "ends_at")}
        plain = {name: getattr(row, name) for name in ("name", "condition", "interval", "comment", "enabled")}
        return {**plain, **{name: f"{at:{_MOMENT}}" if at else "" for name, at in times.items()}}


class InhibitionForm(NamedForm):
    source = ConditionField(label="While this fires", help_text="What explains the others, in the rule language.")
    target = ConditionField(label="Do not tell this")
    equal = forms.CharField(
        required=False,
        label="With the same",
        help_text="Fields, separated by commas, that both must have in common; alert.hostname for the same node.",
        widget=forms.TextInput(attrs=_CODE),
    )
    enabled = forms.BooleanField(required=False, initial=True)

    def facts(self) -> dict[str, Any]:
        return {**self.cleaned_data, "equal": _listed(self.cleaned_data["equal"])}

    @staticmethod
    def said(row: Inhibition) -> dict[str, Any]:
        return {
            **{name: getattr(row, name) for name in ("name", "source", "target", "enabled")},
            "equal": ", ".join(row.equal),
        }


class IntervalForm(NamedForm):
    weekdays = forms.MultipleChoiceField(
        choices=[(day, day.capitalize()) for day in WEEKDAYS],
        required=False,
        label="Days",
        help_text="None: every day.",
        widget=forms.CheckboxSelectMultiple,
    )
    times = forms.CharField(
        required=False,
        label="Times",
        help_text="As 09:00-12:00, 13:00-17:00; empty is all day. 22:00-06:00 is both ends of each of the days.",
    )
    location = forms.CharField(
        required=False, label="Time zone", help_text="As Europe/Berlin, which follows summer time; empty is UTC."
    )
    days_of_month = forms.CharField(
        required=False, label="Days of the month", help_text="As 1:7, -1: the first seven and the last one."
    )
    months = forms.CharField(required=False, help_text="As january:march, 12.")
    years = forms.CharField(required=False, help_text="As 2026:2030.")
    comment = forms.CharField(required=False, max_length=255)
    spec = forms.CharField(
        required=False,
        label="All of it as JSON",
        help_text="As Alertmanager writes time_intervals, for several entries. Where it is filled in, it counts and "
        "what is above does not.",
        widget=forms.Textarea(attrs={**_CODE, "class": "condition", "rows": 5}),
    )

    def clean_spec(self) -> list[Any] | None:
        """Raises ValidationError where it is not JSON."""
        text = self.cleaned_data["spec"].strip()
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(f"This is not JSON: {error}.") from None

    def clean(self) -> None:
        """Raises ValidationError where nothing says when it holds."""
        if not self.errors and self.cleaned_data["spec"] is None and not self._entry():
            self.add_error("weekdays", "Say when it holds: choose days, or fill in one of the others.")

    def facts(self) -> dict[str, Any]:
        given = self.cleaned_data
        spec = given["spec"] if given["spec"] is not None else [self._entry()]
        return {"name": given["name"], "comment": given["comment"], "spec": spec}

    def _entry(self) -> dict[str, Any]:
        given = self.cleaned_data
        entry = {
            "weekdays": given["weekdays"],
            "times": [span for text in _listed(given["times"]) for span in _spans(text)],
            **{name: _listed(given[name]) for name in ("days_of_month", "months", "years")},
            "location": given["location"].strip(),
        }
        return {name: value for name, value in entry.items() if value}

    @staticmethod
    def said(row: TimeInterval) -> dict[str, Any]:
        common = {"name": row.name, "comment": row.comment}
        if len(row.spec) != 1:
            return {**common, "spec": json.dumps(row.spec, indent=2)}
        (first,) = row.spec
        times = ", ".join(f"{one['start_time']}-{one['end_time']}" for one in first.get("times", ()))
        lists = {name: ", ".join(map(str, first.get(name, ()))) for name in ("days_of_month", "months", "years")}
        weekdays = [day for given in first.get("weekdays", ()) for day in _weekdays(given)]
        return {**common, **lists, "weekdays": weekdays, "times": times, "location": first.get("location", "")}


def _weekdays(given: str) -> Sequence[str]:
    """The days of `monday:friday`, or of one day."""
    first, _, last = given.strip().lower().partition(":")
    return WEEKDAYS[WEEKDAYS.index(first) : WEEKDAYS.index(last or first) + 1]


def _spans(text: str) -> Sequence[Mapping[str, str]]:
    """`09:00-17:00` as an interval has it; one over midnight is two."""
    start, _, end = (part.strip() for part in text.partition("-"))
    if len(start) == len(end) and end < start:
        return [{"start_time": start, "end_time": "24:00"}, {"start_time": "00:00", "end_time": end}]
    return [{"start_time": start, "end_time": end}]


class LookupForm(NamedForm):
    name = forms.CharField(max_length=50, help_text="As conditions write it: teams in alert.lookup[teams.channel].")
    file = forms.FileField(required=False, label="CSV file", help_text="In place of what stands below.")
    text = forms.CharField(
        required=False,
        label="Table",
        help_text="The first line names a field of alerts and then the columns, as k8s.ns.name,team,channel.",
        widget=forms.Textarea(attrs={**_CODE, "class": "condition", "rows": 12}),
    )
    comment = forms.CharField(required=False, max_length=255)

    def clean_file(self) -> str | None:
        """The text of the file. Raises ValidationError where it is too large or no text."""
        file = self.cleaned_data["file"]
        if file is None:
            return None
        if (file.size or 0) > LONGEST:
            raise forms.ValidationError(f"The file is larger than {LONGEST // 1024} KiB.")
        try:
            text = bytes(file.read()).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise forms.ValidationError(f"This is no text in UTF-8: {error}.") from None
        # Browsers forget a file when the form is shown again; its text is kept.
        self.data = {**self.data, "text": text}
        return text

    def facts(self) -> dict[str, Any]:
        given = self.cleaned_data
        text = given["text"] if given["file"] is None else given["file"]
        return {"name": given["name"], "text": text, "comment": given["comment"]}

    @staticmethod
    def said(row: Lookup) -> dict[str, Any]:
        return {name: getattr(row, name) for name in ("name", "text", "comment")}
