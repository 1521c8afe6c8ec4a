"""`fd.*`: the file or connection that the event is about. `fs.path.*`: paths it names."""

import os
from collections.abc import Callable
from typing import Any

from sensor.event import Event, Fd
from sensor.fields import parameters
from sensor.fields.catalog import Extract, Field
from sensor.fields.kinds import Type

TYPES = {
    "f": "file", "d": "directory", "4": "ipv4", "6": "ipv6", "u": "unix", "p": "pipe", "e": "event",
    "s": "signalfd", "l": "eventpoll", "i": "inotify", "t": "timerfd", "n": "netlink", "b": "bpf",
    "r": "io_uring", "m": "memfd", "P": "pidfd",
}  # fmt: skip


def of(read: Callable[[Fd], Any]) -> Extract:
    """What `read` says about the event's descriptor."""
    return lambda event: None if event.fd is None else read(event.fd)


def directory(fd: Fd) -> str | None:
    """The directory of a file; a directory is its own."""
    if fd.name is None or fd.typechar not in ("f", "d"):
        return None
    if fd.typechar == "d":
        return fd.name
    return fd.name.rpartition("/")[0] or "/"


def filename(fd: Fd) -> str | None:
    """The last part of a file's path."""
    if fd.name is None or fd.typechar not in ("f", "d"):
        return None
    return fd.name.rpartition("/")[2]


def local_is_server(fd: Fd) -> bool:
    """Whether this node is the server's side."""
    return bool(fd.is_server)


def _side(local: bool, part: str) -> Extract:
    def read(fd: Fd) -> Any:
        server = local_is_server(fd) == local
        return getattr(fd, f"s{part}" if server else f"c{part}")

    return of(read)


def _both(part: str) -> Extract:
    def read(fd: Fd) -> tuple[Any, ...] | None:
        found = (getattr(fd, f"c{part}"), getattr(fd, f"s{part}"))
        return tuple(one for one in found if one is not None) or None

    return of(read)


def _family(fd: Fd) -> str | None:
    if fd.typechar in ("4", "6"):
        return "ip"
    return "unix" if fd.typechar == "u" else None


def _type(fd: Fd) -> str | None:
    return None if fd.typechar is None else TYPES.get(fd.typechar, "<NA>")


def _protocol(fd: Fd) -> str | None:
    return fd.l4proto or ("<NA>" if fd.typechar in ("4", "6") else None)


def _unique(event: Event) -> str | None:
    if event.fd is None or event.fd.num is None or event.proc is None:
        return None
    return f"{event.proc.tid or event.proc.pid}{event.fd.num}"


def _in_container(read: Callable[[Fd], str | None]) -> Extract:
    def extract(event: Event) -> str | None:
        if event.fd is None or event.proc is None or event.proc.container_id is None:
            return None
        found = read(event.fd)
        return None if found is None else f"{event.proc.container_id}:{found}"

    return extract


def _path(*names: str, raw: bool = False) -> Extract:
    def extract(event: Event) -> str | None:
        if event.res is not None and event.res < 0:
            return None
        for name in names:
            value = event.args.get(name)
            if isinstance(value, str):
                if name in ("name",) and event.fd is not None and event.fd.name and not raw:
                    return event.fd.name
                return value if raw else parameters.led_to(event, value)
        return None

    return extract


def _by_type(table: dict[str, str], *, raw: bool) -> Extract:
    def extract(event: Event) -> str | None:
        name = table.get(event.type)
        return None if name is None else _path(name, raw=raw)(event)

    return extract


_PATHS = {
    **dict.fromkeys(("mkdir", "mkdirat", "rmdir", "unlink", "chroot", "chown", "lchown"), "path"),
    **dict.fromkeys(("open", "openat", "openat2", "creat", "unlinkat", "umount", "umount2"), "name"),
    **dict.fromkeys(("chmod", "fchmodat"), "filename"),
    "open_by_handle_at": "path",
    "fchownat": "pathname",
    "quotactl": "special",
}
# A link is made at newpath and leads to oldpath; a symbolic link is made at linkpath and leads to target.
_SOURCES = {
    **dict.fromkeys(("rename", "renameat", "renameat2"), "oldpath"),
    **dict.fromkeys(("link", "linkat"), "newpath"),
    **dict.fromkeys(("symlink", "symlinkat"), "linkpath"),
    "mount": "dev",
}
_TARGETS = {
    **dict.fromkeys(("rename", "renameat", "renameat2"), "newpath"),
    **dict.fromkeys(("link", "linkat"), "oldpath"),
    **dict.fromkeys(("symlink", "symlinkat"), "target"),
    "mount": "dir",
}


def _plain(name: str, kind: Type, attribute: str, doc: str) -> Field:
    return Field(name=name, type=kind, doc=doc, via=("fd", attribute))


