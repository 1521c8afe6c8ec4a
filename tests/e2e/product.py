"""The product as `make run` starts it, on free ports and with its own data, and what a test may do to it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
from django.conf import settings

from sensor.alert import new_uuid
from tests import services
from tests.e2e.waiting import eventually

START_TIMEOUT = 90.0
PASSWORD = "correct horse battery staple"
# What a child's command line has that the others' have not.
CHILDREN = {"web": " granian ", "worker": " celery ", "sensor": " sensor run", "broker": "unixsocket"}


class Product:
    """One running `manage.py run`."""

    def __init__(self, data_dir: Path, env: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.port = services.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DJANGO"))},
            "PORT": str(self.port),
            "DATA_DIR": str(data_dir),
            "ADMIN_PASSWORD": PASSWORD,
            "OUTBOUND_ALLOW": "127.0.0.0/8",
            **env,
        }
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Starts it and waits until it says ready; returns the seconds that took."""
        started = time.monotonic()
        process = self.manage("run", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()
        self.wait_for_line(lambda line: line == f"ready: {self.url}", START_TIMEOUT)
        return time.monotonic() - started

    def stop(self) -> int:
        """Ctrl-C; returns the exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(30)
        finally:
            self._process.kill()
            self._reader.join(10)

    def manage(self, *arguments: str, **options: object) -> "subprocess.Popen[str]":
        """`manage.py ARGUMENTS` with the product's environment."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.Popen(command, cwd=settings.BASE_DIR, env=self.env, **options)  # type: ignore[call-overload]

    @property
    def replays(self) -> bool:
        """True where this kernel refuses BPF and recorded events are shown instead."""
        return any("replaying recorded events instead" in line for line in self.lines)

    def count_lines(self, child: str, said: str) -> int:
        """How often a child printed exactly this line."""
        return sum(line.split(" | ", 1) == [f"{child:>6}", said] for line in self.lines)

    def kill(self, name: str) -> None:
        """kill -9 of a child with everything below it, as soon as it runs."""
        for victim in eventually(lambda: self._running(CHILDREN[name]), START_TIMEOUT, f"a running {name}"):
            victim.send_signal(signal.SIGKILL)

    def _running(self, command: str) -> list[psutil.Process]:
        assert self._process is not None
        found = []
        for child in psutil.Process(self._process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # A zombie has no command line.
                if command in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def wait_for_line(self, wanted: Callable[[str], bool], seconds: float) -> str:
        """The first line, past or to come, that is wanted."""
        until = time.monotonic() + seconds
        with self._news:
            while True:
                for line in self.lines:
                    if wanted(line):
                        return line
                ended = self._process is not None and self._process.poll() is not None
                if ended or not self._news.wait(min(0.5, max(0.0, until - time.monotonic()))):
                    assert not ended, "the product ended:\n" + "\n".join(self.lines)
                    assert time.monotonic() < until, "not seen in time:\n" + "\n".join(self.lines)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()


@contextmanager
def own_database() -> Iterator[dict[str, str]]:
    """The environment that gives a product its own database and broker: its own below DATA_DIR, or of the servers
    that DATABASE_URL and REDIS_URL name."""
    if "DATABASE_URL" not in os.environ:
        yield {}
        return
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    name = f"product_{new_uuid().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    with services.redis_server() as redis_url:
        yield {"DATABASE_URL": f"{server}/{name}", "REDIS_URL": redis_url}
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
