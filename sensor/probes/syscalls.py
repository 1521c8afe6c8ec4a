"""The two system calls the probes need and the C library has no wrappers for: bpf(2), perf_event_open(2).

All raise OSError with the kernel's reason.
"""

import ctypes
import fcntl
import os
import struct

_NUMBERS = {"x86_64": {"perf_event_open": 298, "bpf": 321}}
"""From the kernel's arch/x86/entry/syscalls/syscall_64.tbl."""

_BPF_MAP_CREATE, _BPF_PROG_LOAD, _BPF_RAW_TRACEPOINT_OPEN = 0, 5, 17
_PERF_TYPE_TRACEPOINT = 2
_PERF_FLAG_FD_CLOEXEC = 8
_PERF_EVENT_IOC_ENABLE = 0x2400
_PERF_EVENT_IOC_SET_BPF = 0x40042408

PROGRAM_TRACEPOINT, PROGRAM_RAW_TRACEPOINT = 5, 17
"""enum bpf_prog_type."""

_INSTRUCTION_BYTES = 8
_LOG_BYTES = 1 << 20
_ATTRIBUTE_BYTES = 128

_libc = ctypes.CDLL(None, use_errno=True)


def supported_machine() -> bool:
    """Whether this processor's system call numbers are known; the probes know the same processors."""
    return os.uname().machine in _NUMBERS


def mount(kind: str, place: str) -> None:
    """mount(2) of a virtual file system."""
    if _libc.mount(b"nodev", place.encode(), kind.encode(), ctypes.c_ulong(0), None) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _call(name: str, *arguments: object) -> int:
    number = ctypes.c_long(_NUMBERS[os.uname().machine][name])
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _bpf(command: int, attributes: bytes) -> int:
    # The kernel wants the part of union bpf_attr it does not know, and we do not fill, to be zero.
    block = ctypes.create_string_buffer(attributes, _ATTRIBUTE_BYTES)
    return _call("bpf", command, block, ctypes.c_uint(_ATTRIBUTE_BYTES))


def create_map(kind: int, key_size: int, value_size: int, entries: int, flags: int, name: str) -> int:
    """A new map's descriptor; `kind` is one of enum bpf_map_type."""
    head = struct.pack("=7I", kind, key_size, value_size, entries, flags, 0, 0)
    return _bpf(_BPF_MAP_CREATE, head + name.encode()[:15])


def load_program(kind: int, instructions: bytes, name: str) -> int:
    """A loaded program's descriptor; an OSError's text ends with the verifier's last words."""
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(b"GPL")

    def attempt(log: "ctypes.Array[ctypes.c_char] | None") -> int:
        level, size, place = (1, len(log), ctypes.addressof(log)) if log is not None else (0, 0, 0)
        attributes = struct.pack(
            "=IIQQIIQII",
            kind,
            len(instructions) // _INSTRUCTION_BYTES,
            ctypes.addressof(code),
            ctypes.addressof(licence),
            level,
            size,
            place,
            0,
            0,
        )
        return _bpf(_BPF_PROG_LOAD, attributes + name.encode()[:15])

    try:
        return attempt(None)
    except OSError as error:
        # Once more, for the reason: a log for every program that loads would only cost time.
        log = ctypes.create_string_buffer(_LOG_BYTES)
        try:
            return attempt(log)
        except OSError:
            said = log.value.decode(errors="replace").strip().splitlines()
            reason = "; ".join([error.strerror or str(error), *said[-3:]])
            raise OSError(error.errno, reason) from error


def attach_tracepoint(program: int, number: int) -> int:
    """Run a program at the tracepoint that tracefs gives this number; the descriptor keeps it attached."""
    # struct perf_event_attr, first version (64 bytes): type, size, config, sample_period; the rest is zero.
    attributes = ctypes.create_string_buffer(struct.pack("=IIQQ", _PERF_TYPE_TRACEPOINT, 64, number, 1), 64)
    fd = _call("perf_event_open", attributes, -1, 0, -1, ctypes.c_ulong(_PERF_FLAG_FD_CLOEXEC))
    try:
        fcntl.ioctl(fd, _PERF_EVENT_IOC_SET_BPF, program)
        fcntl.ioctl(fd, _PERF_EVENT_IOC_ENABLE, 0)
    except OSError:
        os.close(fd)
        raise
    return fd


def attach_raw_tracepoint(program: int, name: str) -> int:
    """Run a program at a raw tracepoint; the descriptor keeps it attached."""
    text = ctypes.create_string_buffer(name.encode())
    return _bpf(_BPF_RAW_TRACEPOINT_OPEN, struct.pack("=QI", ctypes.addressof(text), program))
