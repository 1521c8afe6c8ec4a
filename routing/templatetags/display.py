"""How times, priorities, states and JSON look on a page: the word first, the colour second."""

import json
from datetime import datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from sensor.alert import Priority, without_prefix

register = template.Library()

_UNITS = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)]


def span(seconds: float) -> str:
    """A length of time in its two largest units: `2 h 5 min`."""
    if 0 < abs(seconds) < 1:
        return f"{round(abs(seconds) * 1000)} ms"
    rest = round(abs(seconds))
    parts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


register.filter("span", span)
register.filter("happened", without_prefix)


def _rough(seconds: float) -> str:
    """The largest unit alone: `2 h`."""
    return next((f"{round(seconds) // size} {unit}" for unit, size in _UNITS if round(seconds) >= size), "0 s")


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """`3 min ago` or `in 3 min`, with the full time in UTC in its title; `never` where there is none."""
    if moment is None:
        return "never"
    seconds = (timezone.now() - moment).total_seconds()
    words = f"{_rough(seconds)} ago" if seconds > 0 else f"in {_rough(-seconds)}"
    return format_html(
        '<time class="nowrap" datetime="{}" title="{} UTC">{}</time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S}",
        words if abs(seconds) >= 1 else "just now",
    )


@register.filter
def clock(moment: datetime | None) -> SafeString | str:
    """The time to the second, with the day where it is not today."""
    if moment is None:
        return "never"
    pattern = "%H:%M:%S" if moment.date() == timezone.now().date() else "%b %d %H:%M:%S"
    return format_html(
        '<time class="nowrap" datetime="{}" title="{} UTC">{}</time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S.%f}",
        f"{moment:{pattern}}",
    )


@register.filter
def priority(value: int) -> SafeString:
    """A priority's name as a badge."""
    name = Priority(value).name.lower()
    return format_html('<span class="badge {}">{}</span>', name, Priority(value).label)


@register.filter
def state(row: Any) -> SafeString:
    """The state of a group, delivery or run as a badge, in the model's words."""
    return format_html('<span class="badge {}">{}</span>', row.state, row.get_state_display())


@register.filter
def thousands(number: Any) -> str:
    """A count with separators: `1,448,253`; nothing where there is none."""
    return f"{number:,}" if isinstance(number, int) else ""


@register.filter
def pretty(value: Any) -> str:
    """JSON over several lines, keys sorted."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)


@register.filter
def laid_out(text: str) -> str:
    """A text that is JSON over several lines, in its own order; any other, and JSON that was cut, as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, dict | list) else text


@register.simple_tag
def icon(name: str) -> SafeString:
    """A drawing from icons.svg; it repeats the word beside it, so screen readers skip it."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("routing/icons.svg"), name
    )
