"""What a worker does around its tasks."""

import gc

import psycopg
import pytest
from celery.signals import task_postrun, worker_init
from django.conf import settings
from django.db import DatabaseError, connection

from sensorapp.celery import OBJECTS_BETWEEN_LOOKS, app


@pytest.fixture
def server() -> int:
    """The PostgreSQL process behind this thread's connection."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connection that could break")
    return ask()


def ask() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [process] = cursor.fetchone()
    return int(process)


def end(process: int) -> None:
    there = connection.settings_dict
    with psycopg.connect(
        dbname=there["NAME"], user=there["USER"], host=there["HOST"], port=there["PORT"], autocommit=True
    ) as other:
        # Waits until it has ended.
        assert other.execute("SELECT pg_terminate_backend(%s, 10000)", [process]).fetchone() == (True,)


def test_celery_leaves_connections_open() -> None:
    assert app.conf.get("CELERY_DB_REUSE_MAX") == settings.CELERY_DB_REUSE_MAX > 0


@pytest.mark.django_db(transaction=True)
def test_the_connection_is_kept_after_a_task(server: int) -> None:
    task_postrun.send(sender=None)
    assert ask() == server


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_a_task_found_broken_is_made_anew_for_the_next(server: int) -> None:
    end(server)
    with pytest.raises(DatabaseError):
        ask()
    task_postrun.send(sender=None)
    assert ask() != server


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_broke_between_two_tasks_is_made_anew(server: int) -> None:
    task_postrun.send(sender=None)
    end(server)
    assert ask() != server


def test_a_worker_looks_for_garbage_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.nice", lambda more: more)
    before = gc.get_threshold()
    try:
        worker_init.send(sender=None)
        assert gc.get_threshold() == (OBJECTS_BETWEEN_LOOKS, *before[1:])
    finally:
        gc.set_threshold(*before)
