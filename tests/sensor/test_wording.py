"""A match put into words and keys."""

import json
from typing import Any

from sensor.alert import Alert, Priority
from sensor.event import Event, Process
from sensor.wording import alert_of, falco_line, prefixed

AT = 1795435200_000000042


class Rule:
    name = "A rule"
    priority = Priority.INFORMATIONAL
    source = "syscall"
    tags = ("a", "b")

    def render(self, event: Event) -> tuple[str, dict[str, Any]]:
        return "text (user=root)", {"user.name": "root"}


def test_an_alert_names_the_process_it_is_about() -> None:
    process = Process(pid=7, start_time=11, start_ticks=13)
    alert = alert_of(Rule(), Event("openat", AT, proc=process, boot_id="boot-1"), "node-1")
    assert alert.output_fields == {
        "user.name": "root",
        "evt.time": AT,
        "proc.pid": 7,
        "proc.pid.ts": 11,
        "proc.start_ticks": 13,
        "proc.boot_id": "boot-1",
    }
    assert alert.time == "2026-11-23T12:00:00.000000042Z"
    assert alert.priority == "Informational"


def test_a_recorded_process_is_of_no_boot() -> None:
    fields = alert_of(Rule(), Event("openat", AT, proc=Process(pid=7)), "node-1").output_fields
    assert "proc.boot_id" not in fields


def test_an_event_without_a_process_names_none() -> None:
    assert alert_of(Rule(), Event("audit", AT), "node-1").output_fields == {"user.name": "root", "evt.time": AT}


def test_the_text_begins_with_time_and_priority() -> None:
    assert prefixed(AT, Priority.WARNING, "x") == "12:00:00.000000042: Warning x"


def test_a_printed_line_has_falcos_keys_in_its_order_and_no_others() -> None:
    line = falco_line(Alert(time="t", rule="r", priority="Warning", uuid="u", held_back=3))
    assert line.endswith(b"\n")
    assert list(json.loads(line)) == [
        "hostname",
        "output",
        "output_fields",
        "priority",
        "rule",
        "source",
        "tags",
        "time",
    ]


def test_bytes_that_are_not_text_do_not_lose_the_line() -> None:
    line = falco_line(Alert(time="t", rule="r", priority="Warning", output_fields={"proc.name": "x\udcff"}))
    assert json.loads(line)["output_fields"]["proc.name"] == "x\ufffd"
