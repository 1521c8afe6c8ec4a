"""What the services refuse, as problem details: the field, the reason, and in a condition the very place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from routing.api.problems import Problem
from routing.faults import Conflict, Fault
from routing.matching import said
from routing.shapes import said as said_of
from routing.silences import SilenceError
from sensor.rules.errors import RuleError

DETAIL = "The request does not say what it must."


@contextmanager
def told() -> Iterator[None]:
    """Around a call of a service. Raises Problem 422 for what cannot be, 409 for what was changed in the meantime."""
    try:
        yield
    except Conflict as conflict:
        raise Problem(409, str(conflict)) from None
    except Fault as fault:
        raise refused(fault.field, str(fault), fault.error) from None
    except SilenceError as error:
        raise refused("", str(error)) from None
    except RuleError as error:
        raise refused("condition", said(error), error) from None
    except ValidationError as error:
        wrong = [{"field": ".".join(map(str, item["loc"])), "reason": said_of(item)} for item in error.errors()]
        raise Problem(422, DETAIL, errors=wrong) from None


def refused(field: str, reason: str, error: RuleError | None = None) -> Problem:
    """The problem of one field."""
    wrong: dict[str, Any] = {"field": field, "reason": reason}
    if error is not None:
        wrong |= {"line": error.line, "column": error.column, "hint": error.hint, "snippet": error.snippet}
    return Problem(422, reason, errors=[wrong])
