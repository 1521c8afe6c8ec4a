"""What somebody asked for and cannot be: where, why, and in a condition the very place."""

from routing import lookups, matching
from sensor.rules.errors import RuleError


class Fault(Exception):
    """It cannot be so; the text says what to change, `field` where, and `error` the place within a condition."""

    def __init__(self, field: str, message: str, error: RuleError | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.error = error


class Conflict(Fault):
    """Somebody else changed it in the meantime."""


def check_condition(field: str, text: str, *, needed: bool = False) -> None:
    """Raises Fault for a condition that cannot be read, or names a lookup table or column that is not there."""
    if needed and not text.strip():
        raise Fault(field, "This would hold for every alert; say which ones are meant.")
    if error := matching.problem(text):
        raise Fault(field, matching.said(error), error)
    if missing := lookups.problem_in(text):
        raise Fault(field, f"{missing}.")


def check_fields(field: str, names: list[str]) -> None:
    """Raises Fault where one of them is no field of alerts, or names a lookup table or column that is not there."""
    for name in names:
        if wrong := matching.field_problem(name):
            raise Fault(field, wrong)
        if missing := lookups.problem_in(f"{name} exists"):
            raise Fault(field, f"{missing}.")
