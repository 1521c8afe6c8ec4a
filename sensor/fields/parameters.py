"""The parameters of events: their order, and how each one's raw value is printed (`evt.arg.flags`, `evt.args`)."""

import posixpath
from collections.abc import Callable
from typing import Any

from sensor.event import Event, RelativePath
from sensor.fields import flags, lookups

# Parameters of the exit event, in order. `|` separates a parameter from the name of how it is printed;
# without one it is printed as it is.
_TABLE = """
open: fd|fd name|path flags|open mode|octal dev ino
openat: fd|fd dirfd|fd name|path flags|open mode|octal dev ino
openat2: fd|fd dirfd|fd name|path flags|open mode|octal resolve dev ino
open_by_handle_at: fd|fd mountfd|fd flags|open path|path dev ino
creat: fd|fd name|path mode|octal dev ino creat_flags
close: res|errno fd|fd
read: res|errno data fd|fd size
write: res|errno data fd|fd size
execve: res|errno exe args tid pid ptid cwd fdlimit pgft_maj pgft_min vm_size vm_rss vm_swap comm cgroups env
    tty vpgid loginuid flags cap_inheritable cap_permitted cap_effective exe_ino exe_ino_ctime exe_ino_mtime
    uid|uid trusted_exepath pgid gid filename|path
execveat: res|errno exe args tid pid ptid cwd fdlimit pgft_maj pgft_min vm_size vm_rss vm_swap comm cgroups env
    tty vpgid loginuid flags cap_inheritable cap_permitted cap_effective exe_ino exe_ino_ctime exe_ino_mtime
    uid|uid trusted_exepath pgid gid
clone: res|errno exe args tid pid ptid cwd fdlimit pgft_maj pgft_min vm_size vm_rss vm_swap comm cgroups
    flags|clone uid|uid gid vtid vpid pidns_init_start_ts
clone3: res|errno exe args tid pid ptid cwd fdlimit pgft_maj pgft_min vm_size vm_rss vm_swap comm cgroups
    flags|clone uid|uid gid vtid vpid pidns_init_start_ts
fork: res|errno exe args tid pid ptid cwd fdlimit
vfork: res|errno exe args tid pid ptid cwd fdlimit
procexit: status|errno ret|errno sig|signal core reaper_tid
socket: fd|fd domain|domain type proto flags
socketpair: res|errno fd1|fd fd2|fd source peer domain|domain type proto
bind: res|errno addr fd|fd
connect: res|errno tuple fd|fd addr
listen: res|errno fd|fd backlog
accept: fd|fd tuple queuepct queuelen queuemax
accept4: fd|fd tuple queuepct queuelen queuemax flags
sendto: res|errno data fd|fd size tuple
recvfrom: res|errno data tuple fd|fd size
sendmsg: res|errno data fd|fd size tuple
recvmsg: res|errno size data tuple msgcontrol fd|fd
send: res|errno data fd|fd size tuple
recv: res|errno data fd|fd size tuple
shutdown: res|errno fd|fd how
ptrace: res|errno addr data request|ptrace pid
rename: res|errno oldpath|path newpath|path
renameat: res|errno olddirfd|fd oldpath|path newdirfd|fd newpath|path
renameat2: res|errno olddirfd|fd oldpath|path newdirfd|fd newpath|path flags|rename
symlink: res|errno target linkpath|path
symlinkat: res|errno target linkdirfd|fd linkpath|path
link: res|errno oldpath|path newpath|path
linkat: res|errno olddir|fd oldpath|path newdir|fd newpath|path flags|link
unlink: res|errno path|path
unlinkat: res|errno dirfd|fd name|path flags|unlink
mkdir: res|errno path|path mode|octal
mkdirat: res|errno dirfd|fd path|path mode|octal
rmdir: res|errno path|path
chmod: res|errno filename|path mode|mode
fchmod: res|errno fd|fd mode|mode
fchmodat: res|errno dirfd|fd filename|path mode|mode
chown: res|errno path|path uid|uid gid
lchown: res|errno path|path uid|uid gid
fchown: res|errno fd|fd uid|uid gid
fchownat: res|errno dirfd|fd pathname|path uid|uid gid flags|at
chdir: res|errno path
fchdir: res|errno fd|fd
chroot: res|errno path|path
mount: res|errno dev dir|path type flags|mount
umount: res|errno name|path flags
umount2: res|errno name|path flags
setuid: res|errno uid|uid
setgid: res|errno gid
setresuid: res|errno ruid|uid euid|uid suid|uid
setresgid: res|errno rgid egid sgid
setreuid: res|errno ruid|uid euid|uid
setregid: res|errno rgid egid
setns: res|errno fd|fd nstype|clone
unshare: res|errno flags|clone
setsid: res
setpgid: res pid pgid
capset: res|errno cap_inheritable|capabilities cap_permitted|capabilities cap_effective|capabilities
prctl: res|errno option arg2_str arg2_int
bpf: fd|fd cmd|bpf
dup: res|errno oldfd|fd
dup2: res|errno oldfd|fd newfd|fd
dup3: res|errno oldfd|fd newfd|fd flags|open
init_module: res|errno img length uargs
finit_module: res|errno fd|fd uargs flags|module
delete_module: res|errno name flags
memfd_create: fd|fd name flags|memfd
userfaultfd: res|errno flags|userfaultfd
mknod: res|errno path|path mode|mode dev
mknodat: res|errno dirfd|fd path|path mode|mode dev
mmap: res addr length prot|protection flags fd|fd offset
mprotect: res|errno addr length prot|protection
kill: res|errno pid sig|signal
tkill: res|errno tid sig|signal
tgkill: res|errno pid tid sig|signal
process_vm_readv: res|errno pid data
process_vm_writev: res|errno pid data
getcwd: res|errno path
ioctl: res|errno fd|fd request argument
fcntl: res|errno fd|fd cmd
pipe: res|errno fd1|fd fd2|fd ino
pipe2: res|errno fd1|fd fd2|fd ino flags|open
epoll_create: res|errno size
seccomp: res|errno op
io_uring_setup: res|errno entries sq_entries cq_entries flags sq_thread_cpu sq_thread_idle features
"""

