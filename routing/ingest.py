"""A batch of alerts → stored rows, exactly once.

What `Intake.store` is given is in the database when it returns, one outcome for each alert; or it raises, and
then nothing may be acknowledged. It belongs to one thread (see `groupcommit`).
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from enum import Enum
from uuid import UUID

import structlog
from django.db import DatabaseError, DataError, IntegrityError, transaction

from routing import bulk, days, endings, metrics
from routing.admission import Row
from routing.presence import Presence

log = structlog.get_logger(__name__)

AT_ONCE = 1_000
"""Alerts in one transaction."""

# What a value that the database cannot keep raises; everything else is the database's own trouble.
UNSTORABLE = (DataError, IntegrityError, ValueError, OverflowError)


class Outcome(Enum):
    """What became of one alert."""

    ACCEPTED = "stored, now and for the first time"
    DUPLICATE = "stored before"
    REFUSED = "cannot be stored"
    DROPPED = "of a day that is no longer kept"


COUNTED = {
    Outcome.ACCEPTED: ("accepted", ""),
    Outcome.DUPLICATE: ("duplicate", ""),
    Outcome.REFUSED: ("rejected", "unstorable"),
    Outcome.DROPPED: ("rejected", "day not kept"),
}
"""Labels of `metrics.ALERTS`."""


class Intake:
    """Stores alerts and remembers the sensors they came from."""

    def __init__(self) -> None:
        self._presence = Presence()
        self._dropped: frozenset[date] = frozenset()
        self._days_known_until: datetime | None = None

    def store(self, rows: Sequence[Row], now: datetime) -> list[Outcome]:
        """Raises django.db.Error where the database cannot be reached or does not answer in time."""
        self._look_at_days(now)
        outcomes: list[Outcome] = []
        for start in range(0, len(rows), AT_ONCE):
            outcomes += self._store_or_split(rows[start : start + AT_ONCE], now)
        for outcome, counted in COUNTED.items():
            if count := outcomes.count(outcome):
                metrics.ALERTS.add(count, *counted)
        return outcomes

    def _store_or_split(self, rows: Sequence[Row], now: datetime) -> list[Outcome]:
        """One transaction; where a value spoils it, halves, so that only the spoiling alert is refused."""
        with suppress(*UNSTORABLE):
            return self._commit(rows, now)
        # Once more: where their day is made at this moment, PostgreSQL refuses what was on its way to the default one.
        try:
            return self._commit(rows, now)
        except UNSTORABLE as error:
            if len(rows) == 1:
                log.warning("alert_refused", uuid=str(rows[0].uuid), error=str(error))
                return [Outcome.REFUSED]
        middle = len(rows) // 2
        return self._store_or_split(rows[:middle], now) + self._store_or_split(rows[middle:], now)

    def _commit(self, rows: Sequence[Row], now: datetime) -> list[Outcome]:
        sensors = self._presence.sensors_of(rows, now)
        once = {row.uuid: (row, sensors.get((row.sender.token, row.hostname))) for row in reversed(rows)}
        late = {uuid for uuid in once if self._was_dropped(uuid)} if self._dropped else set()
        with transaction.atomic():
            new = bulk.insert_alerts([kept for uuid, kept in once.items() if uuid not in late], now)
            if len(new) < len(once):
                known = (row for uuid, (row, _) in once.items() if uuid not in new and uuid not in late)
                bulk.wait_again(endings.said_again(known), now)
        outcomes = []
        for row in rows:
            if row.uuid in late:
                outcomes.append(Outcome.DROPPED)
                continue
            outcomes.append(Outcome.ACCEPTED if row.uuid in new else Outcome.DUPLICATE)
            new.discard(row.uuid)  # Said twice in this batch: the first one is it.
        return outcomes

    def after_commit(self, now: datetime) -> None:
        """Write down when sensors were last heard."""
        self._presence.write_seen(now)

    def _look_at_days(self, now: datetime) -> None:
        """Every minute: which days were dropped, and is today made. Without it the default takes all.

        Usually a worker has made it days ago, so that no post has to wait for the locks that it takes.
        """
        if self._days_known_until is not None and now < self._days_known_until:
            return
        self._dropped = days.dropped()
        # Not before it is known: what is not known for longer may be gone (`days.drop_before`).
        self._days_known_until = now + days.KNOWN
        try:
            days.ensure(now, ahead=0)
        except DatabaseError as error:
            log.warning("days_not_made", error=str(error))

    def _was_dropped(self, uuid: UUID) -> bool:
        try:
            return days.day_of(uuid) in self._dropped
        except (OverflowError, ValueError):
            return False
