"""Numbers as the names that rules look for: `O_RDWR|O_CREAT`, `AF_INET`, `PTRACE_ATTACH`, `EACCES`.

Numbers are the kernel's (x86-64 and arm64 agree on those used here unless said); names are the kernel's too.
"""

import errno
import signal
import socket
from collections.abc import Mapping
from functools import lru_cache

# fcntl.h. O_LARGEFILE is 0 to 64-bit programs but the kernel reports it. arm64 swaps some of the high bits.
OPEN = {
    "O_CREAT": 0o100, "O_EXCL": 0o200, "O_NOCTTY": 0o400, "O_TRUNC": 0o1000, "O_APPEND": 0o2000,
    "O_NONBLOCK": 0o4000, "O_SYNC": 0o4010000, "O_DSYNC": 0o10000, "O_DIRECT": 0o40000,
    "O_LARGEFILE": 0o100000, "O_TMPFILE": 0o20200000, "O_DIRECTORY": 0o200000, "O_NOFOLLOW": 0o400000,
    "O_NOATIME": 0o1000000, "O_CLOEXEC": 0o2000000, "O_PATH": 0o10000000,
}  # fmt: skip
OPEN_ACCESS = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_RDWR")
CLONE = {
    "CLONE_FILES": 0x400, "CLONE_FS": 0x200, "CLONE_IO": 0x80000000, "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWNET": 0x40000000, "CLONE_NEWNS": 0x00020000, "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWUTS": 0x04000000, "CLONE_PARENT": 0x8000, "CLONE_PARENT_SETTID": 0x00100000,
    "CLONE_PTRACE": 0x2000, "CLONE_SIGHAND": 0x800, "CLONE_SYSVSEM": 0x00040000, "CLONE_THREAD": 0x00010000,
    "CLONE_UNTRACED": 0x00800000, "CLONE_VM": 0x100, "CLONE_NEWUSER": 0x10000000,
    "CLONE_CHILD_CLEARTID": 0x00200000, "CLONE_CHILD_SETTID": 0x01000000, "CLONE_SETTLS": 0x00080000,
    "CLONE_VFORK": 0x4000, "CLONE_NEWCGROUP": 0x02000000, "CLONE_NEWTIME": 0x80,
}  # fmt: skip
MODE = {
    "S_IXOTH": 0o1, "S_IWOTH": 0o2, "S_IROTH": 0o4, "S_IXGRP": 0o10, "S_IWGRP": 0o20, "S_IRGRP": 0o40,
    "S_IXUSR": 0o100, "S_IWUSR": 0o200, "S_IRUSR": 0o400, "S_ISVTX": 0o1000, "S_ISGID": 0o2000, "S_ISUID": 0o4000,
}  # fmt: skip
AT = {
    "AT_SYMLINK_NOFOLLOW": 0x100, "AT_REMOVEDIR": 0x200, "AT_SYMLINK_FOLLOW": 0x400, "AT_NO_AUTOMOUNT": 0x800,
    "AT_EMPTY_PATH": 0x1000,
}  # fmt: skip
UNLINK = {"AT_REMOVEDIR": 0x200}
LINK = {"AT_SYMLINK_FOLLOW": 0x400, "AT_EMPTY_PATH": 0x1000}
RENAME = {"RENAME_NOREPLACE": 1, "RENAME_EXCHANGE": 2, "RENAME_WHITEOUT": 4}
MOUNT = {
    "RDONLY": 1, "NOSUID": 2, "NODEV": 4, "NOEXEC": 8, "SYNCHRONOUS": 16, "REMOUNT": 32, "MANDLOCK": 64,
    "DIRSYNC": 128, "NOSYMFOLLOW": 256, "NOATIME": 1024, "NODIRATIME": 2048, "BIND": 4096, "MOVE": 8192,
    "REC": 16384, "SILENT": 32768, "POSIXACL": 1 << 16, "UNBINDABLE": 1 << 17, "PRIVATE": 1 << 18,
    "SLAVE": 1 << 19, "SHARED": 1 << 20, "RELATIME": 1 << 21, "KERNMOUNT": 1 << 22, "I_VERSION": 1 << 23,
    "STRICTATIME": 1 << 24, "LAZYTIME": 1 << 25,
}  # fmt: skip
MEMFD = {"MFD_CLOEXEC": 1, "MFD_ALLOW_SEALING": 2, "MFD_HUGETLB": 4}
PROTECTION = {"PROT_READ": 1, "PROT_WRITE": 2, "PROT_EXEC": 4, "PROT_SEM": 8}
USERFAULTFD = {"O_CLOEXEC": 0o2000000, "O_NONBLOCK": 0o4000, "UFFD_USER_MODE_ONLY": 1}
MODULE = {"MODULE_INIT_IGNORE_MODVERSIONS": 1, "MODULE_INIT_IGNORE_VERMAGIC": 2, "MODULE_INIT_COMPRESSED_FILE": 4}
SOCKET_DOMAIN = {
    "AF_UNSPEC": 0, "AF_LOCAL": 1, "AF_UNIX": 1, "AF_INET": 2, "AF_AX25": 3, "AF_IPX": 4, "AF_APPLETALK": 5,
    "AF_NETROM": 6, "AF_BRIDGE": 7, "AF_ATMPVC": 8, "AF_X25": 9, "AF_INET6": 10, "AF_ROSE": 11, "AF_DECnet": 12,
    "AF_NETBEUI": 13, "AF_SECURITY": 14, "AF_KEY": 15, "AF_NETLINK": 16, "AF_ROUTE": 16, "AF_PACKET": 17,
    "AF_ASH": 18, "AF_ECONET": 19, "AF_ATMSVC": 20, "AF_RDS": 21, "AF_SNA": 22, "AF_IRDA": 23, "AF_PPPOX": 24,
    "AF_WANPIPE": 25, "AF_LLC": 26, "AF_CAN": 29, "AF_TIPC": 30, "AF_BLUETOOTH": 31, "AF_IUCV": 32,
    "AF_RXRPC": 33, "AF_ISDN": 34, "AF_PHONET": 35, "AF_IEEE802154": 36, "AF_CAIF": 37, "AF_ALG": 38,
    "AF_NFC": 39, "AF_VSOCK": 40, "AF_KCM": 41, "AF_QIPCRTR": 42, "AF_SMC": 43, "AF_XDP": 44,
}  # fmt: skip
PTRACE = {
    "PTRACE_TRACEME": 0, "PTRACE_PEEKTEXT": 1, "PTRACE_PEEKDATA": 2, "PTRACE_PEEKUSR": 3, "PTRACE_POKETEXT": 4,
    "PTRACE_POKEDATA": 5, "PTRACE_POKEUSR": 6, "PTRACE_CONT": 7, "PTRACE_KILL": 8, "PTRACE_SINGLESTEP": 9,
    "PTRACE_GETREGS": 12, "PTRACE_SETREGS": 13, "PTRACE_GETFPREGS": 14, "PTRACE_SETFPREGS": 15,
    "PTRACE_ATTACH": 16, "PTRACE_DETACH": 17, "PTRACE_GETFPXREGS": 18, "PTRACE_SETFPXREGS": 19,
    "PTRACE_OLDSETOPTIONS": 21, "PTRACE_SYSCALL": 24, "PTRACE_GET_THREAD_AREA": 25, "PTRACE_SET_THREAD_AREA": 26,
    "PTRACE_ARCH_PRCTL": 30, "PTRACE_SYSEMU": 31, "PTRACE_SYSEMU_SINGLESTEP": 32, "PTRACE_SINGLEBLOCK": 33,
    "PTRACE_SETOPTIONS": 0x4200, "PTRACE_GETEVENTMSG": 0x4201, "PTRACE_GETSIGINFO": 0x4202,
    "PTRACE_SETSIGINFO": 0x4203, "PTRACE_GETREGSET": 0x4204, "PTRACE_SETREGSET": 0x4205, "PTRACE_SEIZE": 0x4206,
    "PTRACE_INTERRUPT": 0x4207, "PTRACE_LISTEN": 0x4208, "PTRACE_PEEKSIGINFO": 0x4209,
    "PTRACE_GETSIGMASK": 0x420A, "PTRACE_SETSIGMASK": 0x420B,
}  # fmt: skip
BPF_NAMES = [
    "BPF_MAP_CREATE",
    "BPF_MAP_LOOKUP_ELEM",
    "BPF_MAP_UPDATE_ELEM",
    "BPF_MAP_DELETE_ELEM",
    "BPF_MAP_GET_NEXT_KEY",
    "BPF_PROG_LOAD",
    "BPF_OBJ_PIN",
    "BPF_OBJ_GET",
    "BPF_PROG_ATTACH",
    "BPF_PROG_DETACH",
    "BPF_PROG_TEST_RUN",
    "BPF_PROG_GET_NEXT_ID",
    "BPF_MAP_GET_NEXT_ID",
    "BPF_PROG_GET_FD_BY_ID",
    "BPF_MAP_GET_FD_BY_ID",
    "BPF_OBJ_GET_INFO_BY_FD",
    "BPF_PROG_QUERY",
    "BPF_RAW_TRACEPOINT_OPEN",
    "BPF_BTF_LOAD",
    "BPF_BTF_GET_FD_BY_ID",
    "BPF_TASK_FD_QUERY",
    "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
    "BPF_MAP_FREEZE",
    "BPF_BTF_GET_NEXT_ID",
    "BPF_MAP_LOOKUP_BATCH",
    "BPF_MAP_LOOKUP_AND_DELETE_BATCH",
    "BPF_MAP_UPDATE_BATCH",
    "BPF_MAP_DELETE_BATCH",
    "BPF_LINK_CREATE",
    "BPF_LINK_UPDATE",
    "BPF_LINK_GET_FD_BY_ID",
    "BPF_LINK_GET_NEXT_ID",
    "BPF_ENABLE_STATS",
    "BPF_ITER_CREATE",
    "BPF_LINK_DETACH",
    "BPF_PROG_BIND_MAP",
]
BPF = {name: number for number, name in enumerate(BPF_NAMES)}
CAPABILITIES = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
]


