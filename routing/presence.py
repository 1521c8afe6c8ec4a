"""Which sensor a post came from, and when each was last heard: known to the writer without asking every time."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Q

from routing.admission import Row
from routing.models import Role, Sensor

log = structlog.get_logger(__name__)

KNOWN = 10_000
"""Sensors remembered; beyond it the one longest unheard is asked for again."""
LATE_AFTER = timedelta(seconds=30)
"""Sensors say hello every ten seconds; three missed ones are late."""
SEEN_EVERY = timedelta(seconds=5)
"""How exact `last_seen_at` is: a write at every post would cost more than the posts."""

Place = tuple[int, str]
"""Token id and hostname."""


class Presence:
    """The sensors behind posts; belongs to one thread."""

    def __init__(self) -> None:
        self._ids: OrderedDict[Place, int] = OrderedDict()
        self._heard: set[int] = set()
        self._written_at: datetime | None = None

    def sensors_of(self, rows: Iterable[Row], now: datetime) -> dict[Place, int]:
        """The sensor of every token and hostname in `rows` whose token is a sensor's; new ones are stored."""
        senders = {(row.sender.token, row.hostname): row.sender for row in rows if row.sender.role == Role.SENSOR}
        # In one order, as below, so that writers wait for each other instead of deadlocking.
        unknown = sorted(place for place in senders if place not in self._ids)
        if unknown:
            Sensor.objects.bulk_create(
                (
                    Sensor(
                        name=hostname or senders[token, hostname].name,
                        hostname=hostname,
                        token_id=token,
                        first_seen_at=now,
                        last_seen_at=now,
                    )
                    for token, hostname in unknown
                ),
                ignore_conflicts=True,
            )
            wanted = Q(token__in={token for token, _ in unknown}, hostname__in={hostname for _, hostname in unknown})
            for pk, token, hostname in Sensor.objects.filter(wanted).values_list("pk", "token_id", "hostname"):
                self._ids[token, hostname] = pk
        found = {place: self._ids[place] for place in senders if place in self._ids}
        for place in found:
            self._ids.move_to_end(place)
        while len(self._ids) > KNOWN:
            self._ids.popitem(last=False)
        self._heard.update(found.values())
        return found

    def forget(self) -> None:
        """Ask the database again: a sensor may have been deleted."""
        self._ids.clear()

    def write_seen(self, now: datetime) -> None:
        """Store when sensors were last heard, every few seconds. A failure is logged: the next write mends it."""
        if not self._heard or (self._written_at is not None and now - self._written_at < SEEN_EVERY):
            return
        try:
            with transaction.atomic():
                heard = Sensor.objects.filter(pk__in=self._heard)
                found = list(heard.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
                heard.update(last_seen_at=now)
            if len(found) < len(self._heard):
                self.forget()
        except DatabaseError as error:
            log.warning("last_seen_not_written", sensors=len(self._heard), error=str(error))
        self._heard.clear()
        self._written_at = now
