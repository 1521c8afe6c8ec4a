import os
import subprocess
import sys

from django.conf import settings

SHOW = "from sensorapp import settings; print(*settings.ALLOWED_HOSTS)"


def test_the_server_answers_to_the_site_url_to_what_is_allowed_and_to_its_own_machine() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=settings.BASE_DIR,
        env={**os.environ, "SITE_URL": "https://alerts.example.com:8443/", "ALLOWED_HOSTS": "other.example.com"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["alerts.example.com", "other.example.com", "localhost", "127.0.0.1", "[::1]"]
