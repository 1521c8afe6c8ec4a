"""Many rows with few statements.

Hand-written SQL, because model objects and their prepared values cost several times what the database does.
The databases differ in how many rows travel at once: SQLite takes them one by one through one prepared
statement, PostgreSQL takes an array for each column, in binary (a tenth of the time that text takes us).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import orjson
import psycopg
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from psycopg.types.json import set_json_loads

from routing.admission import Row
from routing.models import Alert, Sensor, Unrouted

Stored = TypeVar("Stored", bound=Model)
Columns = Mapping[str, str]
"""Columns and their types on PostgreSQL, in the order of the values; JSON travels as text."""

_ALERT = {
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
_UNROUTED = {"alert_id": "uuid", "received_at": "timestamptz", "lane": "int2"}
_LANE = f"(hashtext(rule) & {Unrouted.LANES - 1})::int2"


def insert_alerts(rows: Sequence[tuple[Row, int | None]], now: datetime) -> set[UUID]:
    """Insert alerts, each with the id of its sensor or None; returns the uuids that were not stored before.

    What is new waits to be routed from the same moment on. Call it inside a transaction, with each uuid once. The
    rows go in by uuid, so that two processes that insert the same alerts wait for each other instead of deadlocking.
    """
    if not rows:
        return set()
    values = [_values(row, sensor, now) for row, sensor in sorted(rows, key=lambda item: item[0].uuid.int)]
    if connection.vendor == "postgresql":
        new = f"{_insert('routing_alert', _ALERT)} ON CONFLICT (uuid) DO NOTHING RETURNING uuid, received_at, {_LANE}"
        waits = f"INSERT INTO routing_unrouted ({', '.join(_UNROUTED)}) SELECT * FROM new RETURNING alert_id"  # noqa: S608
        return {uuid for (uuid,) in _with_arrays(f"WITH new AS ({new}) {waits}", values)}
    # The write lock is ours from the start of the transaction, so what is not there now is new.
    known = _known_alerts(value[0] for value in values)
    new_ones = [value for value in values if value[0] not in known]
    insert("routing_alert", _ALERT, new_ones)
    # Here there is one writer at a time, and one lane.
    insert("routing_unrouted", _UNROUTED, [(value[0], value[3], 0) for value in new_ones])
    return {value[0] for value in new_ones}


def wait_again(uuids: Sequence[UUID], now: datetime) -> None:
    """Let stored alerts wait to be routed once more; those that wait do so already."""
    if not uuids:
        return
    wanted: Any = sorted(uuids)
    lane, among = _LANE, "= ANY(%s)"
    if connection.vendor != "postgresql":
        wanted = orjson.dumps([uuid.hex for uuid in wanted]).decode()
        lane, among = "0", "IN (SELECT value FROM json_each(%s))"
    # What waits is left out before it conflicts, for then we would wait for the worker that is routing it.
    waits = "SELECT 1 FROM routing_unrouted WHERE alert_id = uuid"
    found = f"SELECT uuid, %s, {lane} FROM routing_alert WHERE uuid {among} AND NOT EXISTS ({waits}) ORDER BY uuid"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO routing_unrouted ({', '.join(_UNROUTED)}) {found} ON CONFLICT DO NOTHING",
            [now, wanted],
        )


def read(wanted: QuerySet[Stored]) -> list[Stored]:
    """What a query finds: whole rows of a model whose fields are plain ones or JSON.

    Times and JSON come in binary on PostgreSQL, where text takes us half of the time that routing has.
    """
    if connection.vendor != "postgresql":
        return list(wanted)
    try:
        statement, values = wanted.query.sql_with_params()
    except EmptyResultSet:
        return []
    names = [field.attname for field in wanted.model._meta.concrete_fields]
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        set_json_loads(msgspec.json.decode, cursor)
        cursor.execute(statement, values, binary=True)
        return [wanted.model.from_db(connection.alias, names, row) for row in cursor]


def read_alerts(wanted: QuerySet[Alert]) -> list[Alert]:
    """Alerts with their sensors. A few sensors sent them all; with a join each row would carry its sensor."""
    found = read(wanted)
    sensors = Sensor.objects.in_bulk({alert.sensor_id for alert in found} - {None})
    for alert in found:
        alert.sensor = sensors.get(alert.sensor_id)
    return found


def insert(table: str, columns: Columns, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows that are not there yet."""
    if not rows:
        return
    if connection.vendor == "postgresql":
        _with_arrays(_insert(table, columns), rows)
    else:
        marks = ", ".join(["%s"] * len(columns))
        _one_by_one(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608 - our names


def update(table: str, columns: Columns, rows: Sequence[Sequence[Any]]) -> None:
    """Set all columns but the first, which is the key, of rows that are locked or ours alone."""
    if not rows:
        return
    key, *changed = columns
    if connection.vendor == "postgresql":
        sets = ", ".join(f"{name} = new.{name}" for name in changed)
        new = f"unnest({_arrays(columns)}) AS new ({', '.join(columns)})"
        _with_arrays(f"UPDATE {table} AS old SET {sets} FROM {new} WHERE old.{key} = new.{key}", rows)  # noqa: S608
    else:
        sets = ", ".join(f"{name} = %s" for name in changed)
        values = [(*rest, key_value) for key_value, *rest in rows]
        _one_by_one(f"UPDATE {table} SET {sets} WHERE {key} = %s", values)  # noqa: S608 - our names


def _insert(table: str, columns: Columns) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({_arrays(columns)})"  # noqa: S608


def _arrays(columns: Columns) -> str:
    return ", ".join(f"%b::text[]::{kind}[]" if kind == "jsonb" else f"%b::{kind}[]" for kind in columns.values())


def _with_arrays(statement: str, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Run a statement that takes an array for each column; what it returns."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    # Django's own cursor would write every value into the statement's text.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, columns)
        return cursor.fetchall() if cursor.description else []


def _one_by_one(statement: str, rows: Iterable[Sequence[Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(statement, [[_plain(value) for value in row] for row in rows])


def _plain(value: Any) -> Any:
    """A value as SQLite keeps it."""
    if isinstance(value, UUID):
        return value.hex
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def _known_alerts(uuids: Iterable[UUID]) -> set[UUID]:
    with connection.cursor() as cursor:
        wanted = orjson.dumps([uuid.hex for uuid in uuids]).decode()
        cursor.execute("SELECT uuid FROM routing_alert WHERE uuid IN (SELECT value FROM json_each(%s))", [wanted])
        return {UUID(hex=text) for (text,) in cursor.fetchall()}


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
