"""The ground under every pytest process, laid before Django reads its settings (a plugin named in pyproject.toml).

Each process has its own data directory, with its own embedded broker unless REDIS_URL names a server; then it
has its own database of that server.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from routing import tallies
from routing.management import valkey

DATA_DIR = Path(tempfile.mkdtemp(prefix="sensorapp-test-"))
BROKER = pytest.StashKey["subprocess.Popen[bytes]"]()

os.environ["DATA_DIR"] = str(DATA_DIR)
os.environ["STATIC_ROOT"] = str(DATA_DIR / "static")
(DATA_DIR / "static").mkdir()
os.environ.setdefault("OUTBOUND_ALLOW", "127.0.0.0/8,::1/128")
if "REDIS_URL" in os.environ:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].removesuffix('/0')}/{worker}"


def pytest_configure(config: pytest.Config) -> None:
    """Starts the embedded broker, as `manage.py run` does."""
    # Counts are carried when a test says so, not while another test has the broker's address changed.
    tallies.EVERY_SECONDS = 86_400.0
    if "REDIS_URL" not in os.environ:
        config.stash[BROKER] = subprocess.Popen(valkey.command(DATA_DIR), stdout=subprocess.DEVNULL)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends it and removes what the tests wrote."""
    tallies.flush()
    if (broker := config.stash.get(BROKER, None)) is not None:
        broker.terminate()
        broker.wait(10)
    shutil.rmtree(DATA_DIR, ignore_errors=True)
