import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command


def run(tmp_path: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """`manage.py run` on a free port, with nothing but these settings of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    given = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.run(
        [sys.executable, "manage.py", "run"],
        cwd=settings.BASE_DIR,
        env={**given, "PORT": port, "DATA_DIR": str(tmp_path), "SENSOR": "off", **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_port_that_is_taken_is_said_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CommandError, match="Name another: PORT=8001"):
            call_command("run", port=taken.getsockname()[1])


def test_an_unknown_word_for_the_sensor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSOR", "wrong")
    with pytest.raises(CommandError, match="SENSOR is 'wrong'; use auto or off"):
        call_command("run")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"REDIS_URL": "nonsense"}, "CommandError: no broker: Redis URL must specify one of the following schemes"),
        ({"DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/x"}, "CommandError: the database cannot be used"),
    ],
)
def test_what_cannot_be_used_is_said_without_a_traceback(setting: dict[str, str], said: str, tmp_path: Path) -> None:
    done = run(tmp_path, **setting)
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr
