from io import StringIO
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from routing.models import AuditEntry, Sink
from tests import build

pytestmark = pytest.mark.django_db(transaction=True)


def manage(*arguments: object) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_backup_says_what_is_in_it_and_loudly_what_is_not(tmp_path: Path) -> None:
    build.sink()
    out, err = manage("backup", tmp_path / "backup")
    assert "1  routing.sink\n" in out
    assert "NOT in it are the keys" in err
    assert AuditEntry.objects.get().target == "everything to backup"


def test_it_does_not_write_over_a_file(tmp_path: Path) -> None:
    manage("backup", tmp_path / "backup", "--config-only")
    with pytest.raises(CommandError, match="exists; name another file"):
        manage("backup", tmp_path / "backup")


def test_restore_says_what_came_back_and_whose_secrets_cannot_be_read(tmp_path: Path, settings) -> None:
    cache.clear()
    build.sink(name="Hook", secrets={"url": "https://hooks.example.com/"})
    manage("backup", tmp_path / "backup")
    Sink.objects.all().delete()
    with pytest.raises(CommandError, match="Nothing was restored: this database is in use"):
        manage("restore", tmp_path / "backup")
    out, err = manage("restore", tmp_path / "backup", "--force")
    assert "1  routing.sink\n" in out
    assert err == ""
    settings.ENCRYPTION_KEYS = [b"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]
    assert "cannot be read: Hook" in manage("restore", tmp_path / "backup", "--force")[1]


def test_a_file_that_is_none_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="does not exist"):
        manage("restore", tmp_path / "nothing")
