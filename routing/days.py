"""The days that alerts are kept in: on PostgreSQL a partition for each, on SQLite only a range of keys.

A day is taken from the time in an alert's UUIDv7, so that the unique key holds across partitions. Days are made before
they come. What lies in none of them (a clock is years off, a sensor was away since before the installation) is kept
beside them, on PostgreSQL in the default partition, and leaves by the time it was received. A day leaves as a whole,
which costs nothing; its counts are kept, and what is posted of it again is refused.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, connection, models, transaction
from django.db.models import Count, Q
from psycopg import sql

from routing.models import Alert, AlertDay, GroupedAlert, Unrouted
from routing.turns import Turn, wait_for
from sensor.alert import Priority

log = structlog.get_logger(__name__)

AHEAD = 7
"""Days made before they come: for as long the server may be off, and still no day has to be made under load."""
KNOWN = timedelta(minutes=1)
"""How long a process may rely on what it knows of the days."""
RULES_KEPT = 1_000
LOCK_MS = 500
"""How long a change of partitions may wait for others' locks, for everybody else waits behind it."""
CHUNK = 5_000
"""Rows deleted in one transaction where a day is no partition."""
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Which key each table is cut by.
TABLES: dict[type[models.Model], str] = {GroupedAlert: "alert_id", Alert: "uuid"}


def lowest(moment: datetime) -> UUID:
    """A UUID that is smaller than every version 7 UUID of a moment, and larger than all before it."""
    milliseconds = max((moment - EPOCH) // timedelta(milliseconds=1), 0)
    return UUID(int=milliseconds << 80)


def first_of(day: date) -> UUID:
    """A UUID before every version 7 UUID of a day (UTC), and after those of the day before."""
    return lowest(datetime(day.year, day.month, day.day, tzinfo=UTC))


def day_of(uuid: UUID) -> date:
    """The day of a version 7 UUID; raises OverflowError beyond the calendar."""
    return (EPOCH + timedelta(milliseconds=uuid.int >> 80)).date()


def dropped() -> frozenset[date]:
    """The days that are no longer kept."""
    return frozenset(AlertDay.objects.exclude(dropped_at=None).values_list("day", flat=True))


def ensure(now: datetime, ahead: int = AHEAD) -> None:
    """Make today and the days to come."""
    today = now.astimezone(UTC).date()
    wanted = {today + number * DAY for number in range(ahead + 1)}
    for day in sorted(wanted.difference(AlertDay.objects.filter(day__in=wanted).values_list("day", flat=True))):
        # Table by table: whoever holds the one and waits for the other must not meet us in the opposite order.
        for model in TABLES:
            with _changing():
                _make_partition(model, day)
        AlertDay.objects.get_or_create(day=day, defaults={"made_at": now})


def drop_before(oldest: date, now: datetime) -> list[date]:
    """Drop the days before `oldest`, and what lies in no day and was received before it; the days that were dropped.

    A day is refused first and dropped in a later round, when every process knows that it is refused. One with an
    alert that was not routed yet stays.
    """
    found = []
    AlertDay.objects.filter(day__lt=oldest, dropped_at=None).update(dropped_at=now)
    refused = AlertDay.objects.filter(dropped_at__lte=now - 2 * KNOWN, gone_at=None)
    for day in refused.order_by("day"):
        first, after = first_of(day.day), first_of(day.day + DAY)
        try:
            if Unrouted.objects.filter(pk__gte=first, pk__lt=after).exists():
                log.warning("day_not_dropped", day=str(day), error="it has alerts that were not routed yet")
                continue
            if day.alerts is None:
                # Kept before the first alert goes: whoever goes on after a crash finds fewer.
                _keep_counts(day, Alert.objects.filter(pk__gte=first, pk__lt=after))
            _remove(day.day, first, after)
        except DatabaseError as error:
            # Somebody reads alerts at this moment, perhaps a backup, and would keep us from the next day, too.
            log.warning("day_not_dropped", day=str(day), error=str(error))
            break
        AlertDay.objects.filter(pk=day.pk).update(gone_at=now)
        log.info("day_dropped", day=str(day), alerts=day.alerts)
        found.append(day.day)
    _delete_outside(datetime(oldest.year, oldest.month, oldest.day, tzinfo=UTC))
    return found


def forget() -> None:
    """Drop every day's partition, with its alerts; for `routing.backups`, which brings days of its own."""
    for model in TABLES if connection.vendor == "postgresql" else ():
        table = model._meta.db_table
        with _changing(), connection.cursor() as cursor:
            # As PostgreSQL has them: a partition whose day nobody knows would be in the way of the new one.
            cursor.execute(
                "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
                "WHERE inhparent = %s::regclass AND relname <> %s",
                [table, f"{table}_default"],
            )
            for (name,) in cursor.fetchall():
                cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    AlertDay.objects.all().delete()


def make_again() -> None:
    """Make the partitions of the days that are known, and not gone, before their alerts come back."""
    for day in AlertDay.objects.filter(gone_at=None).values_list("day", flat=True):
        with _changing():
            for model in TABLES:
                _make_partition(model, day)


def _keep_counts(day: AlertDay, alerts: models.QuerySet[Alert]) -> None:
    by_rule: Counter[str] = Counter()
    by_priority: Counter[str] = Counter()
    for rule, priority, count in alerts.order_by().values_list("rule", "priority").annotate(n=Count("pk")):
        by_rule[rule] += count
        by_priority[Priority(priority).label] += count
    day.alerts = by_priority.total()
    day.by_priority = dict(by_priority)
    day.by_rule = dict(by_rule.most_common(RULES_KEPT))
    day.save(update_fields=["alerts", "by_priority", "by_rule"])


def _remove(day: date, first: UUID, after: UUID) -> None:
    for model, key in TABLES.items():
        if connection.vendor == "postgresql":
            with _changing(), connection.cursor() as cursor:
                cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(_partition(model, day))))
        else:
            _delete(model._default_manager.filter(**{f"{key}__gte": first, f"{key}__lt": after}), key)


