"""All that must not be lost, into one file and back: consistent, whatever is written meanwhile, for either database.

Secrets go as they are stored, encrypted; the keys are not in the file, or whoever finds it would have them. Tables that
are added later are in it by themselves; what is left out is listed here with the reason.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from django.apps import apps
from django.contrib.auth.models import User
from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Cast

from routing import archive, audit, days, signs
from routing.models import ActionRun, Alert, AlertDay, AlertGroup, AuditEntry, Delivery, InhibitionSource, Sink
from routing.models.encrypted import EncryptedJSONField, Unreadable
from sensor.version import VERSION

Model = type[models.Model]
Column: TypeAlias = "models.Field[Any, Any]"

LEFT_OUT = {
    "admin": "the admin's own log; the audit log has it all",
    "axes": "lock-outs, which end by themselves",
    "sessions": "people sign in again",
    "auth.group_permissions": "what people may do is in their role",
    "auth.user_user_permissions": "the same",
}
"""Apps and tables, and why they need no backup."""
MADE_BY_MIGRATE = {"contenttypes", "auth.permission"}
"""The same in every database; a restore leaves them as they are."""
FACTS: tuple[Model, ...] = (Alert, AlertDay, AlertGroup, Delivery, ActionRun, InhibitionSource)
"""What a backup of the configuration leaves out, with everything that belongs to it."""
IN_USE: tuple[Model, ...] = (User, Sink, Alert, AuditEntry)
"""A database with a row in any of these is somebody's."""
AT_ONCE = 1_000
"""Rows read before they are inserted."""
ACTOR = "command line"


class BackupError(Exception):
    """A backup that cannot be made or restored; the text says what to do."""


def tables(*, facts: bool = True) -> list[Model]:
    """The tables of a backup, days before the alerts that are cut by them; without `facts` only the configuration."""
    kept = [model for model in _all_tables() if not LEFT_OUT.keys() & {model._meta.app_label, model._meta.label_lower}]
    return sorted(kept if facts else _without_facts(kept), key=lambda model: model is not AlertDay)


def backup(path: Path, now: datetime, *, facts: bool = True) -> dict[str, int]:
    """Write the file, and how many rows of each table are in it. Raises archive.ArchiveError."""
    audit.record(ACTOR, "back up", f"{'everything' if facts else 'configuration'} to {path.name}", now=now)
    included = tables(facts=facts)
    with _snapshot():
        header = {"made_at": now, "product": VERSION, "migrations": _migrations(), "facts": facts}
        with archive.writing(path, header) as writer:
            for model in included:
                columns = _columns(model)
                writer.table(model._meta.label_lower, [column.attname for column in columns])
                for row in _rows(model, columns, included):
                    writer.row(row)
    return dict(writer.rows)


def restore(path: Path, now: datetime, *, force: bool = False) -> dict[str, int]:
    """Put a backup into this database, all of it or nothing, and how many rows of each table there are now.

    `force` removes what is there. Raises BackupError, or archive.ArchiveError where the file is not whole.
    """
    header = archive.examine(path)
    if header["migrations"] != (ours := _migrations()):
        raise BackupError(_another_version(header, ours))
    if not force and any(model._default_manager.exists() for model in IN_USE):
        raise BackupError("this database is in use; --force removes everything that is in it first")
    if _running(now):
        raise BackupError("beat or a worker is running; stop web, workers and beat, wait 15 seconds, and try again")
    known = {model._meta.label_lower: model for model in tables()}
    with transaction.atomic():
        days.forget()
        for model in _all_tables():
            model._base_manager.all()._raw_delete(connection.alias)
        for name, columns, rows in archive.tables(path):
            if name not in known:
                raise BackupError(f"this version has no table {name}")
            _insert(known[name], columns, rows)
            if known[name] is AlertDay:
                days.make_again()
        _reset_sequences(known.values())
        audit.record(ACTOR, "restore", f"{path.name} of {header['made_at']}", now=now)
    return dict(header["rows"])


def unreadable() -> list[str]:
    """What is encrypted with a key that this server does not have, by name."""
    found = []
    for model in tables():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, EncryptedJSONField):
                for row in model._base_manager.all():
                    try:
                        getattr(row, field.attname)
                    except Unreadable:
                        found.append(str(row))
    return found


