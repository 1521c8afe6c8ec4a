"""Processes that no action may touch, whoever asks and whoever approved."""

import fnmatch
import os
from collections.abc import Iterator
from dataclasses import dataclass

from sensor.actions import procinfo
from sensor.actions.procinfo import PROC, Seen

PROTECTED = (
    # The node's life line: without these the node is gone or nobody can sign in.
    "systemd", "systemd-*", "init", "sshd", "sshd-*", "dbus-daemon", "dbus-broker", "dbus-broker-*",
    "login", "agetty", "NetworkManager", "dhclient", "dhcpcd", "auditd", "rsyslogd", "udevd",
    # Container runtimes and their shims: killing one kills or orphans every container of the node.
    "kubelet", "containerd", "containerd-shim*", "dockerd", "docker-proxy", "crio", "conmon", "conmonrs",
    "runc", "crun", "podman", "k3s", "k3s-*", "rke2", "k0s",
    # The cluster's own parts, when they run on the host.
    "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd",
    "calico-node", "cilium-agent", "flanneld",
)  # fmt: skip
DEEPEST_TREE = 1024
"""Parents followed at most; a longer chain is a loop made by processes dying while we look."""


class Refused(Exception):
    """A guard forbids it; the text names the guard."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one node: the built-in list and what its settings add."""

    extra: tuple[str, ...] = ()
    """Executables by absolute path."""
    tree: int = 0
    """The supervisor of this product, if one runs here: its programs in its tree are protected."""

    def check(self, seen: Seen) -> None:
        """Raise Refused if this process must not be touched."""
        reason = self._reason(seen)
        if reason:
            raise Refused(reason)

    def _reason(self, seen: Seen) -> str | None:
        if seen.pid <= 1:
            return "process 1 is protected"
        if seen.kernel_thread:
            return "kernel threads are protected"
        if seen.pid == os.getpid() or seen.pid in _ancestors(os.getpid()):
            return "the sensor and its ancestors are protected"
        if seen.ppid == os.getpid():
            return "the sensor's own children are protected"
        if seen.exepath in self.extra:
            return f"{seen.exepath} is protected by this node's settings"
        name = os.path.basename(seen.exepath) if seen.exepath else seen.name
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in PROTECTED) and _belongs_to_host(seen):
            return f"{name} is on the protected list"
        if self.tree and seen.exepath in self._programs() and self.tree in {seen.pid, *_ancestors(seen.pid)}:
            return "the product's own processes are protected"
        return None

    def _programs(self) -> set[str | None]:
        """What the supervisor runs. A shell started below it by an attacker is none of these."""
        return {procinfo.exepath(pid) for pid in (self.tree, *procinfo.children(self.tree))} - {None}


def _ancestors(pid: int) -> set[int]:
    return set(_climb(pid))


def _climb(pid: int) -> Iterator[int]:
    for _ in range(DEEPEST_TREE):
        seen = procinfo.look(pid)
        if seen is None or seen.ppid == 0:
            return
        pid = seen.ppid
        yield pid


def _belongs_to_host(seen: Seen) -> bool:
    """A protected name counts only if it is not a disguise; in doubt it counts.

    A name can be chosen by anyone. The real ones run in the host's mount namespace from a file that only
    root can change.
    """
    host, theirs = _mount_namespace(1), _mount_namespace(seen.pid)
    if host and theirs and host != theirs:
        return False
    try:
        file = (PROC / str(seen.pid) / "exe").stat()
    except OSError:
        return True
    return file.st_uid == 0 and not file.st_mode & 0o022


def _mount_namespace(pid: int) -> str | None:
    try:
        return os.readlink(PROC / str(pid) / "ns/mnt")
    except OSError:
        return None
