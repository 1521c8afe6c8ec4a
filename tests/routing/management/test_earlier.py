import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from routing.management import earlier
from tests.routing.management.commands.test_run import run

# The part that matters of what was made when alerts had numbers.
EARLIER = "CREATE TABLE routing_alert (id integer PRIMARY KEY AUTOINCREMENT, uuid char(32) NOT NULL UNIQUE)"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "sensorapp.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(EARLIER)
    connection.close()
    return path


@pytest.mark.parametrize("command", ["migrate", "run"])
def test_a_database_from_before_the_first_release_is_refused_in_one_sentence(command: str, database: Path) -> None:
    if command == "run":
        done = run(database.parent)
    else:
        env = {**os.environ, "DATA_DIR": str(database.parent), "DATABASE_URL": f"sqlite:///{database}"}
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate"], cwd=settings.BASE_DIR, env=env, capture_output=True, text=True
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"CommandError: the database {database} was made by a version before 0.1.0, which cannot be taken over: "
        "move it away, or name an empty one in DATABASE_URL, and start again."
    ]
    with sqlite3.connect(database) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {name for name in tables if name.startswith("routing")} == {"routing_alert"}
    connection.close()


@pytest.mark.django_db
def test_a_database_of_today_is_migrated() -> None:
    earlier.refuse("default")
