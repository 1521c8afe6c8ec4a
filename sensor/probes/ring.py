"""Read a BPF ring buffer and small shared maps through mmap: no bcc, no system call per event.

The layout is the kernel's Documentation/bpf/ringbuf.rst: one page with the consumer's position, which we
write, one with the producer's, then the data mapped twice in a row, so that no record is ever split.
"""

import ctypes
import mmap
import time
from collections.abc import Iterator

LOOK_SECONDS = 0.01
"""How often an empty buffer is looked at. The probes wake nobody: a wake-up for every event would cost the
traced program and the sensor more than the event itself."""

_BUSY = 1 << 31
_DISCARD = 1 << 30
_RECORD_HEADER = 8
_PAGE = mmap.PAGESIZE


class Ring:
    """The consumer's end of the ring buffer map behind the descriptor `fd`, `size` bytes of data."""

    def __init__(self, fd: int, size: int) -> None:
        self._mask = size - 1
        self._consumer = mmap.mmap(fd, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._producer = mmap.mmap(fd, _PAGE + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=_PAGE)
        # A c_uint64 is stored with one 8-byte move; the kernel must never see half a position.
        self._position = ctypes.c_uint64.from_buffer(self._consumer)
        self._header = memoryview(self._producer)[:8].cast("Q")

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something to read, after at most `timeout_s` seconds."""
        end = time.monotonic() + timeout_s
        while self._header[0] == self._position.value:
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, LOOK_SECONDS))
        return True

    def records(self) -> Iterator[bytes]:
        """Every record that is there now, oldest first."""
        position, end = self._position.value, self._header[0]
        data, mask = self._producer, self._mask
        while position < end:
            at = (position & mask) + _PAGE
            length = int.from_bytes(data[at : at + 4], "little")
            if length & _BUSY:
                return
            record = b"" if length & _DISCARD else data[at + _RECORD_HEADER : at + _RECORD_HEADER + length]
            position += ((length & ~_DISCARD) + _RECORD_HEADER + 7) & ~7
            # The room is the kernel's again before anybody works on the record: a slow reader loses less.
            self._position.value = position
            if record:
                yield record

    def pending(self) -> int:
        """Bytes written and not yet read."""
        return self._header[0] - self._position.value

    def close(self) -> None:
        """Give the mappings back; the object is of no use afterwards."""
        self._header.release()
        del self._position
        self._consumer.close()
        self._producer.close()


class SharedArray:
    """An array map of 64-bit values that lies in shared memory (BPF_F_MMAPABLE)."""

    def __init__(self, fd: int, slots: int) -> None:
        self._memory = mmap.mmap(fd, -(-slots * 8 // _PAGE) * _PAGE)
        self._values = memoryview(self._memory).cast("Q")
        self._slots = slots

    def __setitem__(self, slot: int, value: int) -> None:
        self._values[slot] = value

    def total(self) -> int:
        """Sum of all values."""
        return sum(self._values[: self._slots])

    def close(self) -> None:
        """Give the mapping back."""
        self._values.release()
        self._memory.close()
