"""What a worker does around its tasks."""

import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from celery.signals import task_postrun
from django.db import DatabaseError, connection

from sensorapp.celery import AUTOGROUP, app


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


def test_celery_leaves_connections_open(settings: Any) -> None:
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


NICE = """
import os, django
django.setup()
from celery.signals import worker_init
import sensorapp.celery
worker_init.send(sender=None)
print(os.nice(0), sensorapp.celery.AUTOGROUP.read_text().split()[-1])
"""


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel shares the processors among processes alone")
@pytest.mark.parametrize(("leads", "session"), [(True, "15"), (False, "0")])
def test_a_worker_gives_way_and_so_does_a_session_that_it_leads_and_no_other(leads: bool, session: str) -> None:
    wrapped = (
        [] if leads else [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:], check=True)"]
    )
    command = [*wrapped, sys.executable, "-c", NICE]
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "sensorapp.settings", "WORKER_NICE": "15"}
    done = subprocess.run(command, env=env, start_new_session=True, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(min(os.nice(0) + 15, 19)), session]
