"""Mounts, roots, pid namespaces and cgroups on the running kernel: what containers are made of."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.event import Event, Process
from tests.probes.conftest import Workload, of_type

OWN_MOUNTS = (
    "import ctypes, shutil\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    "assert libc.unshare(0x00020000) == 0\n"  # CLONE_NEWNS
    "assert libc.mount(None, b'/', None, 0x44000, None) == 0\n"  # MS_REC | MS_PRIVATE
)
ID = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e"


def process_of(event: Event) -> Process:
    assert event.proc is not None
    return event.proc


def test_a_path_across_mounts_is_whole(workload: Workload, tmp_path: Path) -> None:
    events = workload(
        OWN_MOUNTS + "os.makedirs('a/m')\nassert libc.mount(b'none', b'a/m', b'tmpfs', 0, None) == 0\n"
        "os.makedirs('a/m/b'); os.chdir('a/m/b'); os.mkdir('last')\n"
        "shutil.copy('/bin/true', 'prog'); os.spawnv(os.P_WAIT, './prog', ['x'])",
        descendants=True,
    )
    last = of_type(events, "mkdir")[-1]
    assert last.args["path"].absolute == str(tmp_path / "a/m/b/last")
    assert process_of(of_type(events, "execve")[-1]).exepath == str(tmp_path / "a/m/b/prog")


def test_a_process_in_another_root_is_told_by_the_path_of_its_mounts(workload: Workload, tmp_path: Path) -> None:
    events = workload("os.makedirs('jail/in'); os.chroot('jail'); os.chdir('/in'); os.mkdir('x')")
    assert of_type(events, "mkdir")[-1].args["path"].absolute == str(tmp_path / "jail/in/x")


def test_the_root_directory_itself_is_a_slash(workload: Workload) -> None:
    events = workload("os.chdir('/')\ntry:\n    os.mkdir('proc')\nexcept OSError: pass")
    made = of_type(events, "mkdir")[-1]
    assert process_of(made).cwd == "/"
    assert made.args["path"].absolute == "/proc"


def test_a_path_too_deep_to_walk_is_known_from_where_the_process_went(workload: Workload, tmp_path: Path) -> None:
    deep = "/".join("d" * 60)
    (tmp_path / deep).mkdir(parents=True)
    events = workload(f"os.chdir({deep!r}); os.mkdir('x'); os.execv('/bin/true', ['true'])")
    started = process_of(of_type(events, "execve")[-1])
    assert started.cwd == str(tmp_path / deep)
    assert of_type(events, "mkdir")[-1].args["path"].absolute == str(tmp_path / deep / "x")


@pytest.mark.skipif("overlay" not in Path("/proc/filesystems").read_text(), reason="this kernel has no overlayfs")
@pytest.mark.parametrize(("program", "upper"), [("low", False), ("new", True)])
def test_a_program_that_came_after_the_image_is_told(workload: Workload, program: str, upper: bool) -> None:
    events = workload(
        OWN_MOUNTS + "assert libc.mount(b'none', path.encode(), b'tmpfs', 0, None) == 0\nos.chdir(path)\n"
        "for name in ('lower', 'upper', 'work', 'image'): os.mkdir(name)\n"
        "shutil.copy('/bin/true', 'lower/low')\n"
        "options = f'lowerdir={path}/lower,upperdir={path}/upper,workdir={path}/work'.encode()\n"
        "assert libc.mount(b'none', b'image', b'overlay', 0, options) == 0\n"
        "shutil.copy('/bin/true', 'image/new')\n"
        f"os.spawnv(os.P_WAIT, f'{{path}}/image/{program}', ['x'])",
        descendants=True,
    )
    assert process_of(of_type(events, "execve")[-1]).is_exe_upper_layer is upper


def test_ids_in_a_pid_namespace_are_told_beside_the_hosts(workload: Workload) -> None:
    events = workload(
        "import ctypes\nassert ctypes.CDLL(None).unshare(0x20000000) == 0\n"  # CLONE_NEWPID
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    os.execv('/bin/true', ['first'])\n"
        "os.wait()\n",
        descendants=True,
    )
    first = process_of(of_type(events, "execve")[-1])
    assert first.exe == "first"
    assert (first.vpid, first.vpgid, first.sid) == (1, 1, 1)
    assert first.pid == first.pgid != 1


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup named as Docker names one; removed again."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    root = next((Path(parts[1]) for parts in mounts if parts[2] == "cgroup2"), None)
    if root is None:
        pytest.skip("no cgroup version 2 hierarchy is mounted")
    folder = root / f"probe-test-{os.getpid()}" / ID
    folder.mkdir(parents=True)
    yield folder
    folder.rmdir()
    folder.parent.rmdir()


def test_a_process_in_a_containers_cgroup_is_in_that_container(workload: Workload, cgroup: Path) -> None:
    join = f"with open('{cgroup}/cgroup.procs', 'w') as file: file.write('0')\n"
    events = workload(f"if os.fork() == 0:\n    {join}    os.execv('/bin/true', ['true'])\nos.wait()", descendants=True)
    inside, outside = process_of(of_type(events, "execve")[-1]), process_of(of_type(events, "execve")[0])
    assert inside.cgroups == f"/{cgroup.parent.name}/{ID}"
    assert inside.container_id == ID[:12]
    assert outside.container_id == "host"
