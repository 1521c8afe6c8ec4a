"""`explain` on the command line: the tree, and a status that says whether the rule matched."""

import json

import pytest

from sensor.cli import main

RULES = """
- rule: Secret opened
  desc: d
  condition: evt.type = openat and fd.name = /secret
  output: o
  priority: WARNING
"""


@pytest.fixture
def files(tmp_path):
    rules, events = tmp_path / "rules.yaml", tmp_path / "events.jsonl"
    rules.write_text(RULES)
    lines = [{"evt.type": "openat", "evt.time": 1, "fd.name": name} for name in ("/other", "/secret")]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(rules), str(events)


def test_a_match_and_a_miss_are_told_apart(files, capsys):
    rules, events = files
    assert main(["explain", "Secret opened", events, "--rules", rules]) == 1
    assert "- fd.name = /secret   is '/other'" in capsys.readouterr().out
    assert main(["explain", "Secret opened", events, "--rules", rules, "--number", "2"]) == 0
    assert "rule 'Secret opened' matches" in capsys.readouterr().out


def test_an_event_printed_over_several_lines_is_one_event(files, capsys, tmp_path):
    pretty = tmp_path / "event.json"
    pretty.write_text(json.dumps({"evt.type": "openat", "evt.time": 1, "fd.name": "/secret"}, indent=2))
    assert main(["explain", "Secret opened", str(pretty), "--rules", files[0]]) == 0
    pretty.write_text("{\n")
    assert main(["explain", "Secret opened", str(pretty), "--rules", files[0]]) == 2
    assert "event.json:1" in capsys.readouterr().err


def test_an_event_of_another_source_is_no_match_whatever_its_fields(files, capsys, tmp_path):
    other = tmp_path / "event.json"
    other.write_text('{"evt.type":"openat","evt.time":1,"evt.source":"okta","fd.name":"/secret"}')
    assert main(["explain", "Secret opened", str(other), "--rules", files[0]]) == 1
    assert "it is for syscall, the event is from okta" in capsys.readouterr().out


def test_a_rule_that_counts_says_so(files, capsys, tmp_path):
    counting = tmp_path / "counting.yaml"
    counting.write_text(f"{RULES}  count: {{over: 1m, at_least: 3}}\n")
    assert main(["explain", "Secret opened", files[1], "--rules", str(counting), "--number", "2"]) == 0
    assert "it counts matches, and speaks at 3 within 60 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Secret opend", "{events}"], "did you mean 'Secret opened'?"),
        (["Secret opened", "{events}", "--number", "9"], "has no event number 9"),
        (["Secret opened", "/no/such/file"], "No such file"),
    ],
)
def test_what_cannot_be_explained_is_told(files, capsys, arguments, message):
    rules, events = files
    assert main(["explain", *(one.format(events=events) for one in arguments), "--rules", rules]) == 2
    assert message in capsys.readouterr().err


def test_rules_that_do_not_load_are_told(files, capsys, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(RULES.replace("fd.name", "fd.nmae"))
    assert main(["explain", "Secret opened", files[1], "--rules", str(bad)]) == 2
    assert "did you mean fd.name?" in capsys.readouterr().err