def _all_tables() -> list[Model]:
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
        and not model._meta.proxy
        and not MADE_BY_MIGRATE & {model._meta.app_label, model._meta.label_lower}
    ]


def _without_facts(kept: list[Model]) -> list[Model]:
    """Without the facts, and without what cannot be without them, to the last."""
    while gone := [model for model in kept if model in FACTS or any(_needs(model, kept))]:
        kept = [model for model in kept if model not in gone]
    return kept


def _needs(model: Model, kept: list[Model]) -> Iterator[bool]:
    """Whether each key of it, that must have a value, is of a table that is not kept."""
    for field in model._meta.local_concrete_fields:
        if isinstance(field, models.ForeignKey) and not field.null:
            yield _is_left_out(field.related_model, kept)


def _is_left_out(model: Model, kept: Iterable[Model]) -> bool:
    return model not in kept


def _columns(model: Model) -> list[Column]:
    return [field for field in model._meta.local_concrete_fields if not getattr(field, "generated", False)]


def _rows(model: Model, columns: list[Column], included: list[Model]) -> Iterator[tuple[Any, ...]]:
    """Every row as it is stored; a key of a table that is left out becomes null."""
    asked: list[Any] = []
    for column in columns:
        if isinstance(column, models.ForeignKey) and _is_left_out(column.related_model, included):
            asked.append(models.Value(None, output_field=models.TextField(null=True)))
        elif isinstance(column, EncryptedJSONField):
            asked.append(Cast(column.attname, models.TextField()))
        else:
            asked.append(column.attname)
    yield from model._base_manager.order_by("pk").values_list(*asked).iterator(chunk_size=2_000)


def _insert(model: Model, columns: list[str], rows: Iterator[archive.Row]) -> None:
    """As they were stored: nothing is decrypted, and nothing sets a time or a default of its own."""
    by_name = {field.attname: field for field in _columns(model)}
    if set(columns) != set(by_name):
        raise BackupError(f"the table {model._meta.label_lower} has other columns than the backup")
    fields = [by_name[column] for column in columns]
    table, *names = map(connection.ops.quote_name, [model._meta.db_table, *(str(field.column) for field in fields)])
    values = ([_prepared(field, value) for field, value in zip(fields, row, strict=True)] for row in rows)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Many times as fast as inserting.
            into = f"COPY {table} ({', '.join(names)}) FROM STDIN"
            with connection.wrap_database_errors, cursor.copy(into) as copy:
                for row in values:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(fields))
            into = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608  # our own tables
            while batch := list(islice(values, AT_ONCE)):
                cursor.executemany(into, batch)


def _prepared(field: Column, value: Any) -> Any:
    if isinstance(field, EncryptedJSONField):
        return value
    return field.get_db_prep_save(field.to_python(value), connection)


def _reset_sequences(known: Iterable[Model]) -> None:
    """The next new row must not get a key that a restored one has."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(known)):
            cursor.execute(statement)


@contextmanager
def _snapshot() -> Iterator[None]:
    """Everything within sees the database as it was at one moment, and holds up nobody who writes."""
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    with connection.cursor() as cursor:
        # Not Django's way to begin: that would take SQLite's one lock for writing.
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _migrations() -> list[str]:
    """What the database's tables look like, in a word each."""
    ours = {model._meta.app_label for model in tables()}
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in applied if app in ours)


def _another_version(header: dict[str, Any], ours: list[str]) -> str:
    theirs = set(header["migrations"])
    missing, more = sorted(theirs.difference(ours)), sorted(set(ours) - theirs)
    said = [f"it has {', '.join(missing)}"] * bool(missing) + [f"it lacks {', '.join(more)}"] * bool(more)
    return (
        f"the backup is of version {header['product']} and does not fit this database: {' and '.join(said)}. "
        "Restore it with the version that made it, then let the newer one run manage.py migrate"
    )


def _running(now: datetime) -> bool:
    try:
        times = signs.heard()
    except signs.Unreachable:
        return False
    return any(now - times[part] < signs.FRESH for part in (signs.Part.BEAT, signs.Part.WORKER) if part in times)
