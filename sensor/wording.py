"""A matched rule and its event as an alert, in the words and keys of Falco's JSON output."""

import re
import time
from collections.abc import Iterable
from typing import Any, Protocol

import orjson

from sensor.alert import Alert, Priority, rfc3339
from sensor.event import Event

_SURROGATE = re.compile("[\ud800-\udfff]")


class Worded(Protocol):
    """What of a rule an alert is made from."""

    @property
    def name(self) -> str: ...
    @property
    def priority(self) -> Priority: ...
    @property
    def source(self) -> str: ...
    @property
    def tags(self) -> Iterable[str]: ...
    def render(self, event: Event) -> tuple[str, dict[str, Any]]: ...


def alert_of(rule: Worded, event: Event, hostname: str) -> Alert:
    """The alert, with the process's identity added so that a response can be sure whom it means."""
    text, output_fields = rule.render(event)
    output_fields["evt.time"] = event.time
    if event.proc is not None:
        output_fields["proc.pid"] = event.proc.pid
        output_fields["proc.pid.ts"] = event.proc.start_time
        output_fields["proc.start_ticks"] = event.proc.start_ticks
        if event.boot_id is not None:
            # Ticks count from the boot: they name a process only together with it.
            output_fields["proc.boot_id"] = event.boot_id
    return Alert(
        time=rfc3339(event.time),
        rule=rule.name,
        priority=rule.priority.label,
        output=prefixed(event.time, rule.priority, text),
        source=rule.source,
        hostname=hostname,
        output_fields=output_fields,
        tags=list(rule.tags),
    )


def prefixed(time_ns: int, priority: Priority, text: str) -> str:
    """`12:34:56.123456789: Warning text`, in UTC."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    clock = time.strftime("%H:%M:%S", time.gmtime(seconds))
    return f"{clock}.{nanoseconds:09d}: {priority.label} {text}"


def falco_line(alert: Alert) -> bytes:
    """One line of JSON with the keys Falco prints, sorted as it sorts them."""
    line: dict[str, Any] = {
        "hostname": alert.hostname,
        "output": alert.output,
        "output_fields": alert.output_fields,
        "priority": alert.priority,
        "rule": alert.rule,
        "source": alert.source,
        "tags": alert.tags,
        "time": alert.time,
    }
    option = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    try:
        return orjson.dumps(line, option=option)
    except TypeError:
        return orjson.dumps(readable(line), option=option)


def readable(value: Any) -> Any:
    """The same value with U+FFFD for every lone surrogate: a byte of a name that is not UTF-8."""
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {readable(key): readable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [readable(item) for item in value]
    return value
