"""Processes look for reference cycles less often than Python would."""

import subprocess
import sys

import pytest

from sensorapp.garbage import OBJECTS_BETWEEN_LOOKS

SERVER = "import sensorapp.asgi"
WORKER = """
import django
django.setup()
from celery.signals import worker_init
import sensorapp.celery
worker_init.send(sender=None)
"""


@pytest.mark.parametrize("start", [SERVER, WORKER])
def test_it_looks_seldom_and_never_at_what_was_there_from_the_start(start: str) -> None:
    code = f"{start}\nimport gc; print(gc.get_threshold()[0], gc.get_freeze_count() > 100_000)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(OBJECTS_BETWEEN_LOOKS), "True"]
