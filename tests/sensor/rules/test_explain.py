"""Why a rule matched or not, as a tree of what held."""

import pytest

from sensor.event import Event, Process
from sensor.fields import SYSCALL
from sensor.rules import explain, load
from sensor.rules.errors import RuleError

FILE = """
- macro: shell
  condition: proc.name in (sh, bash)
- rule: r
  desc: d
  condition: evt.type = execve and (shell or proc.pid = 1) and not proc.pname = sshd
  output: o
  priority: INFO
"""


def explained(event: Event) -> list[str]:
    ruleset = load([("f", FILE)])
    return list(explain.lines(explain.explain(ruleset.rules[0], event, ruleset.definitions)))


def test_every_part_says_whether_it_held_and_what_its_field_was():
    parent = Process(pid=1, name="cron")
    assert explained(Event(type="execve", time=0, proc=Process(pid=5, name="sh", parent=parent))) == [
        "+ all of",
        "  + evt.type = execve   is 'execve'",
        "  + any of",
        "    + proc.name in (sh, bash)   is 'sh'   (macro shell)",
        "    - proc.pid = 1   is 5",
        "  + not",
        "    - proc.pname = sshd   is 'cron'",
    ]


def test_a_missing_field_is_shown_as_missing():
    lines = explained(Event(type="openat", time=0))
    assert lines[0] == "- all of"
    assert "    - proc.name in (sh, bash)   is <NA>   (macro shell)" in lines


def test_a_condition_that_stands_alone_is_explained_in_the_same_way():
    event = Event(type="execve", time=0, proc=Process(pid=5, name="sh"))
    part = explain.explain_condition("proc.name = sh and proc.pid = 1", event, SYSCALL)
    assert list(explain.lines(part)) == ["- all of", "  + proc.name = sh   is 'sh'", "  - proc.pid = 1   is 5"]
    with pytest.raises(RuleError, match="nonexistent field"):
        explain.explain_condition("proc.nmae = sh", event, SYSCALL)
