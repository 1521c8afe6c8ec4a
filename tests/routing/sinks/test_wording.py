import dataclasses

import pytest

from routing.sinks import wording
from sensor.alert import Priority
from tests.routing.sinks import samples


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ("firing", "Warning: Read sensitive file on node-7 (and 1 more)"),
        ("resolved", "Resolved: Read sensitive file on node-7 (and 1 more)"),
        ("acknowledged", "Acknowledged: Read sensitive file on node-7 (and 1 more)"),
        ("test", "Test: Read sensitive file on node-7 (and 1 more)"),
    ],
)
def test_a_headline_says_what_where_and_how_many(event: str, line: str) -> None:
    assert wording.headline(samples.message(event)) == line


@pytest.mark.parametrize(("others", "said"), [(1, "from 1 other group"), (12, "from 12 other groups")])
def test_the_headline_of_a_digest_says_that_it_is_one(others: int, said: str) -> None:
    message = samples.message(alert_count=38, other_groups=others)
    assert wording.headline(message) == f"Warning: Read sensitive file on node-7 (and 37 more of this rule, {said})"


def test_a_headline_without_host_and_of_one_alert_is_short() -> None:
    message = samples.message("firing", samples.alert(hostname=""), alert_count=1)
    assert wording.headline(message) == "Warning: Read sensitive file"


def test_the_colour_is_the_priorities_and_green_when_it_is_over() -> None:
    assert set(wording.COLOURS) == set(Priority)
    assert wording.colour(samples.message()) == wording.COLOURS[Priority.WARNING]
    assert wording.colour(samples.message("resolved")) == wording.GREEN


def test_what_is_not_known_is_left_out() -> None:
    alert = samples.alert(hostname="", output_fields={"container.id": "host", "k8s.ns.name": "<NA>", "user.uid": 0})
    assert wording.facts(alert) == [("Rule", "Read sensitive file"), ("Priority", "Warning"), ("User", "0")]
    assert wording.process_tree(alert) == wording.command_line(alert) == ""


def test_the_process_tree_ends_where_an_ancestor_is_missing() -> None:
    fields = {"proc.name": "cat", "proc.aname[1]": "bash", "proc.aname[3]": "init"}
    assert wording.process_tree(dataclasses.replace(samples.alert(), output_fields=fields)) == "bash → cat"


@pytest.mark.parametrize(("text", "limit", "cut"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 1, ""), ("ab", 1, "…")])
def test_cutting_says_that_it_cut(text: str, limit: int, cut: str) -> None:
    assert wording.cut(text, limit) == cut


def test_one_line_is_one_line() -> None:
    assert wording.one_line("a\r\nBcc:\x00 b\x1b[31m\u2028c") == "a Bcc: b [31m c"
