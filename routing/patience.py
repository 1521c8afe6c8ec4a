"""Queries that end after a while, done or not."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

_INSTRUCTIONS = 10_000
"""Of SQLite's virtual machine, between two looks at the clock: about a millisecond."""


class OutOfTime(Exception):
    """The query was ended; nothing is known of its result."""


def limit(seconds: float) -> None:
    """From now on every statement of this process ends after so many seconds, on PostgreSQL: a thread that waits for
    one is missing to everybody else. Only `at_most` names less."""

    def tell(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, false)", [str(int(seconds * 1000))])

    connection_created.connect(tell, weak=False, dispatch_uid=__name__)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Every query within ends after so many seconds; raises OutOfTime."""
    try:
        if connection.vendor == "postgresql":
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(int(seconds * 1000) or 1)])
                yield
        else:
            connection.ensure_connection()
            until = time.monotonic() + seconds
            connection.connection.set_progress_handler(lambda: time.monotonic() > until, _INSTRUCTIONS)
            try:
                yield
            finally:
                connection.connection.set_progress_handler(None, 0)
    except OperationalError as error:
        # 57014 is query_canceled; sqlite3 names SQLITE_INTERRUPT only since Python 3.11.
        cause = error.__cause__
        if getattr(cause, "sqlstate", "") == "57014" or getattr(cause, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            raise OutOfTime from error
        raise
