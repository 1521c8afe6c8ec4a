"""Keeps the product's processes running in one terminal: starts them, shows their lines, restarts, stops.

Each child leads its own process group, so that Ctrl-C reaches only the supervisor and what a dead child left
behind (granian's workers) can be ended before its successor needs the port. Where `setpriv` is there, children
are also ended by the kernel when the supervisor itself dies (prctl(2), PR_SET_PDEATHSIG).
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# A child that dies is started again at once, then after growing pauses while it keeps dying (seconds).
PAUSES = (0.1, 0.5, 1.0, 2.0)
# A child that lived this long (seconds) is healthy: its next restart is immediate again.
HEALTHY = 20.0
# How long a child may take to stop before it is killed (seconds).
GRACE = 10.0
# Lines of a quiet child that are kept for the case that it ends.
KEPT_LINES = 20
# How long to wait for the last lines of a child that ended (seconds); what it left behind may hold its pipe open.
LAST_LINES = 1.0


@dataclass
class Child:
    """One supervised process."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    on_exit: Callable[["Child", int], bool] | None = None
    """Called with the exit status when it ends by itself; False: do not start it again."""
    quiet: bool = False
    """Its lines are shown only if it ends by itself, the newest KEPT_LINES of them."""
    process: "subprocess.Popen[str] | None" = None
    started_at: float = 0.0
    deaths: int = 0
    restart_at: float | None = None
    wanted: bool = True
    kept: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    reader: threading.Thread | None = None


class Supervisor:
    """Runs children until `stop()`; children are started in the order added and stopped in reverse."""

    def __init__(self, watch_line: Callable[[str, str], None]) -> None:
        """`watch_line(name, line)` sees every line that a child prints."""
        self.children: list[Child] = []
        self._watch_line = watch_line
        self._stopping = threading.Event()

    def start(self, child: Child) -> None:
        """Starts a child now and keeps it running."""
        self.children.append(child)
        self._spawn(child)

    def stop(self) -> None:
        """Asks `run` to end; safe to call from a signal."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def wait(self, seconds: float) -> bool:
        """Looks after the children for a while; True once it is time to stop."""
        until = time.monotonic() + seconds
        while not self._stopping.is_set() and time.monotonic() < until:
            self._tend()
            self._stopping.wait(0.05)
        return self._stopping.is_set()

    def run(self) -> None:
        """Looks after the children until `stop()`, then ends them."""
        try:
            while not self.wait(3600):
                pass
        finally:
            self.end_all()

    def end_all(self) -> None:
        """Stops the children, the newest first; what does not stop in time is killed."""
        self._stopping.set()
        for child in reversed(self.children):
            child.wanted = False
            process = child.process
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                say(child.name, f"did not stop within {GRACE:.0f} s, killing it")
            _end_group(process.pid)
            process.wait()

    def show_kept(self, child: Child) -> None:
        """Shows what a quiet child has said so far."""
        while child.kept:
            say(child.name, child.kept.popleft())

    def _tend(self) -> None:
        now = time.monotonic()
        for child in self.children:
            process = child.process
            if process is not None and process.poll() is not None:
                child.process = None
                self._buried(child, process, now)
            if child.process is None and child.wanted and child.restart_at is not None and child.restart_at <= now:
                self._spawn(child)

    def _buried(self, child: Child, process: "subprocess.Popen[str]", now: float) -> None:
        _end_group(process.pid)
        if child.reader is not None:
            child.reader.join(LAST_LINES)
        self.show_kept(child)
        status = process.returncode
        if child.on_exit is not None and not child.on_exit(child, status):
            child.wanted = False
            return
        if now - child.started_at > HEALTHY:
            child.deaths = 0
        pause = PAUSES[min(child.deaths, len(PAUSES) - 1)]
        child.deaths += 1
        child.restart_at = now + pause
        how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        say("run", f"{child.name} ended {how}; starting it again in {pause} s")

    def _spawn(self, child: Child) -> None:
        child.restart_at = None
        child.started_at = time.monotonic()
        child.process = subprocess.Popen(  # noqa: S603 - commands are our own, never a user's text
            [*_dies_with_us(), *child.command],
            env={**os.environ, **child.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
            start_new_session=True,
        )
        child.reader = threading.Thread(
            target=self._read, args=(child, child.process), name=f"lines of {child.name}", daemon=True
        )
        child.reader.start()

    def _read(self, child: Child, process: "subprocess.Popen[str]") -> None:
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                if child.quiet:
                    child.kept.append(line.rstrip("\n"))
                else:
                    say(child.name, line.rstrip("\n"))
                self._watch_line(child.name, line)


def say(name: str, line: str) -> None:
    """One line of the shared terminal."""
    sys.stdout.write(f"{name:>6} | {line}\n")
    sys.stdout.flush()


def _dies_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _end_group(leader: int) -> None:
    """Kills what is left of a child's process group."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
