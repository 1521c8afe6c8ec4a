"""Files removed, renamed, linked, and given other permissions, on the running kernel."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from sensor.context.files import AT_FDCWD
from sensor.event import RelativePath
from sensor.fields import SYSCALL
from tests.probes.conftest import Workload, of_type

SET_UP = "libc = __import__('ctypes').CDLL(None, use_errno=True)\nopen('old', 'w').close()\nd = os.open(path, 0)\n"


@pytest.mark.parametrize(
    ("call", "type_", "arguments"),
    [
        ("os.unlink('old')", "unlink", {"path": "old"}),
        ("os.unlink('old', dir_fd=d)", "unlinkat", {"name": "old", "flags": 0}),
        ("os.mkdir('x'); os.rmdir('x')", "rmdir", {"path": "x"}),
        ("os.mkdir('x'); os.rmdir('x', dir_fd=d)", "unlinkat", {"name": "x", "flags": 0x200}),
        ("os.mkdir('x', 0o711)", "mkdir", {"path": "x", "mode": 0o711}),
        ("os.mkdir('x', 0o711, dir_fd=d)", "mkdirat", {"path": "x", "mode": 0o711}),
        ("os.rename('old', 'new')", "rename", {"oldpath": "old", "newpath": "new"}),
        ("os.rename('old', 'new', src_dir_fd=d)", "renameat", {"oldpath": "old", "newdirfd": AT_FDCWD}),
        ("libc.syscall(316, -100, b'old', d, b'new', 1)", "renameat2", {"oldpath": "old", "flags": 1}),
        ("os.link('old', 'new')", "link", {"oldpath": "old", "newpath": "new"}),
        ("os.link('old', 'new', src_dir_fd=d)", "linkat", {"oldpath": "old", "newdir": AT_FDCWD, "flags": 0x400}),
        ("os.symlink('/etc/shadow', 'new')", "symlink", {"target": "/etc/shadow", "linkpath": "new"}),
        ("os.symlink('up/there', 'new', dir_fd=d)", "symlinkat", {"target": "up/there", "linkpath": "new"}),
        ("os.chmod('old', 0o4755)", "chmod", {"filename": "old", "mode": 0o4755}),
        ("os.chmod('old', 0o4755, dir_fd=d)", "fchmodat", {"filename": "old", "mode": 0o4755}),
        ("os.fchmod(os.open('old', 0), 0o600)", "fchmod", {"mode": 0o600}),
    ],
)
def test_each_call_is_told_with_its_paths_as_given(
    workload: Workload, call: str, type_: str, arguments: dict[str, Any]
) -> None:
    (event,) = of_type(workload(SET_UP + call), type_)
    assert event.res == event.args["res"] == 0
    assert {name: event.args[name] for name in arguments} == arguments


@pytest.mark.parametrize(
    ("call", "type_", "paths"),
    [
        ("os.unlink('old')", "unlink", {"path": "old"}),
        ("os.chdir('/'); os.unlink('old', dir_fd=d)", "unlinkat", {"name": "old"}),
        (
            "os.chdir('/'); os.rename('old', 'new', src_dir_fd=d, dst_dir_fd=d)",
            "renameat",
            {"oldpath": "old", "newpath": "new"},
        ),
        ("os.mkdir('x'); os.chdir('x'); os.link('../old', 'new')", "link", {"oldpath": "old", "newpath": "x/new"}),
        ("os.chmod('./old', 0)", "chmod", {"filename": "old"}),
    ],
)
def test_relative_paths_lead_where_the_kernel_went(
    workload: Workload, tmp_path: Path, call: str, type_: str, paths: dict[str, str]
) -> None:
    (event,) = of_type(workload(SET_UP + call), type_)
    for name, path in paths.items():
        assert isinstance(event.args[name], RelativePath)
        assert event.args[name].absolute == str(tmp_path / path)
    field = SYSCALL.find("fs.path.source" if "newpath" in event.args else "fs.path.name")
    assert field.read(event) in {str(tmp_path / path) for path in paths.values()}


def test_23_removals_are_reported_once_each(workload: Workload) -> None:
    code = "for n in range(23):\n    os.close(os.open(f'f{n}', os.O_CREAT))\n    os.unlink(f'f{n}')"
    assert [event.args["path"] for event in of_type(workload(code), "unlink")] == [f"f{n}" for n in range(23)]


def test_a_change_that_fails_is_told_with_its_error(workload: Workload) -> None:
    code = "try:\n    os.rename('none', 'x')\nexcept OSError: pass"
    (event,) = of_type(workload(code), "rename")
    assert event.res == -errno.ENOENT


def test_a_symbolic_links_target_is_left_as_it_is(workload: Workload) -> None:
    (event,) = of_type(workload("os.symlink('some/where', 'new')"), "symlink")
    assert type(event.args["target"]) is str


def test_a_changed_descriptor_is_told_by_its_path(workload: Workload, tmp_path: Path) -> None:
    (event,) = of_type(workload(SET_UP + "os.fchmod(os.open('old', 0), 0o777)"), "fchmod")
    assert event.fd is not None
    assert event.fd.name == str(tmp_path / "old")
    assert event.fd.ino == os.stat(tmp_path / "old").st_ino
