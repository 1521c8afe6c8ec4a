"""Why a rule matched or not, as a tree of what held."""

from sensor.event import Event, Process
from sensor.rules import explain, load

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
