import gzip
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from routing import archive
from routing.archive import ArchiveError


def write(path: Path, rows: int = 3) -> Path:
    with archive.writing(path, {"made_at": datetime(2026, 11, 23, tzinfo=UTC)}) as writer:
        writer.table("empty", ["id"])
        writer.table("full", ["id", "name"])
        for number in range(rows):
            writer.row([number, f"row {number}"])
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "backup")
    header = archive.examine(path)
    assert (header["made_at"], header["rows"]) == ("2026-11-23T00:00:00+00:00", {"empty": 0, "full": 3})
    assert [(name, columns, list(rows)) for name, columns, rows in archive.tables(path)] == [
        ("empty", ["id"], []),
        ("full", ["id", "name"], [[0, "row 0"], [1, "row 1"], [2, "row 2"]]),
    ]


def test_a_file_without_a_table_is_whole(tmp_path: Path) -> None:
    with archive.writing(tmp_path / "backup", {}):
        pass
    assert archive.examine(tmp_path / "backup")["rows"] == {}
    assert list(archive.tables(tmp_path / "backup")) == []


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    assert write(tmp_path / "backup").stat().st_mode & 0o777 == 0o600


def test_values_are_spelled_as_their_fields_read_them(tmp_path: Path) -> None:
    uuid = UUID(int=7)
    with archive.writing(tmp_path / "backup", {}) as writer:
        writer.table("t", ["a"])
        writer.row([uuid, timedelta(days=1, seconds=5), time(9, 30), None, {"a": [1]}, 2**63 - 1])
    _, _, rows = next(archive.tables(tmp_path / "backup"))
    assert next(rows) == [str(uuid), "1 00:00:05", "09:30:00", None, {"a": [1]}, 2**63 - 1]


def test_what_cannot_be_spelled_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError), archive.writing(tmp_path / "backup", {}) as writer:
        writer.row([b"bytes"])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    path.write_text("precious")
    with pytest.raises(ArchiveError, match="exists"):
        write(path)
    assert path.read_text() == "precious"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="nowhere/backup cannot be written: No such file"):
        write(tmp_path / "nowhere" / "backup")


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "backup").read_bytes()
    cut = tmp_path / "cut"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(ArchiveError):
            archive.examine(cut)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"row 1", b"row 7"),
        (b'[1,"row 1"]\n', b""),
        (b'"made_at":"2026', b'"made_at":"2027'),
        (b'"full":3', b'"full":2'),
    ],
    ids=["a value", "a row", "the header", "the counts"],
)
def test_a_changed_file_is_refused(was: bytes, becomes: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "backup")
    lines = gzip.decompress(path.read_bytes())
    assert was in lines
    path.write_bytes(gzip.compress(lines.replace(was, becomes)))
    with pytest.raises(ArchiveError, match="damaged"):
        archive.examine(path)


def test_a_file_without_its_last_line_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "backup")
    path.write_bytes(gzip.compress(b"".join(gzip.decompress(path.read_bytes()).splitlines(True)[:-1])))
    with pytest.raises(ArchiveError, match="cut off"):
        archive.examine(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PGDMP", "not a backup"),
        (gzip.compress(b"[1]\n", mtime=0), "not a backup"),
        (gzip.compress(b'{"format":"other"}\n', mtime=0), "not a backup"),
        (gzip.compress(b"not JSON\n", mtime=0), "not a backup"),
        (gzip.compress(b'{"format":"sensorapp backup","version":2}\n', mtime=0), "newer version"),
        (None, "does not exist"),
    ],
)
def test_what_is_no_backup_is_said_to_be_none(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArchiveError, match=said):
        archive.examine(path)
