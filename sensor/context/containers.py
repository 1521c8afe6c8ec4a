"""Which container a process is in, told from its cgroup path as container runtimes name them."""

import re
from functools import lru_cache

HOST = "host"
_SHORT = 12

_RUNC = re.compile(
    r"""
    (?: ^ | [/:] | [/:](?:docker|crio|crio-conmon|cri-containerd|nerdctl|libpod|libpod-conmon|buildkit)- )
    (?P<id>[0-9a-f]{64})
    (?: \.scope )? (?: / (?:container|init|supervisor)? )? $
    """,
    re.VERBOSE,
)
"""Docker, containerd, CRI-O, podman and nerdctl, with the cgroupfs and the systemd driver: 64 hex digits as
the last component, perhaps with the runtime's name before and `.scope` behind."""

_LXC = re.compile(r"/(?:lxc\.payload\.|lxc/)(?P<id>[^/]+)")


@lru_cache(maxsize=4096)
def container_id(cgroups: str) -> str:
    """First 12 characters of the container's id (LXC: the container's name), or `host`.

    `cgroups` is the cgroup v2 path, or the v1 paths joined with commas.
    """
    for path in cgroups.split(","):
        found = _RUNC.search(path)
        if found:
            return found["id"][:_SHORT]
        found = _LXC.search(path)
        if found:
            return found["id"]
    return HOST
