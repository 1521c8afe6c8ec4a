"""Silences in a configuration file. They have no name: condition, comment and start say which one is meant."""

from datetime import datetime
from typing import Any

from django.db.models import F

from routing import silences
from routing.access import Actor
from routing.faults import Fault, check_condition
from routing.models import Silence
from routing.shapes import SilenceShape, facts

Facts = dict[str, Any]
LONGEST_TITLE = 80


def live(now: datetime) -> list[Silence]:
    """Those that hold or will, the last to end first."""
    return list(Silence.objects.filter(ends_at__gt=now).filter(ends_at__gt=F("starts_at")).order_by("-ends_at", "pk"))


def facts_of(silence: Silence) -> Facts:
    """What a stored one says, as plain JSON."""
    said = {name: getattr(silence, name) for name in ("condition", "comment", "starts_at", "ends_at")}
    return facts(SilenceShape.model_validate(said))


def title(said: Facts) -> str:
    """What it is called where names stand."""
    text = " ".join(str(said["comment"] or said["condition"]).split())
    return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1]}…"


def is_meant(silence: Silence, said: SilenceShape) -> bool:
    """Whether a file means this one; without a start any that has the same condition and comment."""
    same = (silence.condition, silence.comment) == (said.condition, said.comment)
    return same and said.starts_at in (None, silence.starts_at)


def made_so(stored: Silence | None, said: SilenceShape, by: Actor, now: datetime) -> Silence | None:
    """The silence as a file says it; None for one that has ended and is not there. Raises Fault."""
    try:
        if stored is None:
            check_condition("condition", said.condition, needed=True)
            if said.ends_at <= now:
                return None
            return silences.create(said.condition, said.ends_at, by, said.comment, now, said.starts_at)
        if said.ends_at == stored.ends_at:
            return stored
        if said.ends_at <= now:
            return silences.end(stored, by, now)
        return silences.extend(stored, said.ends_at, by, now)
    except silences.SilenceError as error:
        raise Fault("ends_at", str(error)) from None
