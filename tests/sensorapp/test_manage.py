import os
import subprocess
import sys

from django.conf import settings


def test_a_wrong_setting_is_one_line_and_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "PORT": "abc"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == "manage.py: PORT is 'abc'; use a whole number\n"
