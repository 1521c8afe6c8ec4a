"""Compiled probes on disk."""

import os
import struct
from pathlib import Path

import pytest

from sensor.probes import bytecode
from sensor.probes.bytecode import FILES_KEPT, Bytecode, Map, cache_folder, keep, kept, key, renumbered

CODE = Bytecode(
    (Map("events", 27, 0, 0, 4096, 0), Map("lost", 2, 4, 8, 2, 1024)), {"one": bytes(range(16)), "two": b""}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def instruction(opcode: int, source: int, immediate: int) -> bytes:
    return struct.pack("=BBhi", opcode, source << 4 | 1, 0, immediate)


def test_what_is_kept_is_found_again_by_its_owner_only(folder: Path) -> None:
    keep(folder / "probes-a.json", CODE)
    assert kept(folder / "probes-a.json") == CODE
    assert kept(folder / "probes-b.json") is None
    assert (folder / "probes-a.json").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_trusted(folder: Path, mode: int) -> None:
    keep(folder / "probes-a.json", CODE)
    (folder / "probes-a.json").chmod(mode)
    assert kept(folder / "probes-a.json") is None


def test_a_folder_that_others_may_write_is_not_trusted(folder: Path) -> None:
    keep(folder / "probes-a.json", CODE)
    folder.chmod(0o777)
    assert kept(folder / "probes-a.json") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_not_trusted(folder: Path) -> None:
    keep(folder / "probes-a.json", CODE)
    os.chown(folder / "probes-a.json", 65534, 65534)
    assert kept(folder / "probes-a.json") is None


@pytest.mark.parametrize(
    "damage",
    [b"", b"[]", b"{}", b"\xff", b'{"maps": [{"name": 1}], "programs": {}}', b'{"maps": [], "programs": {"a": "?"}}'],
)
def test_a_damaged_file_is_as_none(folder: Path, damage: bytes) -> None:
    keep(folder / "probes-a.json", CODE)
    (folder / "probes-a.json").write_bytes(damage)
    assert kept(folder / "probes-a.json") is None


def test_a_folder_that_cannot_be_made_costs_only_the_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep(tmp_path / "file" / "probes-a.json", CODE)
    assert kept(tmp_path / "file" / "probes-a.json") is None


def test_old_files_go_the_newest_stay(folder: Path) -> None:
    for number in range(FILES_KEPT + 3):
        path = folder / f"probes-{number}.json"
        keep(path, CODE)
        os.utime(path, (number, number))
    keep(folder / "probes-new.json", CODE)
    names = {path.name for path in folder.iterdir()}
    assert len(names) == FILES_KEPT
    assert "probes-new.json" in names
    assert "probes-0.json" not in names


def test_only_loads_of_maps_are_renumbered() -> None:
    code = instruction(0x18, 1, 5) + instruction(0, 0, 0) + instruction(0x18, 0, 5) + instruction(0xB7, 1, 5)
    changed = renumbered(code, lambda old: old + 100)
    assert [value[3] for value in struct.iter_unpack("=BBhi", changed)] == [105, 0, 5, 5]


def test_every_part_makes_another_key() -> None:
    keys = {key(b"a", b"b"), key(b"ab", b""), key(b"", b"ab"), key(b"b", b"a"), key(b"ab")}
    assert len(keys) == 5


def test_systemd_says_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/one:/var/cache/two")
    assert cache_folder() == Path("/var/cache/one")
    monkeypatch.delenv("CACHE_DIRECTORY")
    assert cache_folder() == bytecode.DEFAULT_FOLDER
