from datetime import timedelta

import pytest
from django.utils import timezone

from routing.models import Sink
from routing.views.sink_health import health_of

NOW = timezone.now()


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "Unproven"),
        ({"last_sent_at": NOW}, "OK"),
        ({"failures": 2}, "Retrying"),
        ({"failures": 9, "open_until": NOW + timedelta(minutes=5)}, "Failing, left alone"),
        ({"failures": 1, "warning": "401"}, "Warning"),
        ({"warning": "400", "last_sent_at": NOW}, "Rejects"),
        ({"enabled": False, "failures": 2}, "Paused"),
        ({"enabled": False, "disabled_reason": "410"}, "Switched off"),
    ],
)
def test_health_is_one_word(fields: dict[str, object], word: str) -> None:
    assert health_of(Sink(**fields), NOW)[1] == word