_OTHER_NAMES = """
    addr argument aux buf_addr clockid component container_id cq_entries cur cwd data desc dirfd1 dirfd2 dpid
    dqb_bhardlimit event_data event_type facility fd_in fd_out fdin fdout fds fds1 fds2 features flags home id
    in_fd info infomask initval interval json key len length level linkdirfd mask max maxevents message
    min_complete mountflags name nativeID newcur newmax next nr_args nsems offin offout offset oldcur oldmax op
    opcode optlen optname out_fd pathname pgoffset plugin_id pos priority protocol quota_fmt quotafilepath ratio
    request resource scope secattr sem_flg_0 semflg semid semnum severity shell sig sigmask sigset size special
    spid status sv tags target_fd timeout to_submit uargs val value value_bytebuf value_charbuf whence
"""


def _read_table() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    for line in _TABLE.replace("\n    ", " ").strip().splitlines():
        name, _, rest = line.partition(":")
        table[name] = dict(part.partition("|")[::2] for part in rest.split())
    return table


BY_EVENT = _read_table()
NAMES = frozenset(_OTHER_NAMES.split()).union(*BY_EVENT.values())

_PRINTERS: dict[str, Callable[[Any], str]] = {
    "open": flags.opened,
    "clone": lambda value: flags.joined(value, flags.CLONE),
    "mode": lambda value: flags.joined(value, flags.MODE),
    "at": lambda value: flags.joined(value, flags.AT),
    "unlink": lambda value: flags.joined(value, flags.UNLINK),
    "link": lambda value: flags.joined(value, flags.LINK),
    "rename": lambda value: flags.joined(value, flags.RENAME),
    "mount": lambda value: flags.joined(value, flags.MOUNT),
    "memfd": lambda value: flags.joined(value, flags.MEMFD),
    "module": lambda value: flags.joined(value, flags.MODULE),
    "protection": lambda value: flags.joined(value, flags.PROTECTION),
    "userfaultfd": lambda value: flags.joined(value, flags.USERFAULTFD),
    "capabilities": flags.capabilities,
    "domain": lambda value: flags.named(value, flags.SOCKET_DOMAIN),
    "ptrace": lambda value: flags.named(value, flags.PTRACE),
    "bpf": lambda value: flags.named(value, flags.BPF),
    "signal": flags.signal_name,
    "errno": lambda value: flags.error(value) if value < 0 else "",
    "octal": lambda value: f"{value:o}" if value else "0",
    "uid": lambda value: _user(value),
}


