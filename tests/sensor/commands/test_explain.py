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
