"""Bytes of the ring buffer to values, parameters, descriptors and processes."""

import errno
import socket
import struct
from typing import Any

import pytest

from sensor.event import Process, RelativePath
from sensor.probes import complete
from sensor.probes.decode import Decoder, Malformed, comm, string, strings, tree
from sensor.probes.loader import probe_names, read_schema

EVENTS = {event.name: event for event in read_schema(probe_names()).events}


def record(type_: str, texts: dict[str, bytes] | None = None, **members: int) -> tuple[Decoder, bytes]:
    """A record as the probe writes it: every member is 0 but those given, strings behind the struct.

    A dotted member is written with two underscores: `file__ino`.
    """
    decoder = Decoder(EVENTS[type_])
    layout = decoder.event.layout
    values: dict[str, int] = {name.replace("__", "."): value for name, value in members.items()}
    tail, at = b"", struct.calcsize(layout.format)
    for name, text in (texts or {}).items():
        values[name] = (at + len(tail)) << 16 | len(text)
        tail += text
    return decoder, struct.pack(layout.format, *(values.get(member, 0) for member in layout.members)) + tail


def arguments(decoder: Decoder, data: bytes) -> dict[str, Any]:
    return decoder.arguments(data, decoder.values(data))


def test_parameters_are_named_and_ordered_as_declared() -> None:
    decoder, data = record("openat", {"name": b"/etc/x\0"}, fd=3, dirfd=-100, flags=0o102, mode=0o600, file__ino=7)
    assert arguments(decoder, data) == {
        "fd": 3, "dirfd": -100, "name": "/etc/x", "flags": 0o102, "mode": 0o600, "dev": 0, "ino": 7
    }  # fmt: skip


def test_a_relative_path_is_put_behind_its_base() -> None:
    decoder, data = record("openat", {"name": b"../x\0", "base_name": b"inner\0srv\0"})
    name = arguments(decoder, data)["name"]
    assert isinstance(name, RelativePath)
    assert (name, name.absolute) == ("../x", "/srv/x")


def test_a_relative_path_without_its_base_is_only_its_text() -> None:
    decoder, data = record("openat", {"name": b"x\0"})
    assert type(arguments(decoder, data)["name"]) is str


def test_a_path_that_could_not_be_read_is_missing() -> None:
    decoder, data = record("openat")
    assert arguments(decoder, data)["name"] is None
    fd = complete.Descriptors().describe(decoder, data, decoder.values(data), arguments(decoder, data))
    assert fd is not None
    assert fd.name is None


@pytest.mark.parametrize(
    ("data", "text"), [(b"a\0", "a"), (b"\0", ""), (b"cut", "cut"), (b"\xff\xc3\xa9\0", "\ufffdé"), (b"a\0\0", "a")]
)
def test_texts_end_at_their_nul_and_are_always_text(data: bytes, text: str) -> None:
    assert string(data, 0 << 16 | len(data)) == text


def test_lists_keep_empty_strings_and_trees_are_turned_round() -> None:
    data = b"a\0\0b\0"
    assert strings(data, len(data)) == ["a", "", "b"]
    assert tree(b"leaf\0mid\0top\0", 13) == "/top/mid/leaf"
    assert tree(b"\0", 1) == "/"
    assert tree(b"x", 0) is None


def test_a_thread_name_fills_all_sixteen_bytes_or_ends_at_its_nul() -> None:
    low, high = struct.unpack("=QQ", b"fifteen-letters\0")
    assert comm(low, high) == "fifteen-letters"
    low, high = struct.unpack("=QQ", b"sh\0garbage\0\0\0\0\0\0")
    assert comm(low, high) == "sh"


@pytest.mark.parametrize("cut", [1, 50, 100])
def test_a_record_that_is_too_short_is_malformed(cut: int) -> None:
    decoder, data = record("openat", {"name": b"/etc/x\0"})
    with pytest.raises(Malformed):
        arguments(decoder, data[:cut])


def test_a_string_that_ends_behind_its_record_is_malformed() -> None:
    decoder, data = record("openat", {"name": b"/etc/x\0"})
    with pytest.raises(Malformed):
        arguments(decoder, data[:-1])


