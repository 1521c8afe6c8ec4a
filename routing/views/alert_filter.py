"""Which alerts a page is about: the filters as they stand in the URL."""

from datetime import datetime
from typing import Any, NamedTuple

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from routing import finding
from routing.form_fields import MomentField, SearchField
from routing.models import Alert
from routing.searching import Search, search
from sensor.alert import Priority

PRIORITIES = [(priority.name.lower(), priority.label) for priority in Priority]

SPANS = {"": "24 h", "7d": "7 d", "30d": "30 d"}
"""Lengths of time that are offered, as the filter has them and in words; without one it is a day."""


class Span(NamedTuple):
    """A length of time that is offered."""

    words: str
    query: str


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

    def alerts(self) -> QuerySet[Alert]:
        """The alerts of the span that is asked for; none at all while one of the filters is wrong.

        Without a beginning it is the last day: what is older is asked for.
        """
        if not self.is_valid():
            return Alert.objects.none()
        given: dict[str, Any] = self.cleaned_data
        return finding.between(self.begins(), given["until"])

    def begins(self) -> datetime:
        """Where the time that is asked for begins; ask for it where the filters are right."""
        given: dict[str, Any] = self.cleaned_data
        since: datetime | None = given["since"]
        return since or (given["until"] or timezone.now()) - finding.DEFAULT_SPAN

    def search(self) -> Search:
        """How all other filters are searched for; those that are wrong find nothing anyway."""
        given: dict[str, Any] = self.cleaned_data if self.is_valid() else {}
        found = search(given.get("q", ""))
        if given.get("at_least"):
            found = found.also(Q(priority__lte=Priority.named(given["at_least"])))
        if given.get("rule"):
            found = found.also(Q(rule=given["rule"]), ordered=True)
        if given.get("priority"):
            found = found.also(Q(priority=Priority.named(given["priority"])), ordered=True)
        if given.get("hostname"):
            found = found.also(Q(hostname=given["hostname"]), ordered=True)
        return found

    def query(self, **changed: str) -> str:
        """The filters that say something, some of them changed, for links."""
        kept = QueryDict(mutable=True)
        for name in self.fields:
            value = changed[name] if name in changed else self.data.get(name, "")
            if value := value.strip():
                kept[name] = value
        return kept.urlencode()

    def spans(self) -> list[Span]:
        """The same filters over the other lengths of time up to now."""
        shown = "?" if self.data.get("until", "").strip() else self.data.get("since", "").strip()
        return [Span(words, self.query(since=since, until="")) for since, words in SPANS.items() if since != shown]
