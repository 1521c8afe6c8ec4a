"""Which actions this node has begun, and how each ended: the memory that makes each happen at most once.

An id is written, durably, before anything is done in its name. So after a crash the same id is answered
from here instead of being done again, and an outcome is kept until the server has accepted it.
"""

import time
from pathlib import Path

import msgspec

from sensor.actions.base import Outcome, Run, State
from sensor.spool import connect

KEPT_DAYS = 30
"""How long a reported id is remembered; a run expires on the server long before."""
INTERRUPTED = Outcome(State.UNKNOWN, "the sensor stopped while this was being done; look at the node")


class Report(msgspec.Struct, frozen=True):
    """An outcome that the server has yet to accept."""

    id: str
    lease: str
    outcome: Outcome


class Ledger:
    """The `action` table of the spool's file; belongs to the thread that acts. Raises sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, durable=True)

    def begin(self, run: Run, now_ns: int | None = None) -> bool:
        """Write the id down. False: it was begun before, so it must not be done; its outcome is told again."""
        now = time.time_ns() if now_ns is None else now_ns
        cursor = self._connection.execute(
            "INSERT INTO action (id, lease, kind, begun_ns) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (run.id, run.lease, run.kind, now),
        )
        if cursor.rowcount == 1:
            return True
        self._connection.execute("UPDATE action SET lease = ?, reported = 0 WHERE id = ?", (run.lease, run.id))
        return False

    def finish(self, action: str, outcome: Outcome) -> None:
        """Remember how it ended."""
        self._connection.execute("UPDATE action SET result = ? WHERE id = ?", (msgspec.json.encode(outcome), action))

    def unreported(self) -> list[Report]:
        """Outcomes to tell. One without a result was interrupted: its outcome is `unknown`, never a second try."""
        rows = self._connection.execute(
            "SELECT id, lease, result FROM action WHERE reported = 0 ORDER BY begun_ns"
        ).fetchall()
        return [
            Report(action, lease, msgspec.json.decode(result, type=Outcome) if result else INTERRUPTED)
            for action, lease, result in rows
        ]

    def reported(self, action: str, now_ns: int | None = None) -> None:
        """The server has it; and forget what is very old."""
        now = time.time_ns() if now_ns is None else now_ns
        oldest = now - KEPT_DAYS * 86_400 * 1_000_000_000
        self._connection.execute("UPDATE action SET reported = 1 WHERE id = ?", (action,))
        self._connection.execute("DELETE FROM action WHERE reported = 1 AND begun_ns < ?", (oldest,))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
