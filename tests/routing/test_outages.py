from typing import Any

import pytest
from django.db import DataError, InterfaceError, OperationalError

from routing.outages import is_away


class Told(Exception):
    """As a driver's exception, with what the server said."""

    def __init__(self, sqlstate: str | None) -> None:
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "cause", "away"),
    [
        (OperationalError("refused"), Told(None), True),
        (OperationalError("the server stops"), Told("57P01"), True),
        (OperationalError("broken off"), Told("08006"), True),
        (InterfaceError("the connection is closed"), None, True),
        (OperationalError("it took too long"), Told("57014"), False),
        (OperationalError("deadlock"), Told("40P01"), False),
        (OperationalError("database is locked"), Exception(), False),
        (DataError("no such number"), Told(None), False),
        (ValueError(), None, False),
    ],
)
def test_only_a_connection_that_failed_is_a_database_that_is_away(error: Any, cause: Any, away: bool) -> None:
    error.__cause__ = cause
    assert is_away(error) is away
