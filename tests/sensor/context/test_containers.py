"""Container ids from cgroup paths."""

import pytest

from sensor.context.containers import container_id

ID = "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e"
SHORT = ID[:12]


@pytest.mark.parametrize(
    "path",
    [
        f"/docker/{ID}",
        f"/system.slice/docker-{ID}.scope",
        f"/system.slice/docker-{ID}.scope/init",
        f"/kubepods/burstable/pod0f90f31c-ebeb/{ID}",
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f90.slice/cri-containerd-{ID}.scope",
        f"/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope/container",
        f"/system.slice/containerd.service/kubepods-burstable-pod0f90.slice:cri-containerd:{ID}",
        f"/machine.slice/libpod-{ID}.scope",
        f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container",
        f"/system.slice/nerdctl-{ID}.scope",
        f"/,/docker/{ID}",
    ],
)
def test_the_runtimes_paths_give_the_short_id(path: str) -> None:
    assert container_id(path) == SHORT


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/init.scope",
        "/system.slice/ssh.service",
        "/user.slice/user-1000.slice/session-2.scope",
        f"/docker/{ID[:-1]}",
        f"/docker/{ID}0",
        f"/docker/{ID.upper()}",
        f"/system.slice/{ID}-other",
    ],
)
def test_everything_else_is_the_host(path: str) -> None:
    assert container_id(path) == "host"


def test_an_lxc_container_is_its_name() -> None:
    assert container_id("/lxc.payload.web1/system.slice") == "web1"
    assert container_id("/lxc/web1") == "web1"
