import base64
import hashlib
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from routing.models import AuditEntry, Sink
from tests import build

pytestmark = pytest.mark.django_db


def key(name: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest())


def stored() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM routing_sink ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def test_after_a_rotation_the_old_key_can_go(settings) -> None:
    settings.ENCRYPTION_KEYS = [key("old")]
    build.sink(name="one", secrets={"url": "https://one.example"})
    build.sink(name="two", secrets={"url": {"env": "SINK_TWO"}})
    before = stored()
    settings.ENCRYPTION_KEYS = [key("new"), key("old")]
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    assert "2 encrypted with the first key" in out.getvalue()
    assert not set(before) & set(stored())
    settings.ENCRYPTION_KEYS = [key("new")]
    assert [sink.secrets["url"] for sink in Sink.objects.order_by("pk")] == ["https://one.example", {"env": "SINK_TWO"}]
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.verb, entry.after) == ("command line", "rotate keys", {"encrypted": 2})


def test_what_no_key_opens_is_named_and_the_rest_is_done(settings) -> None:
    settings.ENCRYPTION_KEYS = [key("lost")]
    lost = build.sink(name="lost", secrets={"url": "x"})
    settings.ENCRYPTION_KEYS = [key("old")]
    build.sink(name="kept", secrets={"url": "https://kept.example"})
    before = stored()
    settings.ENCRYPTION_KEYS = [key("new"), key("old")]
    with pytest.raises(CommandError, match=f"sink {lost.pk}: .*put the old key back"):
        call_command("rotate_keys", stdout=StringIO())
    after = stored()
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)


def test_nothing_is_done_to_nothing() -> None:
    call_command("rotate_keys", stdout=StringIO())
    assert not AuditEntry.objects.exists()
