"""Private PostgreSQL and Redis servers for tests: own directory, own port, gone at the end."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

START_TIMEOUT = 30.0
# Trades safety for speed: what a test loses with the machine is nothing.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def free_port() -> int:
    """A TCP port of the loopback address that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Service:
    """A program in a process group of its own, which can be killed and started again."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | str = "/",
        log: Path | None = None,
    ) -> None:
        """What it prints goes to the end of `log`; None drops the output and shows the errors."""
        self.command, self.env, self.cwd, self.log = command, env, cwd, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns at once. Call it from the main thread: where a thread ends, so does what it started."""
        lines = subprocess.DEVNULL if self.log is None else self.log.open("ab")
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=None if self.log is None else lines,
            start_new_session=True,
        )
        if not isinstance(lines, int):
            lines.close()

    def wait_until(self, is_up: Callable[[], bool]) -> None:
        """Raises RuntimeError where it ends first, or takes too long."""
        until = time.monotonic() + START_TIMEOUT
        while not is_up():
            if not self.running or time.monotonic() > until:
                raise RuntimeError(f"{self.command[0]} did not start")
            time.sleep(0.02)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def children(self) -> list[psutil.Process]:
        """Every process below it."""
        if self.process is None or not self.running:
            return []
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """As a crash does: nothing of its group runs another instruction. Returns when all below it is gone too."""
        if self.process is None:
            return
        # PostgreSQL's children have groups of their own; they see that their parent died, and then end.
        below = self.children()
        with suppress(ProcessLookupError):  # It had ended, and left nobody behind.
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        psutil.wait_procs(below, START_TIMEOUT)
        self.process = None

    def stop(self, how: signal.Signals = signal.SIGTERM, seconds: float = 20.0) -> int | None:
        """As an operator does; its exit status. What does not end in time is killed."""
        if (process := self.process) is None:
            return None
        if self.running:
            process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        self.kill()
        return process.returncode


@contextmanager
def postgresql(settings: Sequence[str] = FAST) -> Iterator[str]:
    """A PostgreSQL cluster; yields its DATABASE_URL. `settings` are `name=value`."""
    with postgresql_service(settings) as (_, url):
        yield url


@contextmanager
def postgresql_service(settings: Sequence[str], log: Path | None = None) -> Iterator[tuple[Service, str]]:
    """A PostgreSQL cluster that runs, and its DATABASE_URL."""
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
        service = Service(command, log=log)
        try:
            service.start()
            service.wait_until(lambda: subprocess.run(ready, cwd="/").returncode == 0)
            _quietly([f"{binaries}/createdb", *there, "sensorapp"])
            yield service, f"postgresql://test@127.0.0.1:{port}/sensorapp"
        finally:
            # It ends without waiting for its clients to leave.
            service.stop(signal.SIGINT)


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis server with an append-only file; yields its REDIS_URL."""
    with (
        tempfile.TemporaryDirectory(prefix="sensorapp-redis-") as directory,
        redis_service(Path(directory)) as (_, url),
    ):
        yield url


@contextmanager
def redis_service(directory: Path) -> Iterator[tuple[Service, str]]:
    """A Redis server that runs with an append-only file below `directory`, and its REDIS_URL."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        raise RuntimeError("redis-server is missing; make test installs it where it runs as root")
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--appendonly", "yes"]
    service = Service([*command, "--appendfsync", "everysec", "--save", "", "--loglevel", "warning"])
    try:
        service.start()
        service.wait_until(lambda: accepts(port))
        yield service, f"redis://127.0.0.1:{port}/0"
    finally:
        service.stop()


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
