"""A backup's file: gzipped lines of JSON that end with their own checksum, the same for every database.

The first line says what the file is, a line that is an object begins a table and names its columns, a line that is a
list is a row of it, and the last line has the number of rows of each table and the SHA-256 of all that stands before.
"""

import contextlib
import gzip
import hashlib
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from django.utils.duration import duration_string

FORMAT = "sensorapp backup"
VERSION = 1
COMPRESSION = 3
"""Of 9: higher levels take several times as long for a few percent."""

Row = list[Any]


class ArchiveError(Exception):
    """A file that cannot be written, or is not a whole backup; the text says which and what to do."""


class Writer:
    """Takes tables and rows; what it has taken is in `rows`."""

    def __init__(self, stream: gzip.GzipFile, header: dict[str, Any]) -> None:
        self._stream = stream
        self._checksum = hashlib.sha256()
        self._table = ""
        self.rows: Counter[str] = Counter()
        self._line({"format": FORMAT, "version": VERSION, **header})

    def table(self, name: str, columns: Sequence[str]) -> None:
        """The rows that follow are of this table."""
        self._table = name
        self.rows[name] = 0
        self._line({"table": name, "columns": columns})

    def row(self, values: Sequence[Any]) -> None:
        self._line(values)
        self.rows[self._table] += 1

    def end(self) -> None:
        """Without it the file is not whole, and is not taken."""
        self._line({"rows": dict(self.rows), "sha256": self._checksum.hexdigest()})

    def _line(self, value: Any) -> None:
        line = orjson.dumps(value, default=_spelled, option=orjson.OPT_APPEND_NEWLINE)
        self._checksum.update(line)
        self._stream.write(line)


@contextmanager
def writing(path: Path, header: dict[str, Any]) -> Iterator[Writer]:
    """A new file, readable by its owner only; it is there whole after the block, or not at all. Raises ArchiveError."""
    if path.exists():
        raise ArchiveError(f"{path} exists; name another file")
    draft = ""
    try:
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            with gzip.GzipFile("", "wb", COMPRESSION, file) as stream:
                writer = Writer(stream, header)
                yield writer
                writer.end()
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, path)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def examine(path: Path) -> dict[str, Any]:
    """Read it all and compare it with its checksum; the header, with the number of `rows`. Raises ArchiveError."""
    checksum, rows, table = hashlib.sha256(), Counter[str](), ""
    header: dict[str, Any] = {}
    last: Any = None
    for line in _lines(path):
        said = _read(line, path)
        if not header:
            header = _header(said, path)
        elif isinstance(said, list):
            rows[table] += 1
        elif "table" in said:
            table = said["table"]
            rows[table] += 0
        else:
            # Read on: what follows the last line is the gzip's own checksum, and no line of ours.
            last = said
            continue
        checksum.update(line)
    if last is None:
        raise ArchiveError(f"{path} is cut off; take another backup")
    if last != {"rows": dict(rows), "sha256": checksum.hexdigest()}:
        raise ArchiveError(f"{path} is damaged: its checksum does not fit; take another backup")
    return {**header, "rows": dict(rows)}


def tables(path: Path) -> Iterator[tuple[str, list[str], Iterator[Row]]]:
    """Every table of a file that was examined, with its columns and its rows; the next table ends the rows."""
    lines = (orjson.loads(line) for line in _lines(path))
    next(lines)
    said = next(lines)
    while "table" in said:
        following: list[Any] = []
        rows = _rows(lines, following)
        yield said["table"], said["columns"], rows
        for _ in rows:
            pass
        said = following[0]


def _rows(lines: Iterator[Any], following: list[Any]) -> Iterator[Row]:
    """Rows up to the line that is none, which is left in `following`."""
    for said in lines:
        if not isinstance(said, list):
            following.append(said)
            return
        yield said


def _read(line: bytes, path: Path) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        raise ArchiveError(f"{path} is damaged, or not a backup of sensorapp") from None


def _header(said: Any, path: Path) -> dict[str, Any]:
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise ArchiveError(f"{path} is not a backup of sensorapp")
    if said["version"] != VERSION:
        raise ArchiveError(f"{path} was made by a newer version of sensorapp; restore it with that one")
    return said


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) as stream:
            yield from stream
    except FileNotFoundError:
        raise ArchiveError(f"{path} does not exist") from None
    except gzip.BadGzipFile:
        raise ArchiveError(f"{path} is damaged, or not a backup of sensorapp") from None
    except (EOFError, zlib.error):
        raise ArchiveError(f"{path} is cut off or damaged; take another backup") from None
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}") from error


def _spelled(value: Any) -> str:
    """What JSON has no word for, as its field reads it."""
    if isinstance(value, timedelta):
        return duration_string(value)
    raise TypeError(f"a backup has no spelling for {type(value).__name__}")
