"""Attach loaded programs to tracepoints with the two system calls it takes.

perf_event_open(2) for tracepoints that tracefs lists, bpf(2) BPF_RAW_TRACEPOINT_OPEN for raw ones. Closing
the descriptor detaches the program, also when the process dies, so nothing is ever left behind.
"""

import ctypes
import fcntl
import os
import struct
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

TRACEFS_PLACES = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))

_SYSTEM_CALLS = {"x86_64": {"perf_event_open": 298, "bpf": 321}}
"""Numbers from the kernel's arch/x86/entry/syscalls/syscall_64.tbl; the C library has no wrappers."""

_PERF_TYPE_TRACEPOINT = 2
_PERF_FLAG_FD_CLOEXEC = 8
_PERF_EVENT_IOC_ENABLE = 0x2400
_PERF_EVENT_IOC_SET_BPF = 0x40042408
_BPF_RAW_TRACEPOINT_OPEN = 17

_libc = ctypes.CDLL(None, use_errno=True)


def supported_machine() -> bool:
    """Whether this processor's system call numbers and registers are known to the probes."""
    return os.uname().machine in _SYSTEM_CALLS


def _system_call(name: str, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    number = _SYSTEM_CALLS[os.uname().machine][name]
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def tracefs() -> Path | None:
    """Where tracefs is mounted, or None."""
    return next((place for place in TRACEFS_PLACES if (place / "events").is_dir()), None)


def mount_tracefs() -> Path:
    """Mount tracefs at its usual place, as `mount -t tracefs nodev /sys/kernel/tracing` does.

    systemd does this at boot; a container or a minimal system may not. Raises OSError if refused.
    """
    place = TRACEFS_PLACES[0]
    if _libc.mount(b"nodev", str(place).encode(), b"tracefs", ctypes.c_ulong(0), None) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"mounting tracefs at {place}: {os.strerror(code)}")
    log.info("tracefs_mounted", place=str(place))
    return place


def tracepoint(program: int, name: str, events: Path) -> int:
    """Attach a program to `category:event`; returns the descriptor that holds it.

    `events` is the events folder of tracefs. Raises FileNotFoundError where the kernel has no such
    tracepoint, OSError where it refuses.
    """
    category, event = name.split(":")
    number = int((events / category / event / "id").read_text())
    # struct perf_event_attr, first version: type, size, config, sample_period, ... ; the rest is zero.
    attributes = ctypes.create_string_buffer(struct.pack("IIQQ", _PERF_TYPE_TRACEPOINT, 112, number, 1), 112)
    fd = _system_call(
        "perf_event_open",
        attributes,
        -1,
        0,
        -1,
        ctypes.c_ulong(_PERF_FLAG_FD_CLOEXEC),  # type: ignore[arg-type]
    )
    try:
        fcntl.ioctl(fd, _PERF_EVENT_IOC_SET_BPF, program)
        fcntl.ioctl(fd, _PERF_EVENT_IOC_ENABLE, 0)
    except OSError:
        os.close(fd)
        raise
    return fd


def raw_tracepoint(program: int, name: str) -> int:
    """Attach a program to a raw tracepoint; returns the descriptor that holds it, raises OSError."""
    text = ctypes.create_string_buffer(name.encode())
    attributes = ctypes.create_string_buffer(struct.pack("QI", ctypes.addressof(text), program), 16)
    return _system_call("bpf", _BPF_RAW_TRACEPOINT_OPEN, attributes, 16)
