"""Fields that several forms share: a condition whose error points at the text, and a moment in a person's words."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from routing import matching
from routing.searching import search
from sensor.rules.errors import RuleError

_SPAN = re.compile(r"(\d{1,5})\s*(s|min|m|h|d|w)")
# A plus sign in a URL's query is a blank; in a time it can only have been a zone's.
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def pointed(error: RuleError) -> str:
    """A rule-language error for a `<pre>`: the sentence, the guess, then the line with its caret."""
    return f"{matching.said(error)}\n{error.snippet}"


class ConditionField(forms.CharField):
    """A condition over alerts in the rule language; it stays text, but only what compiles gets through."""

    points_at_text = True
    check: Callable[[str], object] = staticmethod(matching.compile)
    """Raises RuleError for what cannot be used here."""

    def __init__(self, *, rows: int = 2, **kwargs: Any) -> None:
        attributes = {"rows": rows, "class": "condition", "spellcheck": "false", "autocapitalize": "off"}
        super().__init__(widget=forms.Textarea(attrs=attributes), **kwargs)

    def clean(self, value: Any) -> str:
        """Raises ValidationError with the caret under the place."""
        text: str = super().clean(value)
        if text:
            try:
                self.check(text)
            except RuleError as error:
                raise forms.ValidationError(pointed(error), code="condition") from None
        return text


class SearchField(ConditionField):
    """A condition on one line that alerts are searched for; the cleaned value stays text."""

    check = staticmethod(search)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        attributes = {"class": "code", "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
        self.widget = forms.TextInput(attrs=attributes)


def moment(text: str, now: datetime, *, ahead: bool = False) -> datetime:
    """`24h` before `now` (after it where `ahead`), or a date or time in ISO form, UTC where it says nothing else.

    Raises ValueError with what is allowed.
    """
    text = _LOST_PLUS.sub("+", text.strip())
    if span := _SPAN.fullmatch(text):
        length = timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
        return now + length if ahead else now - length
    try:
        parsed = parse_datetime(text)
        if parsed is None and (day := parse_date(text)):
            parsed = datetime(day.year, day.month, day.day)
        if parsed is not None and timezone.is_aware(parsed):
            parsed = parsed.astimezone(UTC)  # Where that is beyond the calendar, no database could compare with it.
    except (ValueError, OverflowError):
        parsed = None
    if parsed is None:
        raise ValueError(f"{text!r} is not a time; write 30min, 24h, 7d, or 2026-11-23 14:00 (UTC)")
    return parsed if timezone.is_aware(parsed) else parsed.replace(tzinfo=now.tzinfo)


class MomentField(forms.CharField):
    """A moment as `moment` reads it; the cleaned value is a datetime or None."""

    def __init__(self, *, placeholder: str, ahead: bool = False, **kwargs: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"placeholder": placeholder, "autocomplete": "off"}), **kwargs)
        self.ahead = ahead

    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return moment(text, timezone.now(), ahead=self.ahead)
        except ValueError as error:
            raise forms.ValidationError(str(error), code="moment") from None


class SpanField(forms.CharField):
    """A length of time in a person's words (`30 s`, `5min`, `4h`); the cleaned value is in seconds."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"autocomplete": "off"}), **kwargs)
        self.most = most

    def prepare_value(self, value: Any) -> Any:
        """What was entered, or stored seconds as `said`."""
        return self.said(value) if isinstance(value, int) else value

    @staticmethod
    def said(seconds: int) -> str:
        """Seconds in the largest unit that says them exactly, as the field takes them."""
        for unit in ("w", "d", "h", "min"):
            if seconds and seconds % _SECONDS[unit] == 0:
                return f"{seconds // _SECONDS[unit]}{unit}"
        return f"{seconds}s"

    def clean(self, value: Any) -> int | None:
        """None for what was left empty, where that is allowed."""
        text = super().clean(value).strip()
        if not text:
            return None
        span = _SPAN.fullmatch(text) or (_SPAN.fullmatch(f"{text}s") if text.isdecimal() else None)
        if span is None:
            raise forms.ValidationError(f"{text!r} is not a length of time; write 30s, 5min, 4h or 2d", code="span")
        seconds = int(span[1]) * _SECONDS[span[2]]
        if seconds > self.most:
            raise forms.ValidationError(f"At most {self.most // 86_400} days.", code="span")
        return seconds