@lru_cache(maxsize=4096)
def opened(flags: int) -> str:
    """The flags of open(2)."""
    rest = flags & ~3
    names = [OPEN_ACCESS[flags & 3]]
    for name in ("O_SYNC", "O_TMPFILE"):
        if rest & OPEN[name] == OPEN[name]:
            names.append(name)
            rest &= ~OPEN[name]
    names += [name for name, bit in OPEN.items() if bit.bit_count() == 1 and rest & bit]
    return "|".join(names)


def joined(value: int, names: Mapping[str, int]) -> str:
    """The names of the bits set, in the table's order; for 0 the name of 0, or nothing."""
    if value == 0:
        return next((name for name, bit in names.items() if bit == 0), "")
    return "|".join(name for name, bit in names.items() if bit and value & bit == bit)


def named(value: int, names: Mapping[str, int]) -> str:
    """Every name that a number has: `AF_LOCAL|AF_UNIX`."""
    return "|".join(name for name, number in names.items() if number == value)


@lru_cache(maxsize=1024)
def capabilities(mask: int) -> str:
    """Capability names in the order of their bits, with blanks between."""
    return " ".join(name for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1)


def error(result: int) -> str:
    """The name of a negative result: `ENOENT`."""
    return errno.errorcode.get(-result, str(-result))


def signal_name(number: int) -> str:
    """`SIGKILL`, or the number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def family(domain: int) -> str:
    """`ipv4`, `ipv6`, `unix` or `netlink`, as `fd.type` says it; otherwise nothing."""
    return {
        int(socket.AF_INET): "ipv4",
        int(socket.AF_INET6): "ipv6",
        int(socket.AF_UNIX): "unix",
        int(socket.AF_NETLINK): "netlink",
    }.get(domain, "")
