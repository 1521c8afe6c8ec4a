"""The cast and the stage of every test.

Alice administers, Erin edits, Bob responds, Carol only looks. Without DATABASE_URL the tests run on SQLite;
`make test` runs them a second time on PostgreSQL. Nothing but loopback can be reached.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from pytest_socket import socket_allow_hosts

from routing import backlog
from routing.models import Member
from tests import build


@pytest.fixture(autouse=True, scope="session")
def uncollected_static_files() -> None:
    """Pages link to static files by their plain names, so that nothing has to be collected first."""
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"


@pytest.fixture(autouse=True)
def loopback_only() -> None:
    """No test reaches anything but this machine."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def log_as_set_up() -> Iterator[None]:
    """A test that sets up logging, as every start of the sensor does, leaves the next one what it found."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """SQLite's test database is a file: in memory, threads fail where on disk they wait for each other."""
    for connection in connections.all():
        if connection.vendor == "sqlite":
            connection.settings_dict["TEST"]["NAME"] = str(settings.DATA_DIR / "test.sqlite3")


@pytest.fixture(autouse=True)
def unknown_lanes() -> None:
    """Each test has a queue of its own."""
    backlog._lanes.clear()


@pytest.fixture
def that_day() -> Iterator[None]:
    """It is a second after `build.NOW`, when the alerts of tests happen, and the clock goes on from there."""
    with time_machine.travel(build.NOW + timedelta(seconds=1)):
        yield


def person(name: str, role: str) -> User:
    """Somebody with a role."""
    user = User.objects.create(username=name, is_staff=role == "admin", is_superuser=role == "admin")
    Member.objects.create(user=user, role=role)
    return user


@pytest.fixture
def alice(db: None) -> User:
    return person("alice", "admin")


@pytest.fixture
def erin(db: None) -> User:
    return person("erin", "editor")


@pytest.fixture
def bob(db: None) -> User:
    return person("bob", "responder")


@pytest.fixture
def carol(db: None) -> User:
    return person("carol", "viewer")


@pytest.fixture
def as_user(client: Client):
    """`as_user(bob)`: the test client signed in as Bob."""

    def sign_in(user: User) -> Client:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in
