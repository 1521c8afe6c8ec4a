"""Which alerts a page is about: the filters as they stand in the URL."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict

from routing import matching
from routing.form_fields import MomentField, SearchField
from routing.models import Alert
from sensor.alert import Priority

PRIORITIES = [(priority.name.lower(), priority.label) for priority in Priority]


class AlertFilter(forms.Form):
    """Every filter is optional; all that are given must hold. They mean what they mean to the API."""

    q = SearchField(required=False, label="Condition")
    rule = forms.CharField(required=False, max_length=255)
    at_least = forms.ChoiceField(required=False, label="At least", choices=[("", "Any priority"), *PRIORITIES])
    priority = forms.ChoiceField(required=False, label="Exactly", choices=[("", "Any priority"), *PRIORITIES])
    hostname = forms.CharField(required=False, max_length=255, label="Host")
    since = MomentField(required=False, placeholder="24h")
    until = MomentField(required=False, placeholder="now")

    def __init__(self, query: QueryDict) -> None:
        super().__init__(query, auto_id="filter-%s")
        self.fields["q"].widget.attrs |= {
            "placeholder": "proc.name = cat and alert.priority >= warning",
            "data-key": "/",
        }
        self.fields["since"].widget.attrs["list"] = "spans"
        self.fields["until"].widget.attrs["list"] = "spans"

    def apply(self, alerts: QuerySet[Alert]) -> QuerySet[Alert]:
        """The alerts for which all filters hold; none at all while one of them is wrong."""
        if not self.is_valid():
            return alerts.none()
        given: dict[str, Any] = self.cleaned_data
        if given["q"]:
            alerts = alerts.filter(matching.search(given["q"]))
        if given["rule"]:
            alerts = alerts.filter(rule=given["rule"])
        if given["at_least"]:
            alerts = alerts.filter(priority__lte=Priority.named(given["at_least"]))
        if given["priority"]:
            alerts = alerts.filter(priority=Priority.named(given["priority"]))
        if given["hostname"]:
            alerts = alerts.filter(hostname=given["hostname"])
        if given["since"]:
            alerts = alerts.filter(time__gte=given["since"])
        if given["until"]:
            alerts = alerts.filter(time__lt=given["until"])
        return alerts

    def query(self) -> str:
        """The filters that say something, for links."""
        kept = QueryDict(mutable=True)
        for name in self.fields:
            if value := self.data.get(name, "").strip():
                kept[name] = value
        return kept.urlencode()
