"""Paths and descriptors."""

import os
import socket
from pathlib import Path

import pytest

from sensor.context.files import AT_FDCWD, End, absolute, address_text, connection, describe, directory
from sensor.event import Fd, RelativePath


@pytest.mark.parametrize(
    ("path", "base", "expected"),
    [
        ("/etc/passwd", None, "/etc/passwd"),
        ("//etc///passwd/", None, "/etc/passwd"),
        ("/a/./b/../c", None, "/a/c"),
        ("/../..", None, "/"),
        ("x", "/srv", "/srv/x"),
        ("../x", "/srv/www", "/srv/x"),
        ("", "/srv", "/srv"),
        ("x", "/", "/x"),
        ("x", None, None),
    ],
)
def test_paths_are_made_absolute_by_their_text(path: str, base: str | None, expected: str | None) -> None:
    assert absolute(path, base) == expected


def test_a_relative_path_is_its_text_and_remembers_where_it_led() -> None:
    path = RelativePath("../x", "/srv/x")
    assert path == "../x"
    assert path.absolute == "/srv/x"


def test_the_directory_of_a_live_process_comes_from_proc(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        assert directory(os.getpid(), AT_FDCWD) == os.getcwd()
        assert directory(os.getpid(), descriptor) == str(tmp_path)
    finally:
        os.close(descriptor)
    assert directory(os.getpid(), descriptor) is None
    assert directory(4194304, AT_FDCWD) is None


def test_files_folders_pipes_and_others_are_told_apart(tmp_path: Path) -> None:
    file = os.open(tmp_path / "f", os.O_CREAT | os.O_RDWR)
    folder = os.open(tmp_path, os.O_RDONLY)
    read, write = os.pipe()
    memory, event = os.memfd_create("ghost"), os.eventfd(0)
    opened = [file, folder, read, write, memory, event]
    try:
        found = [describe(os.getpid(), number) for number in opened]
    finally:
        for number in opened:
            os.close(number)
    assert [fd.typechar for fd in found if fd] == ["f", "d", "p", "p", "m", "e"]
    assert found[0] is not None
    assert (found[0].name, found[0].ino) == (str(tmp_path / "f"), os.stat(tmp_path / "f").st_ino)
    assert describe(os.getpid(), file) is None


@pytest.mark.parametrize(
    ("family", "address", "typechar"), [(socket.AF_INET, "127.0.0.1", "4"), (socket.AF_INET6, "::1", "6")]
)
def test_a_connection_is_found_in_the_kernels_tables(family: socket.AddressFamily, address: str, typechar: str) -> None:
    with socket.create_server((address, 0), family=family) as server, socket.socket(family) as client:
        client.connect(server.getsockname())
        listening, connected = (describe(os.getpid(), end.fileno()) for end in (server, client))
        here, there = client.getsockname()[1], server.getsockname()[1]
    assert listening is not None
    assert connected is not None
    assert (listening.typechar, listening.l4proto, listening.sport, listening.connected) == (
        typechar,
        "tcp",
        there,
        False,
    )
    assert (connected.name, connected.connected) == (f"{address}:{here}->{address}:{there}", True)
    # Nobody has told which end is the client.
    assert (connected.sip, connected.cip, connected.is_server) == (None, None, None)


def test_a_unix_socket_is_found_by_its_path(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        found = describe(os.getpid(), server.fileno())
    assert found is not None
    assert (found.typechar, found.name) == ("u", str(tmp_path / "s"))


@pytest.mark.parametrize(("is_server", "name"), [(False, "1.1.1.1:10->2.2.2.2:20"), (True, "2.2.2.2:20->1.1.1.1:10")])
def test_a_connection_is_printed_from_client_to_server(is_server: bool, name: str) -> None:
    fd = Fd()
    connection(fd, End("1.1.1.1", 10), End("2.2.2.2", 20), is_server)
    assert fd.name == f"{fd.cip}:{fd.cport}->{fd.sip}:{fd.sport}" == name


def test_a_mapped_address_is_shown_as_ipv4() -> None:
    assert address_text(bytes([0] * 10 + [255, 255, 10, 1, 2, 3])) == "10.1.2.3"
    assert address_text(bytes([10, 1, 2, 3])) == "10.1.2.3"
    assert address_text(bytes(15) + b"\1") == "::1"
