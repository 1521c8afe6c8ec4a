"""Everything that a production set-up runs, each part a process group of its own: kill it, start it again, watch it.

What the commands are is also in docs/architecture.md.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from tests import services

ROOT = Path(__file__).resolve().parents[2]
# As shipped: what is committed is on the disk. Only the log is quieter.
DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")
CELERY = [sys.executable, "-m", "celery", "--app", "sensorapp", "--quiet"]
WORKER = ["worker", "--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"]
QUEUES = "route,deliver,respond,maintain"


class Stack:
    """The running parts, by name."""

    def __init__(self, directory: Path, database_url: str, redis_url: str) -> None:
        self.directory = directory
        self.port = services.free_port()
        self.receiver_port = services.free_port()
        self.deliveries = directory / "arrived.jsonl"
        """What the receiver writes."""
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DJANGO"))},
            "DJANGO_SETTINGS_MODULE": "sensorapp.settings",
            "DATA_DIR": str(directory / "data"),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "OUTBOUND_ALLOW": "127.0.0.0/8",
            "LOG_LEVEL": "warning",
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
        }
        self.parts: dict[str, services.Service] = {}

    def add(self, name: str, command: list[str]) -> None:
        self.parts[name] = services.Service(command, env=self.env, cwd=ROOT, log=self.directory / f"{name}.log")

    def start(self) -> None:
        """Makes the tables and starts what is not running yet."""
        self.manage("migrate", "--skip-checks", "--verbosity", "0")
        for part in self.parts.values():
            if not part.running:
                part.start()

    def manage(self, *arguments: str) -> str:
        """What `manage.py ARGUMENTS` prints."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.env, check=True, stdout=subprocess.PIPE, text=True).stdout

    def ended(self) -> list[str]:
        """Parts that are not running though nobody ended them."""
        return [name for name, part in self.parts.items() if part.process is not None and not part.running]

    def lose_broker_data(self, all_of_it: bool) -> None:
        """What a crash of the machine takes from a stopped broker: the end of its file, or all of it."""
        for file in (self.directory / "redis" / "appendonlydir").glob("*"):
            if all_of_it:
                file.unlink()
            elif file.name.endswith(".incr.aof"):
                os.truncate(file, max(0, file.stat().st_size - 16_384))


def heal(stack: Stack) -> None:
    """From now on the receiver takes everything."""
    with closing(HTTPConnection("127.0.0.1", stack.receiver_port, timeout=10)) as connection:
        connection.request("POST", "/heal")
        connection.getresponse()


@contextmanager
def running(directory: Path) -> Iterator[Stack]:
    """Database, broker, web, two workers, beat and the receiver; all ended at the end, the clients first."""
    (directory / "data").mkdir()
    (directory / "redis").mkdir()
    with ExitStack() as exits:
        log = directory / "postgresql.log"
        database, database_url = exits.enter_context(services.postgresql_service(DURABLE, log))
        broker, redis_url = exits.enter_context(services.redis_service(directory / "redis"))
        stack = Stack(directory, database_url, redis_url)
        stack.parts = {"postgresql": database, "broker": broker}
        web = ["--interface", "asgi", "--host", "127.0.0.1", "--port", str(stack.port), "--workers", "1", "--no-ws"]
        web += ["--respawn-failed-workers", "--log-level", "warning", "sensorapp.asgi:application"]
        stack.add("web", [sys.executable, "-m", "granian", *web])
        for name in ("worker-1", "worker-2"):
            stack.add(name, [*CELERY, *WORKER, "--hostname", f"{name}@%h", "--queues", QUEUES])
        # Without a file that names its process: one left behind by a crash could name a stranger later.
        stack.add("beat", [*CELERY, "beat", "--pidfile="])
        receiver = ["--port", str(stack.receiver_port), "--file", str(stack.deliveries)]
        stack.add("receiver", [sys.executable, "-m", "tests.chaos.receiver", *receiver])
        for part in stack.parts.values():
            if part not in (database, broker):
                exits.callback(part.stop)
        stack.start()
        yield stack
