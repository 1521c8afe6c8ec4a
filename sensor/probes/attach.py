"""Attach loaded programs to their tracepoints.

Closing the descriptor detaches the program, also when the process dies, so nothing is ever left behind.
"""

import os
from pathlib import Path

import structlog

from sensor.probes import syscalls
from sensor.probes.errors import ProbeError
from sensor.probes.schema import Program

log = structlog.get_logger(__name__)

TRACEFS_PLACES = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))


def tracefs() -> Path | None:
    """Where tracefs is mounted, or None; also where this user may not look."""
    return next((place for place in TRACEFS_PLACES if os.path.isdir(place / "events")), None)


def events_folder() -> Path:
    """Where tracefs lists the tracepoints; raises ProbeError where it is not mounted and cannot be.

    systemd mounts it at boot; a container or a minimal system may not, then it is done here, as
    `mount -t tracefs nodev /sys/kernel/tracing` does.
    """
    place = tracefs()
    if place is None:
        place = TRACEFS_PLACES[0]
        try:
            syscalls.mount("tracefs", str(place))
        except OSError as error:
            raise ProbeError(
                f"tracefs is not mounted and cannot be ({error.strerror}); run as root: mount -t tracefs nodev {place}"
            ) from error
        log.info("tracefs_mounted", place=str(place))
    return place / "events"


def attach(program: Program, fd: int, events: Path) -> int:
    """Attach the loaded program `fd`; returns the descriptor that keeps it attached.

    Raises FileNotFoundError where the kernel has no such tracepoint, OSError where it refuses.
    """
    if program.raw:
        return syscalls.attach_raw_tracepoint(fd, program.tracepoint)
    category, event = program.tracepoint.split(":")
    return syscalls.attach_tracepoint(fd, int((events / category / event / "id").read_text()))
