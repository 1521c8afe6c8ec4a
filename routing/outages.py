"""Whether what went wrong is that the database is away."""

from django.db import InterfaceError, OperationalError

_CLASSES = ("08", "57P")
"""Of SQLSTATE: connection exceptions, and a server that stops, crashed or starts (PostgreSQL, appendix A)."""


def is_away(error: Exception) -> bool:
    """Whether the connection failed; a query that was ended, waited too long or met a deadlock had a server."""
    if isinstance(error, InterfaceError):
        return True
    cause = error.__cause__
    # SQLite has none, and is a file.
    state: str | None = getattr(cause, "sqlstate", "") if isinstance(error, OperationalError) else ""
    return state is None or state.startswith(_CLASSES)
