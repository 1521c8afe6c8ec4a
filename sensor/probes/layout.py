"""What the probes must know about the running kernel's structs, as compiler flags.

Every `OFFSET(struct, member)` in the C text becomes `-DOFFSET_struct__member=N` with N from the kernel's BTF.
"""

from sensor.probes.btf import Btf, BtfError

_RENAMED = {
    ("kernfs_node", "parent"): ("__parent",),
    ("inode", "i_ctime_sec"): ("__i_ctime.tv_sec", "i_ctime.tv_sec"),
    ("inode", "i_ctime_nsec"): ("__i_ctime.tv_nsec", "i_ctime.tv_nsec"),
    ("inode", "i_mtime_sec"): ("__i_mtime.tv_sec", "i_mtime.tv_sec"),
    ("inode", "i_mtime_nsec"): ("__i_mtime.tv_nsec", "i_mtime.tv_nsec"),
}
"""Members that kernels since 5.15 have under other names as well."""

_OPTIONAL = {("ovl_inode", "__upperdentry"), ("ovl_inode", "vfs_inode")}
"""Members of code that may be left out of a kernel or be a module; the C text tests for the macro."""

_SIZES = ("upid",)
_PID_TYPES = ("PIDTYPE_PGID", "PIDTYPE_SID")
_CONTROLLERS = ("pids_cgrp_id", "memory_cgrp_id", "cpu_cgrp_id")


def flags(btf: Btf, used: set[tuple[str, str]]) -> list[str]:
    """Compiler flags for the members used; raises BtfError naming the first one this kernel lacks."""
    result = []
    for container, member in sorted(used):
        names = (member, *_RENAMED.get((container, member), ()))
        try:
            offset = btf.offset(container, *names)
        except BtfError:
            if (container, member) in _OPTIONAL:
                continue
            raise
        result.append(f"-DOFFSET_{container}__{member}={offset}")
    result += [f"-DSIZE_{name}={btf.size(name)}" for name in _SIZES]
    result += [f"-D{name}={btf.enumerator('pid_type', name)}" for name in _PID_TYPES]
    for name in _CONTROLLERS:
        try:
            number = btf.enumerator("cgroup_subsys_id", name)
        except BtfError:
            # Not built into this kernel; any other controller's place serves, there is always a first one.
            number = 0
        result.append(f"-D{name}={number}")
    return result