def _user(uid: int) -> str:
    """A user's name; <NONE> for -1, which stands for no user."""
    if uid in (-1, 0xFFFFFFFF):
        return "<NONE>"
    found = lookups.current().user(uid)
    return found.name if found is not None else "root" if uid == 0 else "<NA>"


def raw_text(value: Any) -> str:
    """A raw value as text: printable characters of a buffer, elements of a list with commas."""
    if isinstance(value, bytes | bytearray):
        return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)


def resolved(event: Event, name: str, value: Any) -> str:
    """What a raw value stands for, or an empty string: flag names, an error's name, a path made absolute."""
    kind = BY_EVENT.get(event.type, {}).get(name, "")
    if kind == "path":
        return absolute(event, value)
    if kind == "fd":
        return _descriptor(event, name, value)
    printer = _PRINTERS.get(kind)
    if printer is None or not isinstance(value, int) or isinstance(value, bool):
        return ""
    return printer(value)


def absolute(event: Event, path: Any) -> str:
    """A relative path made absolute, where the kernel went or else against the process's directory; nothing for one
    that is absolute.
    """
    if isinstance(path, RelativePath):
        return path.absolute
    if not isinstance(path, str) or path.startswith("/"):
        return ""
    if event.proc is None or not event.proc.cwd:
        return ""
    return posixpath.normpath(posixpath.join(event.proc.cwd, path))


def led_to(event: Event, path: str) -> str:
    """A path made absolute and read without `.`, `..` and `//`, so that no spelling of it escapes a rule."""
    return absolute(event, path) or (posixpath.normpath("/" + path.lstrip("/")) if path.startswith("/") else path)


def _descriptor(event: Event, name: str, value: Any) -> str:
    if not isinstance(value, int):
        return ""
    if value < 0:
        return flags.error(value) if name in ("fd", "res") else ""
    fd = event.fd
    if fd is not None and fd.num == value and fd.name is not None:
        protocol = {"tcp": "t", "udp": "u", "icmp": "i"}.get(fd.l4proto or "", "")
        return f"<{fd.typechar or 'o'}{protocol}>{fd.name}"
    return ""


def text(event: Event, name: str) -> str | None:
    """`evt.arg.NAME`: the resolved form, else the raw one; None where the event has no such parameter."""
    value = event.args.get(name)
    if value is None:
        if name == "res" and event.res is not None:
            value = event.res
        elif name == "fd" and event.fd is not None and event.fd.num is not None:
            value = event.fd.num
        elif name in event.args or name in BY_EVENT.get(event.type, ()):
            return "<NA>"
        else:
            return None
    return resolved(event, name, value) or raw_text(value) or "<NA>"


def everything(event: Event) -> str:
    """`evt.args`: every parameter that is there, `name=raw` or `name=raw(resolved)`."""
    known = BY_EVENT.get(event.type, {})
    names = [name for name in known if name in event.args or name == "res"]
    names += [name for name in event.args if name not in known]
    parts = []
    for name in names:
        value = event.args.get(name, event.res if name == "res" else None)
        if value is None:
            continue
        meaning = resolved(event, name, value)
        parts.append(f"{name}={raw_text(value)}({meaning})" if meaning else f"{name}={raw_text(value)}")
    return " ".join(parts)
