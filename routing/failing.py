"""Says so when a sink has been failing for a while: as an alert like any other, so that another sink tells it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from routing import bulk
from routing.admission import Sender, admit
from routing.models import Delivery, Role, Sink, Token
from sensor.alert import Priority, rfc3339

RULE = "Sink is failing"
SOURCE = "sensorapp"
AFTER = timedelta(minutes=10)
"""How long a sink fails before that is told."""
AGAIN = timedelta(hours=1)
"""How long it is until the same sink is told of once more."""
ITSELF = "sensorapp itself"
"""Every alert names the token it came with. Nobody can sign in with this one."""


def tell(now: datetime) -> int:
    """Raise an alert for every sink that has been failing, at most one for each within `AGAIN`; how many."""
    theirs = Delivery.objects.filter(sink=OuterRef("pk")).exclude(event="test")
    owed = theirs.filter(state__in=Delivery.UNSETTLED)
    # Of late, and since nothing succeeds: a success ends what began with the first failure.
    lost = theirs.filter(state__in=Delivery.DEAD, settled_at__gt=now - AGAIN, settled_at__gte=OuterRef("failing_since"))
    # One that nobody needs, or that a person paused, troubles nobody.
    needed = Q(enabled=True) & (Exists(owed) | Exists(lost)) | ~Q(disabled_reason="")
    # What was sent while the receiver answered that it is gone leaves no time of a first failure.
    since = Q(failing_since__lte=now - AFTER) | Q(failing_since=None) & ~Q(disabled_reason="")
    untold = Q(told_failing_at=None) | Q(told_failing_at__lte=now - AGAIN)
    told = 0
    for sink in Sink.objects.filter(needed, untold, since).order_by("pk"):
        with transaction.atomic():
            if Sink.objects.filter(untold, pk=sink.pk).update(told_failing_at=now):
                _raise_alert(sink, now)
                told += 1
    return told


def _raise_alert(sink: Sink, now: datetime) -> None:
    since = sink.failing_since or now
    minutes = round((now - since).total_seconds() / 60)
    why = sink.disabled_reason or sink.warning or sink.last_error
    posted = {
        "time": rfc3339(int(now.timestamp() * 1_000_000) * 1_000),
        "rule": RULE,
        "priority": Priority.ERROR.label,
        "source": SOURCE,
        "output": f"The sink {sink.name} has been failing for {minutes} min: {why}",
        "output_fields": {"sink.id": sink.pk, "sink.name": sink.name, "sink.kind": sink.kind, "minutes": minutes},
        "tags": ["sensorapp"],
    }
    token = _own_token(now)
    row = admit(posted, Sender(token.pk, token.name, token.role, ""))
    bulk.insert_alerts([(row, None)], now)


def _own_token(now: datetime) -> Token:
    own = Token.objects.filter(name=ITSELF, revoked_at__isnull=False).order_by("pk").first()
    if own is None:
        _, digest, hint = Token.make()
        own = Token.objects.create(
            name=ITSELF, role=Role.VIEWER, digest=digest, hint=hint, created_at=now, revoked_at=now
        )
    return own
