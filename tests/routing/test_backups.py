"""What is backed up comes back as it was, on this database and from the other, whatever is written meanwhile."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection, connections, models, transaction

from routing import acknowledgements, archive, audit, backups, days, deliveries, pipeline, signs
from routing.backups import BackupError
from routing.models import (
    ActionRun,
    Alert,
    AlertDay,
    Attempt,
    AuditEntry,
    Comment,
    Delivery,
    GroupedAlert,
    Route,
    Silence,
    Sink,
    Token,
    Unrouted,
)
from tests import build
from tests.build import NOW
from tests.conftest import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

URL = "http://127.0.0.1:9/secret"


@pytest.fixture
def nobody_runs(transactional_db: None) -> Iterator[None]:
    cache.clear()
    # Partitions are no rows: the end of a test does not remove them, nor did that of the one before.
    days.forget()
    yield
    days.forget()


def a_product() -> None:
    """A little of everything."""
    days.ensure(NOW)
    alice = person("alice", "admin")
    alice.set_password("correct horse battery")
    alice.save()
    sink = build.sink("webhook", name="Hook", config={"format": "json"}, secrets={"url": URL})
    route = build.route()
    route.sinks.add(sink)
    action = build.action()
    build.sensor(labels={"cluster": "prod"})
    route.actions.add(action)
    text = 'quotes " and \\ and %s and \N{SNOWMAN} and\nlines'
    build.alert(output=text, output_fields={"proc.pid": 2**63 - 1, "proc.pid.ts": 1, "x": [1.5, None, True, {"y": ""}]})
    build.alert(time=NOW - timedelta(days=9000), own_node=True)
    pipeline.route_pending(NOW)
    deliveries.send_next(Delivery.objects.earliest("pk").sink_id, 1, NOW)
    build.alert(time=NOW + timedelta(days=1))
    acknowledgements.comment("f" * 64, alice, NOW, "Looking at it.")
    Silence.objects.create(
        condition="",
        starts_at=NOW,
        ends_at=NOW + timedelta(hours=1),
        author=alice,
        comment="maintenance",
        created_at=NOW,
    )
    audit.record(alice, "edit", sink, before={"a": 1}, after={"a": 2}, ip="2001:db8::1", now=NOW)


def everything(*, but: frozenset[str] = frozenset()) -> dict[str, list[Any]]:
    """Every row of every table, secrets as they are stored."""
    found: dict[str, list[Any]] = {}
    for model in backups.tables():
        with connection.cursor() as cursor:
            columns = ", ".join(f'"{field.column}"' for field in model._meta.local_concrete_fields)
            cursor.execute(f'SELECT {columns} FROM "{model._meta.db_table}" ORDER BY 1, 2')  # noqa: S608
            found[model._meta.label_lower] = [row for row in cursor.fetchall() if not but & set(map(str, row))]
    return found


def empty() -> None:
    """As after migrate."""
    with transaction.atomic():
        days.forget()
        for model in backups.tables():
            model._base_manager.all()._raw_delete("default")


ABOUT_IT = frozenset({"back up", "restore"})
"""Verbs of the entries that the backup and its restoring themselves leave."""


def test_everything_comes_back_as_it_was(tmp_path: Path) -> None:
    a_product()
    assert all(
        model.objects.exists()
        for model in (Alert, Unrouted, GroupedAlert, AlertDay, Delivery, Attempt, ActionRun, Comment, Silence, Token)
    )
    before = everything(but=ABOUT_IT)
    rows = backups.backup(tmp_path / "backup", NOW)
    assert rows["routing.alert"] == 3
    empty()
    assert backups.restore(tmp_path / "backup", NOW) == rows
    assert everything(but=ABOUT_IT) == before
    assert Sink.objects.get().secrets == {"url": URL}
    assert User.objects.get().check_password("correct horse battery")
    assert audit.verify().problem == ""
    assert backups.unreadable() == []


def test_after_it_everything_goes_on(tmp_path: Path) -> None:
    """New rows find free keys, and alerts their day."""
    a_product()
    backups.backup(tmp_path / "backup", NOW)
    empty()
    backups.restore(tmp_path / "backup", NOW)
    build.route(name="another")
    build.sink(name="another")
    days.ensure(NOW + timedelta(days=3))
    build.alert(time=NOW + timedelta(days=3))
    assert pipeline.route_pending(NOW + timedelta(days=3)).alerts == 2
    assert AuditEntry.objects.latest("pk").verb == "restore"


@pytest.mark.skipif("sqlite" in configured.DATABASES["default"]["ENGINE"], reason="only PostgreSQL has partitions")
def test_alerts_come_back_into_their_days(tmp_path: Path) -> None:
    a_product()
    AlertDay.objects.filter(day=NOW.date() + timedelta(days=2)).update(dropped_at=NOW, gone_at=NOW, alerts=5)

    def places() -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT tableoid::regclass::text, count(*) FROM routing_alert GROUP BY 1 ORDER BY 1")
            return dict(cursor.fetchall())

    before = places()
    assert len(before) == 3
    backups.backup(tmp_path / "backup", NOW)
    backups.restore(tmp_path / "backup", NOW, force=True)
    assert places() == before
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"routing_alert_{NOW + timedelta(days=2):%Y%m%d}"])
        assert cursor.fetchone() == (None,)


def test_a_database_in_use_is_left_alone_unless_that_is_wanted(tmp_path: Path) -> None:
    a_product()
    backups.backup(tmp_path / "backup", NOW)
    Sink.objects.update(name="Renamed")
    build.route(name="made since")
    User.objects.create(username="mallory")
    before = everything()
    with pytest.raises(BackupError, match="--force"):
        backups.restore(tmp_path / "backup", NOW)
    assert everything() == before
    backups.restore(tmp_path / "backup", NOW, force=True)
    assert Sink.objects.get().name == "Hook"
    assert not Route.objects.filter(name="made since").exists()
    assert [user.username for user in User.objects.all()] == ["alice"]


def test_what_is_left_out_does_not_stand_in_the_way(tmp_path: Path, client: Any) -> None:
    a_product()
    backups.backup(tmp_path / "backup", NOW)
    alice = User.objects.get()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    permission = apps.get_model("auth", "Permission").objects.first()
    alice.user_permissions.add(permission)
    backups.restore(tmp_path / "backup", NOW, force=True)
    assert not alice.user_permissions.exists()
    assert client.get("/").status_code == 302
    assert apps.get_model("auth", "Permission").objects.exists()


def test_a_file_that_does_not_fit_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_product()
    backups.backup(tmp_path / "backup", NOW)
    before = everything()
    (tmp_path / "cut").write_bytes((tmp_path / "backup").read_bytes()[:-20])
    with pytest.raises(archive.ArchiveError):
        backups.restore(tmp_path / "cut", NOW, force=True)
    applied = backups._migrations()
    monkeypatch.setattr(backups, "_migrations", lambda: [*applied[1:], "routing.9999_from_the_future"])
    with pytest.raises(BackupError, match=rf"it has {applied[0]} and it lacks routing.9999"):
        backups.restore(tmp_path / "backup", NOW, force=True)
    assert everything() == before


def test_a_restore_that_fails_half_way_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_product()
    backups.backup(tmp_path / "backup", NOW)
    before = everything()

    def fail(known: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(backups, "_reset_sequences", fail)
    with pytest.raises(RuntimeError):
        backups.restore(tmp_path / "backup", NOW, force=True)
    assert everything() == before


@pytest.mark.parametrize("part", [signs.Part.BEAT, signs.Part.WORKER])
def test_nothing_is_restored_under_a_running_product(part: signs.Part, tmp_path: Path) -> None:
    backups.backup(tmp_path / "backup", NOW)
    signs.leave(part, NOW - timedelta(seconds=14))
    with pytest.raises(BackupError, match="is running"):
        backups.restore(tmp_path / "backup", NOW, force=True)
    signs.leave(part, NOW - timedelta(seconds=16))
    backups.restore(tmp_path / "backup", NOW, force=True)


def test_without_redis_nobody_runs(tmp_path: Path, settings: Any) -> None:
    backups.backup(tmp_path / "backup", NOW)
    location = f"unix://{tmp_path}/nothing.sock"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}}
    backups.restore(tmp_path / "backup", NOW, force=True)


def test_the_configuration_alone_is_all_but_the_facts(tmp_path: Path) -> None:
    a_product()
    rows = backups.backup(tmp_path / "backup", NOW, facts=False)
    without = {"alert", "alertday", "unrouted", "alertgroup", "groupedalert", "inhibitionsource"}
    without |= {"delivery", "attempt", "receipt", "actionrun"}
    every = {model._meta.label_lower for model in backups.tables()}
    assert every - rows.keys() == {f"routing.{name}" for name in without}
    empty()
    backups.restore(tmp_path / "backup", NOW)
    assert Route.objects.get().sinks.get().secrets == {"url": URL}
    assert Comment.objects.exists()
    assert not Alert.objects.exists()


def test_every_table_is_backed_up_or_left_out_with_a_reason() -> None:
    known = {model._meta.label_lower for model in backups.tables()}
    others = {model._meta.label_lower for model in apps.get_models(include_auto_created=True)} - known
    assert {name for name in others if name.startswith("routing.")} == set()
    apps_and_tables = others | {name.partition(".")[0] for name in others}
    assert {*backups.LEFT_OUT, *backups.MADE_BY_MIGRATE} - apps_and_tables == set()


def test_no_table_has_a_column_that_a_file_cannot_hold() -> None:
    columns = [field for model in backups.tables() for field in model._meta.local_concrete_fields]
    assert [column for column in columns if isinstance(column, models.BinaryField | models.DecimalField)] == []


def test_secrets_are_in_the_file_only_encrypted_and_the_keys_are_not(tmp_path: Path) -> None:
    a_product()
    backups.backup(tmp_path / "backup", NOW)
    text = "".join(str(row) for _, _, rows in archive.tables(tmp_path / "backup") for row in rows)
    assert "gAAAA" in text
    assert URL not in text
    for key in configured.ENCRYPTION_KEYS:
        assert key.decode() not in text


def test_secrets_of_another_key_are_kept_as_they_are_and_named(tmp_path: Path, settings: Any) -> None:
    """A key that is away for a while must cost nothing, neither at the backup nor at the restoring."""
    keys = settings.ENCRYPTION_KEYS
    a_product()
    settings.ENCRYPTION_KEYS = [b"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]
    backups.backup(tmp_path / "backup", NOW)
    backups.restore(tmp_path / "backup", NOW, force=True)
    assert backups.unreadable() == ["Hook"]
    settings.ENCRYPTION_KEYS = keys
    assert Sink.objects.get().secrets == {"url": URL}


def test_it_is_of_one_moment_whatever_is_written_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transaction of the writer makes a route and a sink of one name; none is in the file without the other."""
    stop, written = threading.Event(), threading.Semaphore(0)

    def write() -> None:
        for number in range(10_000):
            if stop.is_set():
                break
            with transaction.atomic():
                build.sink(name=f"pair {number}")
                build.route(name=f"pair {number}")
            written.release()
        connections.close_all()

    asked = backups._rows

    def slowly(*args: Any) -> Iterator[Any]:
        yield from asked(*args)
        if args[0] in (Route, Sink):
            # The writer gets on between two tables; were it held up, this would time out.
            for _ in range(3):
                assert written.acquire(timeout=30)

    monkeypatch.setattr(backups, "_rows", slowly)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.acquire(timeout=30)
        backups.backup(tmp_path / "backup", NOW)
    finally:
        stop.set()
        writer.join(30)
    stored = Route.objects.count()
    backups.restore(tmp_path / "backup", NOW, force=True)
    routes = set(Route.objects.values_list("name", flat=True))
    assert routes == set(Sink.objects.values_list("name", flat=True))
    assert 0 < len(routes) < stored


FILL = """
import sys
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.routing import test_backups
test_backups.a_product()
from routing import backups
backups.backup(Path(sys.argv[1]), test_backups.NOW)
"""


def test_a_backup_of_sqlite_comes_back_here(tmp_path: Path, settings: Any) -> None:
    """On PostgreSQL this is how somebody moves there."""
    env = {**os.environ, "DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "sensorapp.settings"}
    env |= {"DATABASE_URL": f"sqlite:///{tmp_path / 'other.sqlite3'}", "OUTBOUND_ALLOW": "127.0.0.0/8"}
    command = [sys.executable, "-W", "ignore", "-c", FILL, str(tmp_path / "backup")]
    subprocess.run(command, cwd=settings.BASE_DIR, env=env, check=True, timeout=120)
    rows = backups.restore(tmp_path / "backup", NOW)
    assert rows["routing.alert"] == Alert.objects.count() == 3
    oldest = Alert.objects.earliest("time")
    assert (oldest.time, oldest.own_node) == (NOW - timedelta(days=9000), True)
    assert 2**63 - 1 in [alert.output_fields["proc.pid"] for alert in Alert.objects.all()]
    assert AuditEntry.objects.get(verb="edit").address == "2001:db8::1"
    assert audit.verify().problem == ""
