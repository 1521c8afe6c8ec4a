"""The product as it runs in production, for benchmarks: durable PostgreSQL and Redis, web, workers, beat."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import requests

from tests import services

QUEUES = "route,deliver,respond,maintain"
# Durable, and otherwise as docs/operating.md advises.
DURABLE = ("fsync=on", "synchronous_commit=on", "shared_buffers=2GB", "max_wal_size=8GB", "checkpoint_timeout=15min")


ROUTES = """
from routing.models import Route
Route.objects.all().delete()
severe = "alert.priority >= critical"
Route.objects.create(name="paging", position=1, condition=severe, group_by=["alert.rule"], continues=True)
Route.objects.create(name="rest", position=2, group_by=["alert.rule", "alert.hostname"])
"""
DAYS = """
from datetime import timedelta
from django.utils import timezone
from routing import days
for back in (1, 0):
    days.ensure(timezone.now() - timedelta(days=back))
"""


class Installation:
    """Servers and processes of one benchmark; all end with it."""

    def __init__(self, env: dict[str, str], directory: str) -> None:
        self.env = {
            **os.environ,
            "DATA_DIR": directory,
            "LOG_LEVEL": "error",
            "OUTBOUND_ALLOW": "127.0.0.0/8",
            **env,
        }
        self.directory = directory
        self._running = ExitStack()
        self.port = 0

    def manage(self, *arguments: str) -> str:
        """What `manage.py ARGUMENTS` prints."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, env=self.env, check=True, stdout=subprocess.PIPE, text=True).stdout

    def run(self, code: str) -> None:
        """Runs Python with the product's settings."""
        self.manage("shell", "--no-imports", "-c", code)

    def routes(self) -> None:
        """Two routes without sinks: everything is grouped by rule and node, and nobody is told."""
        self.run(ROUTES)

    def make_days(self) -> None:
        """Yesterday and today, as a server that has run since then has made them."""
        self.run(DAYS)

    def token(self, role: str = "sensor") -> str:
        return self.manage("token", "create", "--role", role, f"bench {role}").strip()

    def web(self, app: str = "sensorapp.asgi:application") -> psutil.Process:
        """Starts the server; returns once it answers."""
        self.port = services.free_port()
        command = ["granian", "--interface", "asgi", "--port", str(self.port), "--no-ws", "--no-log", app]
        process = self._start(command)
        wait_for_answer(f"http://127.0.0.1:{self.port}/healthz")
        return process

    def worker(self, number: int = 1) -> psutil.Process:
        """One worker process with all queues."""
        options = ["--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"]
        name = ["--hostname", f"bench{number}@localhost"]
        return self._start(["celery", "--app", "sensorapp", "--quiet", "worker", *options, *name, "--queues", QUEUES])

    def beat(self) -> psutil.Process:
        return self._start(["celery", "--app", "sensorapp", "--quiet", "beat", "--schedule", f"{self.directory}/beat"])

    def _start(self, command: Sequence[str]) -> psutil.Process:
        # In a session of its own, as `manage.py run` starts it and as a service has one.
        log = self._running.enter_context(Path(f"{self.directory}/{len(os.listdir(self.directory))}.log").open("wb"))  # noqa: SIM115
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=self.env, stdout=log, stderr=log, start_new_session=True
        )
        self._running.callback(_end, process)
        return psutil.Process(process.pid)

    def close(self) -> None:
        self._running.close()


@contextmanager
def installation(sqlite: bool = False, **env: str) -> Iterator[Installation]:
    """A database with its tables, and a broker; nothing else runs yet."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="sensorapp-bench-"))
        if sqlite:
            env["DATABASE_URL"] = f"sqlite:///{directory}/bench.sqlite3"
        elif "DATABASE_URL" not in env:
            env["DATABASE_URL"] = stack.enter_context(services.postgresql(settings=DURABLE))
        env["REDIS_URL"] = stack.enter_context(services.redis_server())
        made = Installation(env, directory)
        stack.callback(made.close)
        made.manage("migrate", "--skip-checks", "--verbosity", "0")
        yield made


def wait_for_answer(url: str, seconds: float = 30.0) -> None:
    with requests.Session() as session:
        session.trust_env = False
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                session.get(url, timeout=5)
                return
            except requests.ConnectionError:
                time.sleep(0.05)
    raise RuntimeError("the server did not start")


def memory(process: psutil.Process) -> float:
    """Resident megabytes of a process and those below it."""
    family = [process, *process.children(recursive=True)]
    return sum(one.memory_info().rss for one in family) / 1e6


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
