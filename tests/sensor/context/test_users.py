"""Names of users and groups."""

import os
from pathlib import Path

import pytest

from sensor.context.users import User, Users


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\n# comment\n+nis::::::\nbroken\n"
        "web:x:33:33:Web:/srv:/bin/sh\ntoor:x:0:0::/:/bin/sh\n"
    )
    (tmp_path / "etc/group").write_text("root:x:0:\nweb:x:33:alice,bob\nbad:x:number:\n")
    return tmp_path


def test_names_come_from_the_files_the_first_entry_wins(root: Path) -> None:
    users = Users(root)
    assert users.user(33) == User(33, "web", "/srv", "/bin/sh")
    assert users.user_name(0) == "root"
    assert users.group_name(33) == "web"


def test_who_is_not_listed_has_no_name(root: Path) -> None:
    users = Users(root)
    assert users.user(12345) is None
    assert users.user_name(12345) is None
    assert users.group_name(12345) is None


def test_a_new_user_is_known_at_the_next_look(root: Path) -> None:
    users = Users(root)
    assert users.user_name(1000) is None
    with (root / "etc/passwd").open("a") as file:
        file.write("alice:x:1000:1000::/home/alice:/bin/bash\n")
    assert users.user_name(1000) == "alice"


def test_a_file_that_is_replaced_within_a_clock_tick_is_noticed(root: Path) -> None:
    users = Users(root)
    assert users.group_name(33) == "web"
    replacement = root / "etc/group.new"
    replacement.write_text("root:x:0:\nwww:x:33:alice,bob\nbad:x:number:\n")
    stamp = (root / "etc/group").stat()
    os.utime(replacement, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    replacement.rename(root / "etc/group")
    assert users.group_name(33) == "www"


def test_files_that_are_missing_or_vanish_leave_numbers_without_names(root: Path, tmp_path: Path) -> None:
    assert Users(tmp_path / "empty").user_name(0) is None
    users = Users(root)
    assert users.user_name(0) == "root"
    (root / "etc/passwd").unlink()
    assert users.user_name(0) is None
