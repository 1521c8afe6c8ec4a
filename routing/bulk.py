"""Many alerts into the table with few statements, telling which of them were new.

Hand-written SQL, because model objects and their prepared values cost several times what the database does.
The databases differ in how many rows travel at once: SQLite takes them one by one through one prepared
statement, PostgreSQL takes an array for each column, in binary (a tenth of the time that text takes us).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.db import connection

from routing.admission import Row

# Column and PostgreSQL type, in the order of `_values`; JSON travels as text.
COLUMNS = {
    "uuid": "uuid",
    "time": "timestamptz",
    "time_ns": "int8",
    "received_at": "timestamptz",
    "rule": "text",
    "priority": "int2",
    "source": "text",
    "hostname": "text",
    "output": "text",
    "output_fields": "jsonb",
    "tags": "jsonb",
    "held_back": "int4",
    "fingerprint": "text",
    "token_id": "int8",
    "sensor_id": "int8",
    "own_node": "bool",
}
_NAMES = ", ".join(COLUMNS)
_MARKS = ", ".join(["%s"] * len(COLUMNS))
_ARRAYS = ", ".join(f"%b::text[]::{kind}[]" if kind == "jsonb" else f"%b::{kind}[]" for kind in COLUMNS.values())
# Only the names above are put into these texts.
# An alert that is new waits to be routed from the same moment on.
_ONE = f"INSERT INTO routing_alert ({_NAMES}) VALUES ({_MARKS}) ON CONFLICT (uuid) DO NOTHING"  # noqa: S608
_ONE_WAITS = "INSERT INTO routing_unrouted (alert_id, received_at) VALUES (%s, %s)"
_ALL = (
    f"WITH new AS (INSERT INTO routing_alert ({_NAMES}) SELECT * FROM unnest({_ARRAYS}) "  # noqa: S608
    "ON CONFLICT (uuid) DO NOTHING RETURNING uuid, received_at) "
    "INSERT INTO routing_unrouted (alert_id, received_at) SELECT * FROM new RETURNING alert_id"
)


def insert(rows: Sequence[tuple[Row, int | None]], now: datetime) -> set[UUID]:
    """Insert rows, each with the id of its sensor or None; returns the uuids that were not stored before.

    Call it inside a transaction, with each uuid once. The rows go in by uuid, so that two processes that
    insert the same alerts wait for each other instead of deadlocking.
    """
    ordered = sorted(rows, key=lambda item: item[0].uuid.int)
    if connection.vendor == "postgresql":
        return _as_arrays(ordered, now)
    return _one_by_one(ordered, now)


def _as_arrays(rows: Sequence[tuple[Row, int | None]], now: datetime) -> set[UUID]:
    columns = zip(*(_values(row, sensor, now) for row, sensor in rows), strict=True)
    # Django's own cursor would write every value into the statement's text.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_ALL, [list(column) for column in columns])
        return {uuid for (uuid,) in cursor.fetchall()}


def _one_by_one(rows: Sequence[tuple[Row, int | None]], now: datetime) -> set[UUID]:
    """The write lock is ours from the start of the transaction, so what is not there now is new."""
    with connection.cursor() as cursor:
        wanted = orjson.dumps([row.uuid.hex for row, _ in rows]).decode()
        cursor.execute("SELECT uuid FROM routing_alert WHERE uuid IN (SELECT value FROM json_each(%s))", [wanted])
        known = {UUID(hex=text) for (text,) in cursor.fetchall()}
        new = [(row, sensor) for row, sensor in rows if row.uuid not in known]
        as_text = connection.ops.adapt_datetimefield_value
        values = []
        for row, sensor in new:
            uuid, time, time_ns, received_at, *rest = _values(row, sensor, now)
            values.append((uuid.hex, as_text(time), time_ns, as_text(received_at), *rest))
        cursor.executemany(_ONE, values)
        cursor.executemany(_ONE_WAITS, [(value[0], value[3]) for value in values])
    return {row.uuid for row, _ in new}


def _values(row: Row, sensor: int | None, now: datetime) -> tuple[Any, ...]:
    return (
        row.uuid,
        row.time,
        row.time_ns,
        now,
        row.rule,
        row.priority,
        row.source,
        row.hostname,
        row.output,
        row.output_fields,
        row.tags,
        row.held_back,
        row.fingerprint,
        row.sender.token,
        sensor,
        row.own_node,
    )
