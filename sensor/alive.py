"""A mark on disk that says: watching, at this time. What remains of it tells the next run how the last ended."""

import sqlite3
from pathlib import Path

import msgspec
import structlog

from sensor.spool import connect

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0


class Mark(msgspec.Struct, frozen=True):
    """The last sign of life of a run."""

    boot_id: str
    alive_ns: int
    """When it was last seen watching, since the epoch."""
    clean: bool
    """It stopped because it was told to."""


class AliveMark:
    """The mark in the spool's file; belongs to the thread that watches."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._boot_id = boot_id
        # Not synced: after a power cut the mark may be seconds old, which only makes the blind interval longer.
        self._connection = connect(path, durable=False)
        # A mark is not worth waiting for while alerts are being written.
        self._connection.execute("PRAGMA busy_timeout=50")

    def previous(self) -> Mark | None:
        """What the run before left; None if there was none or its mark cannot be read."""
        row = self._connection.execute("SELECT value FROM mark WHERE name = 'alive'").fetchone()
        try:
            return msgspec.json.decode(row[0], type=Mark) if row else None
        except msgspec.ValidationError:
            return None

    def touch(self, now_ns: int, *, clean: bool = False) -> None:
        """Watching at `now_ns`; a busy or full disk is logged and the next touch tries again."""
        mark = msgspec.json.encode(Mark(self._boot_id, now_ns, clean)).decode()
        try:
            self._connection.execute("INSERT OR REPLACE INTO mark (name, value) VALUES ('alive', ?)", (mark,))
        except sqlite3.Error as error:
            log.warning("alive_mark_not_written", error=str(error))

    def close(self, now_ns: int) -> None:
        """Say that this run ended because it was told to."""
        self._connection.execute("PRAGMA busy_timeout=1000")
        self.touch(now_ns, clean=True)
        self._connection.close()


def blind_since(previous: Mark | None) -> int | None:
    """When watching stopped without a word, in nanoseconds since the epoch; None if it did not."""
    return None if previous is None or previous.clean else previous.alive_ns
