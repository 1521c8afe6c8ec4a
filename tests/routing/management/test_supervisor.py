import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from routing.management.supervisor import Child, Supervisor

# Says its pid, then waits for a signal.
SLEEPER = [sys.executable, "-c", "import os, signal; print('pid', os.getpid(), flush=True); signal.pause()"]


class Watched:
    """A supervisor whose children's lines the test can wait for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.supervisor = Supervisor(self._watch)

    def _watch(self, name: str, line: str) -> None:
        with self._news:
            self.lines.append(line.strip())
            self._news.notify_all()

    def wait_for_lines(self, count: int) -> list[str]:
        until = time.monotonic() + 20
        while len(self.lines) < count and time.monotonic() < until:
            self.supervisor.wait(0.02)
        assert len(self.lines) >= count, self.lines
        return self.lines


@pytest.fixture
def watched():
    watched = Watched()
    yield watched
    watched.supervisor.end_all()


def pid_in(line: str) -> int:
    return int(line.removeprefix("pid "))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_child_is_started_again(watched: Watched) -> None:
    watched.supervisor.start(Child("sleeper", SLEEPER))
    first = pid_in(watched.wait_for_lines(1)[0])
    os.kill(first, signal.SIGKILL)
    second = pid_in(watched.wait_for_lines(2)[1])
    assert second != first
    assert is_alive(second)


def test_a_dead_childs_own_children_are_ended_before_its_successor_starts(watched: Watched) -> None:
    with_child = (
        "import os, signal, subprocess, sys;"
        "inner = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']);"
        "print('pid', inner.pid, flush=True); print('pid', os.getpid(), flush=True); signal.pause()"
    )
    watched.supervisor.start(Child("parent", [sys.executable, "-c", with_child]))
    inner, outer = map(pid_in, watched.wait_for_lines(2)[:2])
    os.kill(outer, signal.SIGKILL)
    watched.wait_for_lines(4)
    assert not is_alive(inner)


def test_stopping_ends_every_child(watched: Watched) -> None:
    for name in ("one", "two"):
        watched.supervisor.start(Child(name, SLEEPER))
    pids = [pid_in(line) for line in watched.wait_for_lines(2)]
    watched.supervisor.stop()
    watched.supervisor.run()
    assert [is_alive(pid) for pid in pids] == [False, False]


def test_a_child_that_says_it_cannot_go_on_stays_down(watched: Watched) -> None:
    statuses: list[int] = []

    def give_up(child: Child, status: int) -> bool:
        statuses.append(status)
        return False

    child = Child("quitter", [sys.executable, "-c", "print('bye'); raise SystemExit(3)"], on_exit=give_up)
    watched.supervisor.start(child)
    watched.wait_for_lines(1)
    while not statuses:
        watched.supervisor.wait(0.02)
    watched.supervisor.wait(0.3)
    assert statuses == [3]
    assert watched.lines == ["bye"]


def test_a_quiet_child_is_heard_only_if_it_ends(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    says = "import signal, sys; print('all is well', flush=True); signal.pause()"
    watched.supervisor.start(Child("calm", [sys.executable, "-c", says], quiet=True))
    watched.wait_for_lines(1)
    assert "all is well" not in capsys.readouterr().out
    fails = "import sys; print('no disk'); sys.exit(1)"
    watched.supervisor.start(Child("broken", [sys.executable, "-c", fails], quiet=True))
    watched.wait_for_lines(2)
    shown = ""
    while "broken ended with status 1" not in shown:
        watched.supervisor.wait(0.02)
        shown += capsys.readouterr().out
    assert "broken | no disk" in shown
    assert "all is well" not in shown


def test_a_childs_environment_is_added_to_ours(watched: Watched) -> None:
    shows = [sys.executable, "-c", "import os, signal; print(os.environ['GREETING'], flush=True); signal.pause()"]
    watched.supervisor.start(Child("shower", shows, env={"GREETING": "hello"}))
    assert watched.wait_for_lines(1) == ["hello"]