def test_a_struct_without_the_head_is_refused() -> None:
    event = EVENTS["openat"]
    broken = type(event)(event.name, 1, "open", type(event.layout)("x", "@I", ("fd",), ("u32",), 4), ("fd",))
    with pytest.raises(ValueError, match="does not start with struct head"):
        Decoder(broken)


@pytest.mark.parametrize(("type_", "typechar"), [("open", "o"), ("openat", "f"), ("openat2", "f"), ("creat", "f")])
def test_an_open_that_failed_is_typed_as_upstream_types_it(type_: str, typechar: str) -> None:
    decoder, data = record(type_, {"name": b"/none\0"}, fd=-2, head__res=-2)
    fd = complete.Descriptors().describe(decoder, data, decoder.values(data), arguments(decoder, data))
    assert fd is not None
    assert (fd.num, fd.typechar, fd.name, fd.ino) == (-2, typechar, "/none", None)


def connected(address: bytes, res: int = 0, ino: int = 5, **socket_members: int) -> tuple[Any, dict[str, Any]]:
    members = {f"socket__{name}": value for name, value in socket_members.items()}
    decoder, data = record(
        "connect", {"addr": address}, fd=3, head__res=res, file__file_found=1, file__ino=ino, **members
    )
    found = arguments(decoder, data)
    fd = complete.Descriptors().describe(decoder, data, decoder.values(data), found)
    assert fd is not None
    return fd, found


def test_a_refused_connection_goes_where_it_was_asked_to() -> None:
    address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(443), bytes([10, 0, 0, 2]))
    fd, found = connected(address, -errno.ECONNREFUSED, family=socket.AF_INET, kind=1, protocol=6)
    assert (fd.sip, fd.sport, fd.connected, fd.l4proto) == ("10.0.0.2", 443, False, "tcp")
    assert found["addr"] == "10.0.0.2:443"


@pytest.mark.parametrize("address", [b"", b"\x02", b"\x02\0\1", struct.pack("=H6x", socket.AF_INET6), b"\xff\xff\0\0"])
def test_an_address_that_makes_no_sense_is_missing(address: bytes) -> None:
    fd, found = connected(address, -errno.EINVAL, family=socket.AF_INET, kind=1, protocol=6)
    assert found["addr"] is None
    assert fd.sip is None


@pytest.mark.parametrize(
    ("kind", "protocol", "name"), [(1, 6, "tcp"), (2, 17, "udp"), (2, 1, "icmp"), (3, 6, "raw"), (1, 132, None)]
)
def test_protocols_have_their_names(kind: int, protocol: int, name: str | None) -> None:
    assert connected(b"", family=socket.AF_INET, kind=kind, protocol=protocol)[0].l4proto == name


def test_who_may_write_the_program_is_told_by_owner_group_and_power() -> None:
    def writable(mode: int, uid: int = 1000, gid: int = 100, capabilities: int = 0) -> bool | None:
        decoder, data = record(
            "execve", {"argv": b"x\0"}, file__file_found=1, file__inode_mode=mode, owner=1000, group=100,
            cap_effective=capabilities,
        )  # fmt: skip
        process = Process(pid=1, uid=uid, gid=gid)
        complete.executed(process, decoder, data, decoder.values(data))
        return process.is_exe_writable

    assert writable(0o755) is True
    assert writable(0o577) is False
    assert writable(0o775, uid=1) is True
    assert writable(0o755, uid=1) is False
    assert writable(0o757, uid=1, gid=1) is True
    assert writable(0o555, uid=1, gid=1, capabilities=2) is True


def test_an_exec_whose_arguments_could_not_be_read_has_none() -> None:
    decoder, data = record("execve", loginuid=-1)
    process = Process(pid=4194304, exe="before", args=["before"])
    complete.executed(process, decoder, data, decoder.values(data))
    assert (process.exe, process.args, process.env, process.exepath, process.cwd) == (None, None, None, None, None)
    assert process.loginuid == -1
