"""The server as it runs: granian in a process of its own, on the test's database and broker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from django.conf import settings
from django.db import connection

from tests.services import free_port

START_TIMEOUT = 30.0


def database_url() -> str:
    """The test database, for another process."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{config['NAME']}"
    return f"postgresql://{config['USER']}:{config['PASSWORD']}@{config['HOST']}:{config['PORT']}/{config['NAME']}"


class Web:
    """One granian and its worker process."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.start()

    def start(self) -> None:
        """Returns once it answers."""
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(self.port), "--no-ws"]
        self.process = subprocess.Popen(
            [*command, "--workers", "1", "sensorapp.asgi:application"],
            env={**os.environ, "DATABASE_URL": database_url(), "REDIS_URL": settings.REDIS_URL},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        until = time.monotonic() + START_TIMEOUT
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if self.session.get(f"{self.url}/healthz", timeout=5).status_code == 200:
                    return
            except requests.ConnectionError:
                time.sleep(0.05)
        raise RuntimeError("the server did not start")

    def kill(self) -> None:
        """As a crash does: no process of it runs another instruction."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def terminate(self) -> int:
        """As an operator does; returns the exit status."""
        self.process.terminate()
        return self.process.wait(20)

    def post(self, body: object, token: str = "sa_test", **fields: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        data = {"data": body} if isinstance(body, bytes) else {"json": body}
        return self.session.post(f"{self.url}/api/v1/alerts", headers=headers, timeout=30, **data, **fields)


@contextmanager
def running() -> Iterator[Web]:
    web = Web()
    try:
        yield web
    finally:
        web.session.close()
        if web.process.poll() is None:
            web.kill()
