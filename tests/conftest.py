"""The cast and the stage of every test.

Alice administers, Erin edits, Bob responds, Carol only looks. Without DATABASE_URL the tests run on SQLite;
`make test` runs them a second time on PostgreSQL. Nothing but loopback can be reached.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

# Each pytest process has its own data directory, with its own embedded broker unless REDIS_URL names a server.
DATA_DIR = Path(tempfile.mkdtemp(prefix="sensorapp-test-"))
os.environ["DATA_DIR"] = str(DATA_DIR)
os.environ.setdefault("OUTBOUND_ALLOW", "127.0.0.0/8,::1/128")
if "REDIS_URL" in os.environ:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].removesuffix('/0')}/{worker}"

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_socket import socket_allow_hosts

from routing.management import valkey

BROKER = pytest.StashKey["subprocess.Popen[bytes]"]()


def pytest_configure(config: pytest.Config) -> None:
    if "REDIS_URL" not in os.environ:
        config.stash[BROKER] = subprocess.Popen(valkey.command(DATA_DIR), stdout=subprocess.DEVNULL)


def pytest_unconfigure(config: pytest.Config) -> None:
    if (broker := config.stash.get(BROKER, None)) is not None:
        broker.terminate()
        broker.wait(10)
    shutil.rmtree(DATA_DIR, ignore_errors=True)


@pytest.fixture(autouse=True)
def loopback_only() -> None:
    """No test reaches anything but this machine."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


def person(name: str, role: str) -> User:
    """Somebody with a role."""
    from routing.models import Member

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
