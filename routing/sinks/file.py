"""File: every message is a line of JSON in a file on this server, which is rotated by size.

A file is opened for each line, under a lock that all workers share, so that rotating and writing never meet. What a
full disk cut off is taken back; what a crash left of a line is ended before the next one.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from routing.kinds import option
from routing.sinks import document
from routing.sinks.base import Message, Outcome, Sender, Verdict

MOST_BYTES = 1024 * 1024
"""Of a line."""
MOST_KEPT = 100
# A name, never a path: a file of this sink cannot be anywhere but in its directory. The endings are those of files
# that were set aside, and of locks.
_NAME = re.compile(r"(?!.*\.(?:lock|\d+)$)[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def directory() -> Path:
    """Where the files of this kind of sink are."""
    return Path(settings.DATA_DIR) / "sinks"


class File(Sender):
    """Appends messages to a file."""

    kind = "file"
    label = "File"
    sends_acknowledged = True

    @dataclass(frozen=True)
    class Config:
        name: str = option("A file in the folder sinks below DATA_DIR.", label="Name", default="alerts.jsonl")
        megabytes: int = option(
            "A file that would get larger is set aside.", label="Rotated at (MB)", default=100, least=1, most=1_000_000
        )
        kept: int = option(
            "Files that were set aside and are kept.", label="Files kept", default=5, least=0, most=MOST_KEPT
        )

        def __post_init__(self) -> None:
            if not _NAME.fullmatch(self.name):
                raise ValueError(
                    f"{self.name!r} cannot be the file's name; use letters, digits, dots, dashes and underscores: "
                    "alerts.jsonl"
                )

    def send(self, message: Message) -> Outcome:
        line = document.fitted(message, MOST_BYTES) + b"\n"
        shown = line.decode("utf-8", "replace")
        path = directory() / self.config.name
        try:
            directory().mkdir(parents=True, exist_ok=True, mode=0o750)
            with _locked(path):
                if path.exists() and path.stat().st_size + len(line) > max(1, int(self.config.megabytes)) * 1_000_000:
                    rotate(path, max(0, min(int(self.config.kept), MOST_KEPT)))
                append(path, line)
        except OSError as error:
            return Outcome(Verdict.RETRY, f"{path} cannot be written: {error.strerror}", request=shown)
        return Outcome(Verdict.SENT, request=shown)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, over all processes; the lock ends with the process that holds it."""
    descriptor = os.open(
        path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def rotate(path: Path, kept: int) -> None:
    """`name` becomes `name.1`, `name.1` becomes `name.2`, and so on; what is beyond `kept` goes."""
    for number in range(max(1, kept), MOST_KEPT + 1):
        path.with_name(f"{path.name}.{number}").unlink(missing_ok=True)
    if not kept:
        path.unlink()
        return
    for number in range(kept - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))


def append(path: Path, line: bytes) -> None:
    """Add a whole line and bring it to the disk, or raise OSError and leave the file as it was."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
