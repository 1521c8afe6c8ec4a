"""File descriptors: paths made absolute, and what /proc says a descriptor is."""

import os
import posixpath
import re
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from sensor.event import Fd

AT_FDCWD = -100
PROC = Path("/proc")

_ANONYMOUS = {
    "eventfd": "e",
    "signalfd": "s",
    "eventpoll": "l",
    "inotify": "i",
    "timerfd": "t",
    "bpf-map": "b",
    "bpf-prog": "b",
    "bpf_link": "b",
    "userfaultfd": "u",
    "io_uring": "r",
    "pidfd": "P",
}
"""What follows `anon_inode:` in the link, and the character `fd.typechar` has for it."""

_PROTOCOLS = {"tcp": "tcp", "tcp6": "tcp", "udp": "udp", "udp6": "udp", "icmp": "icmp", "raw": "raw", "raw6": "raw"}


def absolute(path: str, base: str | None) -> str | None:
    """The path without `.`, `..`, `//` and trailing `/`, by its text alone; None where `base` is needed and unknown.

    Symbolic links are not followed: rules compare the path that was asked for.
    """
    if not path.startswith("/"):
        if base is None:
            return None
        path = f"{base}/{path}"
    # POSIX lets exactly two leading slashes mean something of their own; Linux does not.
    return posixpath.normpath("/" + path.lstrip("/"))


def directory(pid: int, dirfd: int, proc: Path = PROC) -> str | None:
    """The directory that a relative path of this process starts from; None where /proc does not tell."""
    try:
        return os.readlink(f"{proc}/{pid}/cwd" if dirfd == AT_FDCWD else f"{proc}/{pid}/fd/{dirfd}")
    except OSError:
        return None


def describe(pid: int, num: int, proc: Path = PROC) -> Fd | None:
    """What a descriptor of a live process is; None where it, or the process, is gone."""
    link = f"{proc}/{pid}/fd/{num}"
    try:
        target = os.readlink(link)
    except OSError:
        return None
    fd = Fd(num=num)
    found = re.fullmatch(r"(socket|pipe):\[(\d+)\]", target)
    if found:
        fd.ino = int(found[2])
        if found[1] == "socket":
            _add_socket(fd, pid, proc)
        else:
            fd.typechar, fd.name = "p", ""
        return fd
    if target.startswith("anon_inode:"):
        nameless(fd, target.removeprefix("anon_inode:"))
        return fd
    fd.name = fd.nameraw = target.removesuffix(" (deleted)")
    try:
        status = os.stat(link)
    except OSError:
        return fd
    fd.ino, fd.dev = status.st_ino, status.st_dev
    fd.typechar = (
        "d" if status.st_mode & 0o170000 == 0o040000 else "p" if status.st_mode & 0o170000 == 0o010000 else "f"
    )
    if target.startswith("/memfd:"):
        fd.typechar = "m"
    return fd


def nameless(fd: Fd, label: str) -> None:
    """Fill in a descriptor of something in no directory, by the kernel's label for it: `[eventpoll]`, or none."""
    kind = label.strip("/[]")
    fd.name = kind
    if kind:
        fd.typechar = _ANONYMOUS.get(kind, "o")


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection: a printable address and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def address_text(packed: bytes) -> str:
    """4 or 16 bytes in network order as text; an IPv4 address mapped into IPv6 is shown as IPv4."""
    if len(packed) == 16 and packed[:12] == b"\0" * 10 + b"\xff\xff":
        packed = packed[12:]
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def connection(fd: Fd, local: End, remote: End, is_server: bool | None) -> None:
    """Fill in name and both sides of a connected socket.

    Without a role (`is_server` None) the name still starts with this end; which one is the client is then
    not known and the sides stay missing.
    """
    client, server = (remote, local) if is_server else (local, remote)
    fd.typechar = "6" if ":" in remote.address else "4"
    fd.name = f"{client}->{server}"
    fd.is_server = is_server
    if is_server is not None:
        fd.cip, fd.cport = client.address, client.port
        fd.sip, fd.sport = server.address, server.port


def bound(fd: Fd, local: End) -> None:
    """Fill in name and server side of a socket that listens or is bound, and is connected to nobody."""
    fd.typechar = "6" if ":" in local.address else "4"
    fd.name = str(local)
    fd.sip, fd.sport = local.address, local.port
    fd.connected = False


def _add_socket(fd: Fd, pid: int, proc: Path) -> None:
    """Look a socket up by its inode in the tables of the process's network namespace."""
    wanted = str(fd.ino)
    for table, protocol in _PROTOCOLS.items():
        for parts in _rows(proc / str(pid) / "net" / table):
            if len(parts) > 9 and parts[9] == wanted:
                fd.l4proto = protocol
                local, remote = _end(parts[1]), _end(parts[2])
                if remote.port:
                    fd.connected = True
                    connection(fd, local, remote, None)
                else:
                    bound(fd, local)
                return
    for parts in _rows(proc / str(pid) / "net" / "unix"):
        if len(parts) > 6 and parts[6] == wanted:
            fd.typechar, fd.name = "u", parts[7] if len(parts) > 7 else ""
            return
    fd.typechar = "o"


def _rows(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text().splitlines()[1:]]
    except OSError:
        return []


def _end(text: str) -> End:
    """`0100007F:1F90`: the address as 32-bit words of this machine's byte order, the port as a number."""
    words, port = text.split(":")
    packed = b"".join(struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8))
    return End(address_text(packed), int(port, 16))
