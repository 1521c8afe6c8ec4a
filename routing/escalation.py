"""Whom else to tell when nobody has acknowledged. Pure: no database, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from routing.tree import Step


@dataclass(frozen=True, slots=True)
class Waiting:
    """How far a group has come up: since when somebody is waited for, and the delay of the last step taken."""

    since: datetime | None = None
    escalated_to: int = 0


def waiting(before: Waiting, steps: Sequence[Step], now: datetime, *, told: bool, firing: bool) -> Waiting:
    """Whether somebody is waited for now: from the moment on at which a firing group was told."""
    if not (steps and told and firing):
        return Waiting()
    return before if before.since else Waiting(now)


def due(state: Waiting, steps: Sequence[Step], now: datetime) -> list[Step]:
    """The steps whose time has come and that were not taken yet, in order."""
    return [step for moment, step in _coming(state, steps) if moment <= now]


def next_at(state: Waiting, steps: Sequence[Step]) -> datetime | None:
    """When the next step is due; None where none is left, or nobody is waited for."""
    return min((moment for moment, _ in _coming(state, steps)), default=None)


def reason(step: Step) -> str:
    """Why it is told, as `not acknowledged after 15 min`."""
    minutes, seconds = divmod(step.after, 60)
    hours, rest = divmod(minutes, 60)
    said = [f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest) + [f"{seconds} s"] * bool(seconds)
    return f"not acknowledged after {' '.join(said)}"


def _coming(state: Waiting, steps: Sequence[Step]) -> list[tuple[datetime, Step]]:
    since = state.since
    if since is None:
        return []
    return [(since + timedelta(seconds=step.after), step) for step in steps if step.after > state.escalated_to]
