import json
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from routing.sinks.base import Verdict
from routing.sinks.file import File, append, rotate
from tests.routing.sinks import samples


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path / "sinks"


def sender(**options: object) -> File:
    return File({**samples.options("file", ""), **options})


@pytest.mark.parametrize("event", samples.EVENTS)
def test_a_message_is_the_line_in_the_fixture(folder: Path, event: str) -> None:
    assert sender().deliver(samples.message(event)).verdict is Verdict.SENT
    (line,) = (folder / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == samples.golden("webhook", event)


def test_only_the_owner_and_the_group_can_read_it(folder: Path) -> None:
    sender().deliver(samples.message())
    assert (folder / "alerts.jsonl").stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    "name",
    ["../out", "/etc/passwd", "a/b", "..", ".hidden", "", "a\0b", "a\n", "x" * 101, "a.lock", "alerts.jsonl.1", "ü"],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the file's name"):
        sender(name=name)


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "precious").write_text("kept", encoding="utf-8")
    (folder / "alerts.jsonl").symlink_to(tmp_path / "precious")
    assert sender().deliver(samples.message()).verdict is Verdict.RETRY
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "kept"


def test_a_file_that_would_get_too_large_is_set_aside(folder: Path) -> None:
    folder.mkdir()
    full = b"x" * 999_999 + b"\n"
    for number in range(4):
        (folder / "alerts.jsonl").write_bytes(full)
        (folder / "alerts.jsonl").chmod(0o600 + number)
        assert sender(megabytes=1, kept=2).deliver(samples.message()).verdict is Verdict.SENT
    assert sorted(path.name for path in folder.iterdir()) == [
        "alerts.jsonl",
        "alerts.jsonl.1",
        "alerts.jsonl.2",
        "alerts.jsonl.lock",
    ]
    assert (folder / "alerts.jsonl.1").stat().st_mode & 0o777 == 0o603
    assert (folder / "alerts.jsonl.2").stat().st_mode & 0o777 == 0o602
    assert len((folder / "alerts.jsonl").read_bytes().splitlines()) == 1


def test_without_old_files_the_full_one_goes(tmp_path: Path) -> None:
    for name in ("a", "a.1", "a.2"):
        (tmp_path / name).write_bytes(b"x")
    rotate(tmp_path / "a", 0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_exceed_its_limit_goes_on(folder: Path) -> None:
    sender(megabytes=1).deliver(samples.message())
    sender(megabytes=1).deliver(samples.message())
    assert len((folder / "alerts.jsonl").read_bytes().splitlines()) == 2
    assert not (folder / "alerts.jsonl.1").exists()


def test_many_writers_lose_and_mix_nothing(folder: Path) -> None:
    folder.mkdir()
    (folder / "alerts.jsonl").write_bytes(b"x" * 990_000 + b"\n")
    tried = sender(megabytes=1, kept=9)
    threads = [threading.Thread(target=lambda: [tried.deliver(samples.message()) for _ in range(20)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [
        line
        for path in folder.glob("alerts.jsonl*")
        for line in path.read_bytes().splitlines()
        if not line.startswith(b"x")
    ]
    assert len([json.loads(line) for line in lines]) == 100


def test_what_a_crash_left_of_a_line_is_ended(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'{"torn":')
    append(tmp_path / "a", b"{}\n")
    assert (tmp_path / "a").read_bytes() == b'{"torn":\n{}\n'


@pytest.fixture
def small_disk() -> Iterator[int]:
    """Files of this process can have 5,000 bytes, as on a disk that is full after them."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    yield 5000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_tried_again_and_leaves_no_half_line(folder: Path, small_disk: int) -> None:
    outcomes = [sender().deliver(samples.message()) for _ in range(9)]
    assert outcomes[0].verdict is Verdict.SENT
    assert outcomes[-1].verdict is Verdict.RETRY
    assert "cannot be written" in outcomes[-1].error
    kept = (folder / "alerts.jsonl").read_bytes()
    assert kept.endswith(b"\n")
    assert all(json.loads(line) for line in kept.splitlines())


def test_a_folder_that_cannot_be_made_is_tried_again(folder: Path) -> None:
    folder.write_text("a file where the folder should be", encoding="utf-8")
    assert sender().deliver(samples.message()).verdict is Verdict.RETRY
