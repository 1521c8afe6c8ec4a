"""Alerts on disk from the moment they exist until the server has them.

One SQLite file in WAL mode. An append is on the disk when it returns (`synchronous=FULL`), so neither
kill -9 nor a power cut loses it; forgetting a posted alert is not synced, because the worst that a lost
forget does is a repeat, which the server ignores by uuid. The file is bounded: when it is full, the oldest
alert of the least severe priority goes first, and is counted.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sensor.alert import Alert, Priority, new_uuid
from sensor.wording import readable

BATCH_ALERTS = 500
BATCH_BYTES = 1024 * 1024
ROW_BYTES = 64
"""What a row costs beside its body, roughly: page header, two keys, index entry."""
BUSY_SECONDS = 10.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS alert (
    id INTEGER PRIMARY KEY AUTOINCREMENT, priority INTEGER NOT NULL, body BLOB NOT NULL);
-- Read by _evict: least severe first, then oldest.
CREATE INDEX IF NOT EXISTS alert_eviction ON alert (priority DESC, id);
CREATE TABLE IF NOT EXISTS dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at_ns INTEGER NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS action (
    id TEXT PRIMARY KEY, lease TEXT NOT NULL, kind TEXT NOT NULL, begun_ns INTEGER NOT NULL,
    result BLOB, reported INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
"""
DEAD_LETTERS_KEPT = 1000


class Stored(msgspec.Struct, frozen=True):
    """A spooled alert: its place in the queue and its JSON."""

    id: int
    body: bytes


def connect(path: Path, *, durable: bool) -> sqlite3.Connection:
    """A connection for one owner at a time; `durable` makes each commit reach the disk before it returns."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, taking the write lock at once so that it cannot fail half way."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # A full disk has rolled back by itself.
            connection.execute("ROLLBACK")
        raise


def prepare(path: Path) -> Path | None:
    """Make the file and its tables; a damaged file is set aside and its new place returned."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _create(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        _create(path)
        return aside
    return None


def claim(path: Path) -> int:
    """Be the only sensor with this file for as long as the returned descriptor is open; BlockingIOError if taken."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise BlockingIOError("another sensor is using it; stop that one or name another path") from None
    return descriptor


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = connect(path, durable=True)
    try:
        connection.execute("PRAGMA quick_check(1)")
        connection.executescript(SCHEMA)
    finally:
        connection.close()


class Spool:
    """The queue between the rules and the server. Any thread may call; raises sqlite3.Error if the disk fails."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.evicted = 0
        """Alerts given up because the spool was full."""
        self._lock = threading.Lock()
        self._in_flight = (0, -1)
        self._durable = connect(path, durable=True)
        self._relaxed = connect(path, durable=False)
        size, self.waiting = self._durable.execute(
            f"SELECT coalesce(sum(length(body) + {ROW_BYTES}), 0), count(*) FROM alert"  # noqa: S608 - a constant
        ).fetchone()
        self.bytes: int = size

    def append(self, alerts: Sequence[Alert]) -> int:
        """Keep these alerts, giving each its uuid; durable on return. Returns how many were evicted for them."""
        rows = []
        for alert in alerts:
            alert.uuid = alert.uuid or str(new_uuid())
            rows.append((int(Priority.named(alert.priority)), encode(alert)))
        with self._lock:
            with _transaction(self._durable):
                self._durable.executemany("INSERT INTO alert (priority, body) VALUES (?, ?)", rows)
                size = self.bytes + sum(len(body) + ROW_BYTES for _, body in rows)
                freed, evicted = self._evict(size - self.max_bytes)
            self.bytes = size - freed
            self.waiting += len(rows) - evicted
            self.evicted += evicted
        return evicted

    def _evict(self, over: int) -> tuple[int, int]:
        """Delete until `over` bytes are freed; returns the bytes and rows gone.

        What is being posted right now stays, so that nothing is counted as lost that the server may have.
        """
        freed, gone = 0, []
        if over > 0:
            for identity, length in self._durable.execute(
                "SELECT id, length(body) FROM alert WHERE id NOT BETWEEN ? AND ? ORDER BY priority DESC, id",
                self._in_flight,
            ):
                gone.append((identity,))
                freed += length + ROW_BYTES
                if freed >= over:
                    break
            self._durable.executemany("DELETE FROM alert WHERE id = ?", gone)
        return freed, len(gone)

    def peek(self, alerts: int = BATCH_ALERTS, size: int = BATCH_BYTES) -> list[Stored]:
        """The oldest alerts that fit in one post; at least one if any is waiting.

        They stay until `forget`, and are safe from eviction until then or `release`.
        """
        with self._lock:
            batch: list[Stored] = []
            for identity, body in self._relaxed.execute("SELECT id, body FROM alert ORDER BY id LIMIT ?", (alerts,)):
                size -= len(body) + 1
                if size < 0 and batch:
                    break
                batch.append(Stored(identity, body))
            self._in_flight = (batch[0].id, batch[-1].id) if batch else (0, -1)
            return batch

    def release(self) -> None:
        """The post of what was peeked has failed: it may be evicted again."""
        with self._lock:
            self._in_flight = (0, -1)

    def forget(self, posted: Sequence[Stored]) -> None:
        """The server has these."""
        with self._lock:
            with _transaction(self._relaxed):
                self._drop(posted)
            self._count_out(posted)

    def bury(self, refused: Sequence[Stored], reasons: Sequence[str]) -> None:
        """The server will never take these: keep the newest thousand for a person to look at."""
        now = time.time_ns()
        letters = [(now, reason, stored.body) for stored, reason in zip(refused, reasons, strict=True)]
        with self._lock:
            with _transaction(self._relaxed):
                self._relaxed.executemany("INSERT INTO dead_letter (at_ns, reason, body) VALUES (?, ?, ?)", letters)
                self._relaxed.execute(
                    "DELETE FROM dead_letter WHERE id <= (SELECT max(id) FROM dead_letter) - ?",
                    (DEAD_LETTERS_KEPT,),
                )
                self._drop(refused)
            self._count_out(refused)

    def dead_letters(self) -> list[tuple[str, bytes]]:
        """Reason and body of each buried alert, oldest first."""
        with self._lock:
            return self._relaxed.execute("SELECT reason, body FROM dead_letter ORDER BY id").fetchall()

    def _drop(self, rows: Sequence[Stored]) -> None:
        self._relaxed.executemany("DELETE FROM alert WHERE id = ?", [(row.id,) for row in rows])

    def _count_out(self, rows: Sequence[Stored]) -> None:
        self.bytes -= sum(len(row.body) + ROW_BYTES for row in rows)
        self.waiting -= len(rows)

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        with self._lock:
            self._relaxed.close()
            self._durable.close()


def encode(alert: Alert) -> bytes:
    """The alert's JSON; bytes that are not UTF-8 (lone surrogates) become U+FFFD rather than lose the alert."""
    try:
        return msgspec.json.encode(alert)
    except UnicodeEncodeError:
        return msgspec.json.encode(readable(msgspec.to_builtins(alert)))
