"""`manage.py run`: the whole product in one terminal.

Embedded default: SQLite and a Valkey on a unix socket below DATA_DIR; DATABASE_URL and REDIS_URL name others.
Prints `ready: URL` when the first alert could arrive, and stops everything on Ctrl-C.
"""

import argparse
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import redis
import requests
from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from routing import firstrun
from routing.management import valkey
from routing.management.supervisor import Child, Supervisor, say
from sensorapp import env

# `python -m sensor run` ends with this status where the kernel cannot be watched; it has said why.
CANNOT_WATCH = 3
# What the sensor says once its probes are attached.
SENSOR_READY = "ready"
START_TIMEOUT = 60.0
# How long the broker may take to answer (seconds); an embedded one loads what it had kept.
BROKER_TIMEOUT = 20.0
# Celery warns about running as root, which the embedded mode must where the sensor reads the kernel.
QUIET_AS_ROOT = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}


class Command(BaseCommand):
    help = "Start web, worker and this node's sensor; Ctrl-C stops everything."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default=env.text("HOST", "127.0.0.1"), help="address to listen on")
        parser.add_argument("--port", type=int, default=env.number("PORT", 8000), help="port to listen on")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        if (sensor := env.text("SENSOR", "auto")) not in ("auto", "off"):
            raise CommandError(f"SENSOR is {sensor!r}; use auto or off")
        _refuse_taken_port(host, port)
        if "LOG_LEVEL" not in os.environ:
            # What this process itself prepares is in the audit log; the terminal is for what a person must read.
            logging.getLogger().setLevel(logging.WARNING)
        self.sensor_ready = sensor == "off"
        self.supervisor = Supervisor(self._watch_line)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.supervisor.stop())
        try:
            self._start(host, port, with_sensor=sensor == "auto")
            self.supervisor.run()
        finally:
            self.supervisor.end_all()
        say("run", "stopped")

    def _start(self, host: str, port: int, *, with_sensor: bool) -> None:
        if not self._has_broker():
            return
        _collect_static()
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            raise CommandError(f"the database cannot be used: {str(error).strip()}\nLook at DATABASE_URL.") from None
        first = firstrun.prepare(timezone.now(), admin_password=env.secret("ADMIN_PASSWORD"))
        if first.password is not None:
            self.stdout.write(f"\n  administrator: {first.username}\n  password (shown once): {first.password}\n\n")
        url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - compared, not bound
        common = {"PORT": str(port), "PYTHONUNBUFFERED": "1"}
        self.supervisor.start(Child("web", _web_command(host, port), common))
        self.supervisor.start(Child("worker", _worker_command(), common | QUIET_AS_ROOT))
        if with_sensor:
            self.supervisor.start(Child("sensor", _sensor_command(), _sensor_env(url), self._sensor_ended))
        if self._wait_until_ready(url):
            self.stdout.write(f"ready: {url}")
            self.stdout.flush()

    def _has_broker(self) -> bool:
        """Waits for the broker, the embedded one where REDIS_URL names none; False where Ctrl-C came first."""
        broker = None
        try:
            client = redis.Redis.from_url(settings.REDIS_URL)
            if not os.environ.get("REDIS_URL"):
                broker = Child("broker", valkey.command(settings.DATA_DIR), quiet=True)
                self.supervisor.start(broker)
        except (ValueError, valkey.NoValkey) as error:
            raise CommandError(f"no broker: {error}") from None
        reason = ""
        for _ in range(int(BROKER_TIMEOUT / 0.05)):
            try:
                client.ping()
                return True
            except redis.RedisError as error:
                if broker is None and not reason:
                    say("run", "waiting for the broker that REDIS_URL names")
                reason = str(error)
            if self.supervisor.wait(0.05):
                return False
            if broker is not None and broker.deaths > 1:
                break
        if broker is None:
            raise CommandError(f"the broker does not answer: {reason.rstrip('.')}. Look at REDIS_URL.")
        self.supervisor.show_kept(broker)
        raise CommandError(f"the embedded Valkey did not start; its lines above say why (data: {settings.DATA_DIR})")

    def _wait_until_ready(self, url: str) -> bool:
        """True once web, worker and sensor are up; False where Ctrl-C came first."""
        session = requests.Session()
        session.trust_env = False
        for _ in range(int(START_TIMEOUT / 0.1)):
            if self.sensor_ready and _answers(session, f"{url}/readyz"):
                return True
            if self.supervisor.wait(0.1):
                return False
        raise CommandError(f"not ready after {START_TIMEOUT:.0f} s; the lines above say what is missing")

    def _watch_line(self, name: str, line: str) -> None:
        if name == "sensor" and line.strip() == SENSOR_READY:
            self.sensor_ready = True

    def _sensor_ended(self, child: Child, status: int) -> bool:
        """A sensor that cannot watch this kernel is replaced by a replay, so that the product can still be seen."""
        if status == CANNOT_WATCH and "--replay" not in child.command:
            demo = settings.BASE_DIR / "sensor" / "demo" / "events.jsonl"
            say("run", "this machine cannot be watched (the lines above say why); replaying recorded events instead")
            child.command = [*child.command, "--replay", str(demo), "--loop"]
        return True


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}. Name another: PORT=8001") from None


def _collect_static() -> None:
    """Collects the pages' files again where one is newer than the last collection."""
    manifest = Path(settings.STATIC_ROOT) / ManifestFilesMixin.manifest_name
    newest = max(path.stat().st_mtime for path in (settings.BASE_DIR / "routing" / "static").rglob("*"))
    if not manifest.exists() or manifest.stat().st_mtime < newest:
        call_command("collectstatic", interactive=False, verbosity=0)


def _web_command(host: str, port: int) -> list[str]:
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", host, "--port", str(port)]
    command += ["--workers", "1", "--no-ws", "--respawn-failed-workers", "--log-level", "warning"]
    return [*command, "sensorapp.asgi:application"]


def _worker_command() -> list[str]:
    command = [sys.executable, "-m", "celery", "--app", "sensorapp", "--quiet", "worker", "--beat"]
    return [*command, "--without-gossip", "--without-mingle", "--queues", "route,deliver,respond,maintain"]


def _sensor_command() -> list[str]:
    return [sys.executable, "-m", "sensor", "run"]


def _sensor_env(url: str) -> dict[str, str]:
    """Points this node's sensor at this server; a setting that is already in the environment wins."""
    ours = {
        "SENSOR_SERVER_URL": url,
        "SENSOR_SERVER_TOKEN_FILE": str(settings.DATA_DIR / "keys" / "sensor_token"),
        "SENSOR_SPOOL_PATH": str(settings.DATA_DIR / "spool"),
        "SENSOR_ACTIONS_ALLOW": "kill_process",
        # The product's own processes, this one and all below it, are never killed.
        "SENSOR_ACTIONS_PROTECT_TREE": str(os.getpid()),
    }
    return {"PYTHONUNBUFFERED": "1"} | {name: value for name, value in ours.items() if name not in os.environ}


def _answers(session: requests.Session, url: str) -> bool:
    try:
        return session.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False