def _one(name: str, kind: Type, extract: Extract | None, doc: str, **more: Any) -> Field:
    return Field(name=name, type=kind, doc=doc, extract=extract, **more)


_ENDS: dict[str, Any] = {"spread": "ends", "transformable": False, "filter_only": True}
_SIDES = {
    "c": ("client", of(lambda fd: fd.cip), of(lambda fd: fd.cport)),
    "s": ("server", of(lambda fd: fd.sip), of(lambda fd: fd.sport)),
    "l": ("local", _side(True, "ip"), _side(True, "port")),
    "r": ("remote", _side(False, "ip"), _side(False, "port")),
}


def _sides() -> list[Field]:
    found = []
    for letter, (word, address, port) in _SIDES.items():
        found += [
            _one(f"fd.{letter}ip", Type.IPADDR, address, f"Address of the {word} side."),
            _one(f"fd.{letter}net", Type.IPNET, address, "The same, compared with networks.", transformable=False),
            _one(f"fd.{letter}port", Type.PORT, port, f"Port of the {word} side."),
            _one(f"fd.{letter}proto", Type.CHARBUF, None, f"Service of the {word} side's port."),
            _one(f"fd.{letter}ip.name", Type.CHARBUF, None, f"Domain name of the {word} side.", transformable=False),
        ]
    return found


FIELDS = (
    _plain("fd.num", Type.INT64, "num", "Number of the descriptor; negative when the call failed."),
    _one("fd.type", Type.CHARBUF, of(_type), "file, directory, ipv4, ipv6, unix, pipe, …"),
    _plain("fd.typechar", Type.CHARBUF, "typechar", "The same as one character: f d 4 6 u p e s l i …"),
    _plain("fd.name", Type.CHARBUF, "name", "Absolute path, or the ends of a connection."),
    _plain("fd.nameraw", Type.CHARBUF, "nameraw", "The path as it was given."),
    _one("fd.directory", Type.CHARBUF, of(directory), "Directory of the file."),
    _one("fd.filename", Type.CHARBUF, of(filename), "Last part of the path."),
    _one("fd.ip", Type.IPADDR, _both("ip"), "Either side's address.", **_ENDS),
    _one("fd.port", Type.PORT, _both("port"), "Either side's port.", **_ENDS),
    _one("fd.net", Type.IPNET, _both("ip"), "Either side's address, compared with networks.", **_ENDS),
    _one("fd.proto", Type.PORT, _both("port"), "Either side's service.", **_ENDS),
    *_sides(),
    _one("fd.l4proto", Type.CHARBUF, of(_protocol), "tcp, udp, icmp or raw."),
    _one("fd.sockfamily", Type.CHARBUF, of(_family), "ip or unix."),
    _plain("fd.is_server", Type.BOOL, "is_server", "This side accepted the connection."),
    _one("fd.uid", Type.CHARBUF, _unique, "Descriptor and thread as one text."),
    _one("fd.containername", Type.CHARBUF, _in_container(lambda fd: fd.name), "Container id and name."),
    _one("fd.containerdirectory", Type.CHARBUF, _in_container(directory), "Container id and directory."),
    _plain("fd.connected", Type.BOOL, "connected", "The socket is connected."),
    _plain("fd.name_changed", Type.BOOL, "name_changed", "This event changed the name."),
    _plain("fd.dev", Type.INT32, "dev", "Device of the file."),
    _one("fd.dev.major", Type.INT32, of(lambda fd: None if fd.dev is None else os.major(fd.dev)), "Its major number."),
    _one("fd.dev.minor", Type.INT32, of(lambda fd: None if fd.dev is None else os.minor(fd.dev)), "Its minor number."),
    _plain("fd.ino", Type.INT64, "ino", "Inode of the file."),
    _one("fd.is_upper_layer", Type.BOOL, None, "The file is in the writable layer of an overlay."),
    _one("fd.is_lower_layer", Type.BOOL, None, "The file is in a read-only layer of an overlay."),
    Field(name="fd.types", type=Type.CHARBUF, doc="Types of the process's descriptors; [n] is one of them.",
          argument="optional", index=True, is_list=True, transformable=True),
    _one("fs.path.name", Type.FSPATH, _by_type(_PATHS, raw=False), "The path a call names, made absolute."),
    _one("fs.path.nameraw", Type.FSPATH, _by_type(_PATHS, raw=True), "The path as given."),
    _one("fs.path.source", Type.FSPATH, _by_type(_SOURCES, raw=False), "The first of two paths, made absolute."),
    _one("fs.path.sourceraw", Type.FSPATH, _by_type(_SOURCES, raw=True), "The first of two paths as given."),
    _one("fs.path.target", Type.FSPATH, _by_type(_TARGETS, raw=False), "The second of two paths, made absolute."),
    _one("fs.path.targetraw", Type.FSPATH, _by_type(_TARGETS, raw=True), "The second of two paths as given."),
)  # fmt: skip
