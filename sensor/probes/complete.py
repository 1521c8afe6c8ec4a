"""What a record says of a process or a descriptor, as the objects that rules look at.

Members are found by name (`file.dev`, `socket.family`, `fd`), so a new probe that uses the same structs of
common.h is completed without anything here.
"""

import errno
import socket
import struct
from typing import Any

from sensor.context import files
from sensor.context.clock import NANOSECONDS
from sensor.context.containers import container_id
from sensor.context.files import End, absolute, address_text
from sensor.context.procfs import signed_uid
from sensor.event import Fd, Process, RelativePath
from sensor.probes.decode import Decoder, strings, tree

_AF_NETLINK = 16
_INTERNET = (socket.AF_INET, socket.AF_INET6)
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}
_S_IFMT = 0o170000
_TYPECHARS = {0o040000: "d", 0o010000: "p"}
_CAP_DAC_OVERRIDE = 1 << 1
_ROLES_REMEMBERED = 65_536


def executed(process: Process, decoder: Decoder, record: bytes, values: tuple[Any, ...]) -> None:
    """Make the process what the program it has just started makes it."""
    at = decoder.at

    def value(member: str) -> Any:
        return values[at[member]]

    argv = strings(record, value("argv"))
    process.exe, process.args = (argv[0], argv[1:]) if argv else (None, None)
    process.env = strings(record, value("env"))
    # A program starts where its process was, so what is known of that stays true.
    process.cwd = tree(record, value("cwd")) or process.cwd or files.directory(process.pid, files.AT_FDCWD)
    exepath = tree(record, value("exepath"))
    # A file in no directory has its bare name in the tree; the kernel shows it the same way.
    process.is_exe_from_memfd = exepath is not None and exepath.startswith("/memfd:")
    process.exepath = exepath
    process.cgroups = tree(record, value("cgroups"))
    if process.cgroups is not None:
        process.container_id = container_id(process.cgroups)
    for name in ("pgid", "sid", "vpid", "vpgid", "tty", "cap_inheritable", "cap_permitted", "cap_effective"):
        setattr(process, name, value(name))
    process.loginuid = signed_uid(value("loginuid") & 0xFFFFFFFF)
    if value("file.file_found"):
        process.exe_ino = value("file.ino")
        process.exe_ino_ctime = value("exe_ino_ctime") * NANOSECONDS + value("ctime_nsec")
        process.exe_ino_mtime = value("exe_ino_mtime") * NANOSECONDS + value("mtime_nsec")
        process.is_exe_upper_layer = value("overlay") == 2
        process.is_exe_writable = _writable(process, value("file.inode_mode"), value("owner"), value("group"))


def _writable(process: Process, mode: int, owner: int, group: int) -> bool:
    """Whether the mode bits let the process write the file; supplementary groups and ACLs are not looked at."""
    if (process.cap_effective or 0) & _CAP_DAC_OVERRIDE:
        return True
    if process.uid == owner:
        return bool(mode & 0o200)
    return bool(mode & (0o020 if process.gid == group else 0o002))


