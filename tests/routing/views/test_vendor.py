"""Files that others wrote are what VENDOR.md says they are."""

import hashlib
import re
from pathlib import Path

from django.conf import settings

VENDOR = Path(settings.BASE_DIR) / "routing" / "static" / "routing" / "vendor"
ROW = re.compile(r"^\| (\S+) \| \S+ \| [\d.]+ \| \S+ \| ([0-9a-f]{64}) \|$", re.MULTILINE)


def test_every_vendored_file_is_listed_with_its_sum() -> None:
    listed = dict(ROW.findall((VENDOR / "VENDOR.md").read_text()))
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path.suffix != ".md"
    }
    assert found == listed
    assert "htmx.min.js" in found
