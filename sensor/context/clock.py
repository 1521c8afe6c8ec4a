"""The kernel's clock and ours: nanoseconds since boot to nanoseconds since the epoch, and clock ticks."""

import os
import time
from pathlib import Path

NANOSECONDS = 1_000_000_000
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_TICK = NANOSECONDS // TICKS_PER_SECOND


def boot_id() -> str:
    """Changes with every boot of this kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def boot_offset() -> int:
    """What to add to a time since boot to get a time since the epoch, in nanoseconds.

    It changes when somebody sets the clock, so a process's identity must be built with one offset that is
    kept (`BootClock`), and an event's time with a fresh one.
    """
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def ticks(since_boot_ns: int) -> int:
    """A start time since boot in the unit of /proc/PID/stat field 22."""
    return since_boot_ns // _TICK


def from_ticks(count: int) -> int:
    """The earliest time since boot, in nanoseconds, that reads as `count` ticks."""
    return count * _TICK