def _delete_outside(received_before: datetime) -> None:
    """Delete what lies in no day that is kept, and was received before a moment."""
    kept = list(AlertDay.objects.filter(gone_at=None).order_by("day").values_list("day", flat=True))
    if not kept:
        return
    outside = Q(pk__lt=first_of(kept[0])) | Q(pk__gte=first_of(kept[-1] + DAY))
    # Between them, where the server was off for longer than it makes ahead: as ranges, for it may have been years.
    for day, following in pairwise(kept):
        if following > day + DAY:
            outside |= Q(pk__gte=first_of(day + DAY), pk__lt=first_of(following))
    old = Alert.objects.filter(outside, received_at__lt=received_before, waiting=None)
    while keys := list(old.values_list("pk", flat=True)[:CHUNK]):
        for model, key in TABLES.items():
            _delete(model._default_manager.filter(**{f"{key}__in": keys}), key)


def _delete(rows: models.QuerySet[Any], key: str) -> None:
    """Delete rows as they are, without asking what refers to them."""
    while keys := list(rows.values_list(key, flat=True)[:CHUNK]):
        chunk = rows.filter(**{f"{key}__in": keys})
        chunk._raw_delete(chunk.db)


def _partition(model: type[models.Model], day: date) -> str:
    return f"{model._meta.db_table}_{day:%Y%m%d}"


def _make_partition(model: type[models.Model], day: date) -> None:
    """Filled before it is attached: PostgreSQL refuses a partition whose rows lie in the default one.

    The default one is locked first. Else a post that repeats a moved alert would wait for us, and we for it.
    """
    if connection.vendor != "postgresql":
        return
    table, part = model._meta.db_table, _partition(model, day)
    names: dict[str, sql.Composable] = {
        "part": sql.Identifier(part),
        "table": sql.Identifier(table),
        "default": sql.Identifier(f"{table}_default"),
        "key": sql.Identifier(TABLES[model]),
        "first": sql.Literal(str(first_of(day))),
        "after": sql.Literal(str(first_of(day + DAY))),
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [part])
        if cursor.fetchone()[0] is not None:
            return
        for statement in (
            "LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE",
            "CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
            "WITH moved AS (DELETE FROM {default} WHERE {key} >= {first} AND {key} < {after} RETURNING *) "
            "INSERT INTO {part} SELECT * FROM moved",
            "ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({first}) TO ({after})",
        ):
            cursor.execute(sql.SQL(statement).format(**names))


@contextmanager
def _changing() -> Iterator[None]:
    """A transaction that changes days: one process at a time, and soon or not at all."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
        wait_for(Turn.DAYS)
        yield
