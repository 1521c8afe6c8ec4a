"""The wire format of an alert: what a sensor posts and what Falco's `http_output` sends.

Keys and types are Falco's JSON output (falco.org/docs/concepts/outputs/formatting), plus `uuid`, the
alert's identity, and `held_back`, how many alerts of the rule the sensor's limiter dropped before this one.
"""

import os
import re
import time
from enum import IntEnum
from typing import Any
from uuid import UUID

import msgspec


class Priority(IntEnum):
    """Severity, most severe first: syslog's numbers, Falco's names."""

    EMERGENCY = 0
    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFORMATIONAL = 6
    DEBUG = 7

    @property
    def label(self) -> str:
        """The name as Falco prints it: `Warning`."""
        return self.name.capitalize()

    @classmethod
    def named(cls, name: str) -> "Priority":
        """Read a priority's name in any case, `info` included; raises ValueError with the names allowed."""
        try:
            return cls[{"INFO": "INFORMATIONAL"}.get(name.upper(), name.upper())]
        except KeyError:
            allowed = ", ".join(priority.name.lower() for priority in cls)
            raise ValueError(f"{name!r} is not a priority; use one of {allowed}") from None


# `12:34:56.123456789: Warning `, or with the day and the zone where Falco's `time_format_iso_8601` is on.
_PREFIX = re.compile(
    r"(\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d\.\d{9}([+-]\d{4}|Z)?: "
    rf"({'|'.join(priority.label for priority in Priority)}) "
)


def without_prefix(output: str) -> str:
    """An alert's `output` without the time and the priority in front, for places that show both beside it."""
    prefix = _PREFIX.match(output)
    return output[prefix.end() :] if prefix else output


class Alert(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A rule's match, a fact. `time` is RFC 3339 in UTC with nine decimals."""

    time: str
    rule: str
    priority: str
    output: str = ""
    source: str = "syscall"
    hostname: str = ""
    output_fields: dict[str, Any] = {}
    tags: list[str] = []
    uuid: str | None = None
    held_back: int = 0


def new_uuid(now_ns: int | None = None) -> UUID:
    """A version 7 UUID (RFC 9562 section 5.7): ordered by time, so storage can be partitioned by its day."""
    milliseconds = (time.time_ns() if now_ns is None else now_ns) // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def rfc3339(time_ns: int) -> str:
    """Nanoseconds since the epoch as `2026-11-23T12:34:56.123456789Z`."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"
