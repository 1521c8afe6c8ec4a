"""Sensors: which are late, and what a silent Falco is not."""

from datetime import timedelta

from django.utils import timezone

from tests import build


def test_a_silent_sensor_is_late_and_a_silent_falco_is_not(as_user, carol) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    token = build.token("sensor", "sa_falco", name="falco")
    falco = build.sensor(name="falco-1", hostname="falco-1", native=False, token=token, last_seen_at=long_ago)
    client = as_user(carol)
    assert "Late" not in client.get("/sensors/").content.decode()
    overview = client.get("/").content.decode()
    assert "none late · 1 other sender<" in overview
    falco.native = True
    falco.save(update_fields=["native"])
    assert "Late" in client.get("/sensors/").content.decode()
    assert "1 late" in client.get("/").content.decode()
