"""The header tree that bcc's compiler wants, written by us, so that no kernel headers are installed.

bcc includes a handful of kernel headers before any program. The probes use nothing of them but integer
types and the size of a page, so stubs are enough; what the probes need to know about the kernel's structs
comes from its BTF (`sensor.probes.layout`). bcc finds the tree through BCC_KERNEL_SOURCE.
"""

import os
import platform
import re
from pathlib import Path

_TYPES = """\
#ifndef PROBES_LINUX_TYPES_H
#define PROBES_LINUX_TYPES_H
typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __s8 s8;
typedef __u8 u8;
typedef __s16 s16;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef __u16 __be16, __le16, __sum16;
typedef __u32 __be32, __le32, __wsum;
typedef __u64 __be64, __le64;
typedef unsigned long size_t, uintptr_t;
typedef int pid_t;
typedef _Bool bool;
#define __aligned_u64 __u64 __attribute__((aligned(8)))
#endif
"""

_EMPTY = (
    "linux/bpf_common.h",
    "linux/log2.h",
    "uapi/linux/if_packet.h",
    "uapi/linux/if_ether.h",
    "uapi/linux/ptrace.h",
)


def version_code(release: str) -> int:
    """LINUX_VERSION_CODE of a release such as `6.18.44-fc`; an unreadable one counts as 5.15."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release)
    major, minor, patch = (int(part or 0) for part in found.groups()) if found else (5, 15, 0)
    # The macro keeps eight bits for the patch level: 5.4.300 still reads as 5.4.255.
    return major << 16 | minor << 8 | min(patch, 255)


def headers() -> dict[str, str]:
    """The tree's files by their path, with their text."""
    files = {f"include/{name}": "" for name in _EMPTY}
    files["include/linux/kconfig.h"] = "#define CONFIG_BPF_SYSCALL 1\n"
    files["include/linux/types.h"] = _TYPES
    files["include/linux/version.h"] = (
        f"#define LINUX_VERSION_CODE {version_code(platform.release())}\n"
        "#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))\n"
    )
    files["include/asm/page.h"] = f"#define PAGE_SIZE {os.sysconf('SC_PAGE_SIZE')}UL\n"
    # bcc carries its own copy of the kernel's uapi bpf.h under this name.
    files["include/uapi/linux/bpf.h"] = "#include <bcc/bpf.h>\n"
    return files


def write_headers(folder: Path) -> None:
    """Write the tree into an existing folder."""
    for name, text in headers().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