def execution_arguments(process: Process, arguments: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a successful execve, from the process it made."""
    return {
        "res": arguments["res"],
        "exe": process.exe,
        "args": process.args,
        "tid": process.tid,
        "pid": process.pid,
        "ptid": process.ppid,
        "cwd": process.cwd,
        "comm": process.name,
        "cgroups": process.cgroups,
        "env": process.env,
        "tty": process.tty,
        "vpgid": process.vpgid,
        "loginuid": process.loginuid,
        "cap_inheritable": process.cap_inheritable,
        "cap_permitted": process.cap_permitted,
        "cap_effective": process.cap_effective,
        "exe_ino": process.exe_ino,
        "exe_ino_ctime": process.exe_ino_ctime,
        "exe_ino_mtime": process.exe_ino_mtime,
        "uid": process.uid,
        "trusted_exepath": process.exepath,
        "pgid": process.pgid,
        "gid": process.gid,
        **arguments,
    }


def failed_execution_arguments(
    decoder: Decoder, record: bytes, values: tuple[Any, ...], arguments: dict[str, Any]
) -> dict[str, Any]:
    """The parameters of an execve that failed: what was tried, by the process that goes on as it was."""
    argv = strings(record, values[decoder.at["argv"]])
    return {"exe": argv[0] if argv else None, "args": argv[1:] if argv else None, **arguments}


class Descriptors:
    """Makes `Fd` objects, and remembers which end of a connection a socket is."""

    def __init__(self) -> None:
        self._roles: dict[int, bool] = {}

    def describe(
        self, decoder: Decoder, record: bytes, values: tuple[Any, ...], arguments: dict[str, Any]
    ) -> Fd | None:
        """The descriptor an event is about; None where it is about none."""
        at = decoder.at
        if "file.dev" not in at:
            return Fd(num=arguments["fd"]) if "fd" in arguments else None
        if "fd" not in at:
            return None
        fd = Fd(num=values[at["fd"]])
        if values[at["file.file_found"]]:
            fd.dev = values[at["file.dev"]]
            fd.ino = values[at["file.ino"]]
        family = at.get("socket.family")
        if family is not None and (values[family] or "addr" in arguments):
            self._add_socket(fd, values, at, arguments)
            return fd
        kind = values[at["file.inode_mode"]] & _S_IFMT
        name = arguments.get("name")
        if decoder.event.name == "memfd_create":
            fd.typechar, fd.name = "m", name
            return fd
        fd.typechar = _TYPECHARS.get(kind, "f") if kind else _unopened(decoder.event.name)
        if "fd_path" in at:
            fd.name = tree(record, values[at["fd_path"]])
            if fd.name is not None and (fd.name == "/" or fd.name.startswith("/[")) and fd.typechar != "d":
                files.nameless(fd, fd.name)
        elif name is not None:
            fd.nameraw = name
            fd.name = name.absolute if isinstance(name, RelativePath) else absolute(name, None)
        return fd

    def _add_socket(self, fd: Fd, values: tuple[Any, ...], at: dict[str, int], arguments: dict[str, Any]) -> None:
        family, kind, protocol, local_port, remote_port = (
            values[at[f"socket.{name}"]] for name in ("family", "kind", "protocol", "local_port", "remote_port")
        )
        given = _address(arguments.get("addr"))
        if isinstance(given, End):
            arguments["addr"] = str(given)
        elif "addr" in arguments:
            arguments["addr"] = given
        if family in _INTERNET:
            fd.typechar = "4" if family == socket.AF_INET else "6"
            fd.l4proto = "raw" if kind == socket.SOCK_RAW else _PROTOCOLS.get(protocol)
            size = 4 if family == socket.AF_INET else 16
            local = End(_packed(values, at, "local", size), local_port)
            remote = End(_packed(values, at, "remote", size), socket.ntohs(remote_port))
            if not remote.port and isinstance(given, End):
                remote = given
            self._add_ends(fd, local, remote, values, at)
            if "role" in at:
                arguments["tuple"] = fd.name
        elif family == socket.AF_UNIX:
            fd.typechar, fd.name = "u", given if isinstance(given, str) else ""
        else:
            fd.typechar = "n" if family == _AF_NETLINK else "o"

    def _add_ends(self, fd: Fd, local: End, remote: End, values: tuple[Any, ...], at: dict[str, int]) -> None:
        role = at.get("role")
        if role is not None and fd.ino is not None:
            if len(self._roles) >= _ROLES_REMEMBERED:
                self._roles.clear()
            self._roles[fd.ino] = bool(values[role])
        if not remote.port:
            fd.connected, fd.name = False, ""
            if local.port:
                files.bound(fd, local)
            return
        files.connection(fd, local, remote, self._roles.get(fd.ino or 0))
        result = values[at["head.res"]]
        fd.connected = result >= 0 or result == -errno.EINPROGRESS


def _unopened(event: str) -> str:
    """What upstream prints for `fd.typechar` of an open that failed."""
    return "o" if event == "open" else "f"


def _packed(values: tuple[Any, ...], at: dict[str, int], end: str, size: int) -> str:
    low, high = values[at[f"socket.{end}_low"]], values[at[f"socket.{end}_high"]]
    return address_text(struct.pack("=QQ", low, high)[:size])


def _address(given: bytes | None) -> End | str | None:
    """A sockaddr as user space wrote it: an address and port, or the path of a unix socket."""
    if given is None or len(given) < 2:
        return None
    (family,) = struct.unpack_from("=H", given)
    if family == socket.AF_INET and len(given) >= 8:
        return End(address_text(given[4:8]), int.from_bytes(given[2:4], "big"))
    if family == socket.AF_INET6 and len(given) >= 24:
        return End(address_text(given[8:24]), int.from_bytes(given[2:4], "big"))
    if family == socket.AF_UNIX:
        # An abstract name starts with a NUL, which is shown as @.
        name = given[2:]
        if name[:1] == b"\0":
            return "@" + name[1:].rstrip(b"\0").decode(errors="replace")
        return name.partition(b"\0")[0].decode(errors="replace")
    return None
