"""`check` on the command line, beyond one file: directories, conditions, descriptions, bytes that are no text."""

import json

import pytest

from sensor.cli import main

RULE = "- rule: {}\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: INFO\n"


def test_a_directory_is_its_rule_files_in_the_order_of_their_names(tmp_path, capsys):
    (tmp_path / "b.yaml").write_text(RULE.format("b"))
    (tmp_path / "a.yml").write_text(RULE.format("a"))
    (tmp_path / "notes.txt").write_text("no rules")
    assert main(["check", str(tmp_path), "--describe"]) == 0
    assert [rule["info"]["name"] for rule in json.loads(capsys.readouterr().out)["rules"]] == ["a", "b"]


def test_a_file_that_is_not_text_is_an_error_and_no_crash(tmp_path, capsys):
    (tmp_path / "rules.yaml").write_bytes(b"- list: \xff\n")
    assert main(["check", str(tmp_path / "rules.yaml")]) == 1
    assert "not UTF-8" in capsys.readouterr().out


def test_a_condition_is_printed_in_its_canonical_form_with_its_event_types(capsys):
    assert main(["check", "--condition", "evt.type in (open,openat)and(fd.name='/a b')"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown == ['(evt.type in (open, openat) and fd.name = "/a b")', "event types: open, openat"]
    assert main(["check", "--condition", "ka.verb = get", "--source", "k8s_audit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"valid": True, "condition": "ka.verb = get", "event_types": None}


def test_a_wrong_condition_is_told_as_json_with_its_place(capsys):
    assert main(["check", "--condition", "proc.nmae = a", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], told["line"], told["column"], told["hint"]) == (False, 1, 1, "did you mean proc.name?")


def test_a_directory_without_rule_files_is_told(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 2
    assert "there is no .yaml or .yml file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the rule files"),
        (["/no/such/file.yaml"], "No such file"),
        (["--condition", "a", "--source", "mainframe"], "use one of syscall"),
    ],
)
def test_what_cannot_be_checked_is_told(arguments, message, capsys):
    assert main(["check", *arguments]) == 2
    assert message in capsys.readouterr().err
