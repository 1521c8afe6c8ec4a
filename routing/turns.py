"""One at a time, until the transaction ends, where a row lock would not do: nothing to lock yet, or many rows.

SQLite's write transactions are IMMEDIATE, so there the turn has come when the transaction began.
"""

from enum import IntEnum

from django.db import connection


class Turn(IntEnum):
    """What is taken in turns: any numbers, as long as no two are the same."""

    AUDIT = 0x5A_0001
    """Appending to the audit log's chain."""
    REQUESTS = 0x5A_0002
    """Asking for action runs: budgets are counted and targets compared."""
    DAYS = 0x5A_0003
    """Making and dropping the days of alerts."""
    DEFINITIONS = 0x5A_0004
    """Giving names to windows, inhibitions, intervals and tables."""
    LANE = 0x5A_0100
    """Routing the alerts of a lane; the number of the lane is added."""


def take(turn: Turn, number: int) -> bool:
    """The turn of one of several, if nobody has it now. Call it inside a transaction."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [turn + number])
        [taken] = cursor.fetchone()
    return bool(taken)


def wait_for(turn: Turn) -> None:
    """Wait until no other transaction has this turn. Call it inside one."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [turn])
