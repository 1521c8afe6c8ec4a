"""Private PostgreSQL and Redis servers for tests: own directory, own port, gone at the end."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT = 30.0
# Trades safety for speed: what a test loses with the machine is nothing.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def free_port() -> int:
    """A TCP port of the loopback address that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postgresql(settings: Sequence[str] = FAST) -> Iterator[str]:
    """A PostgreSQL cluster; yields its DATABASE_URL. `settings` are `name=value`."""
    binaries = _postgresql_binaries()
    with tempfile.TemporaryDirectory(prefix="sensorapp-postgresql-") as directory:
        as_owner = _owner(Path(directory))
        data = f"{directory}/data"
        port = free_port()
        _quietly([*as_owner, f"{binaries}/initdb", "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C"])
        command = [*as_owner, f"{binaries}/postgres", "-D", data, "-p", str(port), "-k", directory, "-h", "127.0.0.1"]
        for setting in (*settings, "max_connections=200", "log_min_messages=fatal"):
            command += ["-c", setting]
        there = ["-h", "127.0.0.1", "-p", str(port), "-U", "test"]
        # It accepts connections, and refuses them with words, before it is up.
        ready = [f"{binaries}/pg_isready", "--quiet", "--dbname", "postgres", *there]
        with _running(command, lambda: subprocess.run(ready, cwd="/").returncode == 0):
            _quietly([f"{binaries}/createdb", *there, "sensorapp"])
            yield f"postgresql://test@127.0.0.1:{port}/sensorapp"


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis server with an append-only file; yields its REDIS_URL."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        raise RuntimeError("redis-server is missing; make test installs it where it runs as root")
    with tempfile.TemporaryDirectory(prefix="sensorapp-redis-") as directory:
        port = free_port()
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--appendonly", "yes"]
        with _running([*command, "--save", "", "--loglevel", "warning"], lambda: accepts(port)):
            yield f"redis://127.0.0.1:{port}/0"


def _postgresql_binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise RuntimeError("PostgreSQL is missing; make test installs it where it runs as root")
    return found[-1].parent


def _owner(directory: Path) -> list[str]:
    """PostgreSQL refuses to run as root: its own user then owns the directory and starts it."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=TERM"]


def _quietly(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _running(command: Sequence[str], is_up: Callable[[], bool]) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="/") as process:
        try:
            until = time.monotonic() + START_TIMEOUT
            while not is_up():
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{command[0]} did not start")
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
