"""The BTF reader, on a blob built here and on the running kernel's."""

import struct

import pytest

from sensor.probes.btf import VMLINUX, Btf, BtfError, vmlinux

INT, POINTER, STRUCT, UNION, ENUM, TYPEDEF, CONST, FLOAT = 1, 2, 4, 5, 6, 8, 10, 16


class Blob:
    """Puts a BTF blob together, type by type; numbers start at 1 as BTF's do."""

    def __init__(self) -> None:
        self.strings = b"\0"
        self.types = b""

    def name(self, text: str) -> int:
        if not text:
            return 0
        at = len(self.strings)
        self.strings += text.encode() + b"\0"
        return at

    def add(self, kind: int, name: str, size: int, tail: bytes = b"", members: int = 0, flag: int = 0) -> None:
        self.types += struct.pack("III", self.name(name), flag << 31 | kind << 24 | members, size) + tail

    def composite(self, kind: int, name: str, size: int, *members: tuple[str, int, int], flag: int = 0) -> None:
        tail = b"".join(struct.pack("III", self.name(word), type_, bits) for word, type_, bits in members)
        self.add(kind, name, size, tail, len(members), flag)

    def build(self) -> bytes:
        header = struct.pack("HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings))
        return header + self.types + self.strings


@pytest.fixture
def btf() -> Btf:
    blob = Blob()
    blob.add(INT, "int", 4, struct.pack("I", 32))  # 1
    blob.composite(STRUCT, "inner", 8, ("first", 1, 0), ("second", 1, 32))  # 2
    blob.add(TYPEDEF, "inner_t", 2)  # 3
    blob.add(CONST, "", 3)  # 4
    blob.composite(UNION, "", 8, ("left", 1, 0), ("right", 4, 0))  # 5
    blob.add(POINTER, "", 2)  # 6
    blob.composite(STRUCT, "outer", 40, ("head", 1, 0), ("", 5, 64), ("body", 4, 128), ("link", 6, 192))  # 7
    # With the kind flag a member's upper byte is its width in bits.
    blob.composite(STRUCT, "flags", 8, ("low", 1, 3 << 24 | 0), ("high", 1, 5 << 24 | 32), flag=1)  # 8
    blob.add(ENUM, "colour", 4, struct.pack("IiIi", blob.name("RED"), 3, blob.name("BLUE"), -1), 2)  # 9
    blob.add(FLOAT, "float", 4)  # 10
    blob.composite(STRUCT, "last", 4, ("only", 1, 0))  # 11
    return Btf(blob.build())


@pytest.mark.parametrize(
    ("container", "path", "offset"),
    [
        ("outer", "head", 0),
        ("outer", "left", 8),
        ("outer", "right.second", 12),
        ("outer", "body.second", 20),
        ("outer", "link", 24),
        ("flags", "high", 4),
        ("last", "only", 0),
    ],
)
def test_members_are_found_through_anonymous_and_embedded_structs(
    btf: Btf, container: str, path: str, offset: int
) -> None:
    assert btf.offset(container, path) == offset


def test_the_first_name_that_exists_counts(btf: Btf) -> None:
    assert btf.offset("outer", "renamed", "body") == 16


def test_sizes_and_enumerators_are_read(btf: Btf) -> None:
    assert btf.size("outer") == 40
    assert btf.enumerator("colour", "RED") == 3
    assert btf.enumerator("colour", "GREEN", "BLUE") == -1


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda btf: btf.offset("outer", "nothing", "none"), "struct outer has no member nothing or none"),
        (lambda btf: btf.offset("outer", "link.first"), "no member link.first"),
        (lambda btf: btf.offset("absent", "x"), "no struct absent"),
        (lambda btf: btf.size("colour"), "no struct colour"),
        (lambda btf: btf.enumerator("outer", "x"), "no enum outer"),
        (lambda btf: btf.enumerator("colour", "GREEN"), "enum colour has no GREEN"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(btf: Btf, ask, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BtfError, match=said):
        ask(btf)


@pytest.mark.parametrize("blob", [b"", b"\x9f\xeb", bytes(24), b"ELF" + bytes(60)])
def test_what_is_no_btf_is_refused(blob: bytes) -> None:
    with pytest.raises(BtfError):
        Btf(blob)


def test_a_blob_that_is_cut_off_is_refused() -> None:
    blob = Blob()
    blob.composite(STRUCT, "s", 4, ("m", 1, 0))
    with pytest.raises(BtfError, match="damaged"):
        Btf(blob.build()[: 24 + 6])


@pytest.mark.skipif(not VMLINUX.exists(), reason=f"{VMLINUX} is not there: a kernel without BTF")
def test_the_running_kernel_knows_its_tasks() -> None:
    kernel = vmlinux()
    assert kernel.offset("task_struct", "tgid") == kernel.offset("task_struct", "pid") + 4
    assert kernel.size("task_struct") > 1000
    assert kernel.enumerator("pid_type", "PIDTYPE_PID") == 0
    assert vmlinux() is kernel
