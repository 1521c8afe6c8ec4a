"""Compiled probes: maps and instructions, as they are kept on disk and put into a kernel."""

import base64
import hashlib
import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

DEFAULT_FOLDER = Path("/var/cache/sensorapp")
FILES_KEPT = 8
_LOAD_64_BITS = 0x18
_FROM_MAP = 1
"""A 64-bit load (opcode) whose source register says that its number stands for a map."""

_WRITABLE_BY_OTHERS = 0o022


@dataclass(frozen=True)
class Map:
    """What bpf(2) needs to create a map."""

    name: str
    kind: int
    key_size: int
    value_size: int
    entries: int
    flags: int


@dataclass(frozen=True)
class Bytecode:
    """Programs by function, whose loads of maps carry the map's position in `maps`."""

    maps: tuple[Map, ...]
    programs: dict[str, bytes]

    def to_json(self) -> bytes:
        """As `from_json` reads it."""
        programs = {name: base64.b64encode(code).decode() for name, code in self.programs.items()}
        return json.dumps({"maps": [vars(one) for one in self.maps], "programs": programs}).encode()

    @staticmethod
    def from_json(data: bytes) -> "Bytecode":
        """Raises ValueError, KeyError or TypeError for anything `to_json` does not make."""
        document = json.loads(data)
        programs = {name: base64.b64decode(code, validate=True) for name, code in document["programs"].items()}
        return Bytecode(tuple(Map(**one) for one in document["maps"]), programs)


def renumbered(code: bytes, number: Callable[[int], int]) -> bytes:
    """The instructions with every map's number replaced by `number(old)`."""
    result = bytearray(code)
    for at in range(0, len(code), 8):
        # struct bpf_insn: opcode, registers (source in the upper half), offset, immediate.
        if code[at] == _LOAD_64_BITS and code[at + 1] >> 4 == _FROM_MAP:
            (old,) = struct.unpack_from("=i", code, at + 4)
            struct.pack_into("=i", result, at + 4, number(old))
    return bytes(result)


def cache_folder() -> Path:
    """Where compiled probes are kept: systemd's CacheDirectory=, else /var/cache/sensorapp."""
    # systemd joins several directories with colons.
    return Path(os.environ.get("CACHE_DIRECTORY", "").partition(":")[0] or DEFAULT_FOLDER)


def key(*parts: bytes) -> str:
    """A file name that differs where any part differs."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return f"probes-{digest.hexdigest()[:32]}.json"


def kept(path: Path) -> Bytecode | None:
    """What `keep` left under this path, or None.

    Files or folders that somebody else could have written are not trusted: the kernel would run them.
    """
    try:
        if not (_trusted(path) and _trusted(path.parent)):
            log.warning(
                "probe_cache_not_trusted", path=str(path), advice="it must be owned and writable by the sensor only"
            )
            return None
        return Bytecode.from_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("probe_cache_damaged", path=str(path), error=str(error))
        return None


def keep(path: Path, bytecode: Bytecode) -> None:
    """Keep the bytecode for the next start; where that is not possible the next start compiles again."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(bytecode.to_json())
        temporary.chmod(0o600)
        temporary.replace(path)
        # Of other kernels, versions and choices of probes.
        for other in sorted(path.parent.glob("probes-*.json"), key=_modified, reverse=True)[FILES_KEPT:]:
            other.unlink(missing_ok=True)
    except OSError as error:
        log.info("probes_not_kept", path=str(path), reason=error.strerror)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        # Another process tidied up at the same time.
        return 0.0


def _trusted(path: Path) -> bool:
    status = path.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & _WRITABLE_BY_OTHERS
