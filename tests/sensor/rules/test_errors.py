"""What people are told about the mistakes they make most: where it is, what it is, and what was probably meant."""

from pathlib import Path

import pytest
import yaml

from sensor.rules import load
from sensor.rules.errors import RuleError, Source, Span

ERRORS = Path(__file__).parent / "errors"
CONDITIONS = yaml.safe_load((ERRORS / "conditions.yaml").read_text())
FILES = yaml.safe_load((ERRORS / "files.yaml").read_text())


def file_with(case: dict) -> str:
    items = [{"list": name, "items": items} for name, items in case.get("lists", {}).items()]
    items += [{"macro": name, "condition": text} for name, text in case.get("macros", {}).items()]
    head = yaml.safe_dump(items) if items else ""
    condition = case["condition"].replace("'", "''")
    return f"{head}- rule: r\n  desc: d\n  condition: '{condition}'\n  output: o\n  priority: INFO\n"


@pytest.mark.parametrize("case", CONDITIONS, ids=[case["mistake"] for case in CONDITIONS])
def test_a_mistake_in_a_condition_is_shown_at_its_place_with_a_guess(case):
    ruleset = load([("mine.yaml", file_with(case))])
    error = ruleset.errors[0]
    assert case["message"] in error.message
    assert error.hint == case.get("hint", "")
    quotes_before = case["condition"][: case["column"] - 1].count("'")
    assert error.column == len("  condition: '") + case["column"] + quotes_before
    line, caret = error.snippet.splitlines()
    assert line.startswith("  condition: ")
    assert caret.index("^") == error.column - 1
    assert str(error).startswith(f"mine.yaml:{error.line}:{error.column}: {error.message} [{error.code}]\n    ")


@pytest.mark.parametrize("case", FILES, ids=[case["mistake"] for case in FILES])
def test_a_mistake_in_a_file_is_shown_at_its_place_with_a_guess(case):
    ruleset = load([("mine.yaml", case["file"])])
    error = ruleset.errors[0]
    assert error.code == case["code"]
    assert case["message"] in error.message
    assert case.get("hint", "") in error.hint
    assert error.line == case.get("line", error.line)
    assert error.column == case.get("column", error.column)
    assert ruleset.rules == []


def test_all_errors_of_all_files_are_told_at_once():
    bad = "- rule: {}\n  desc: d\n  condition: proc.nmae = a and fd.nmae = b\n  output: '%x.y'\n  priority: INFO\n"
    ruleset = load(
        [("one.yaml", bad.format("a") + bad.format("b")), ("two.yaml", bad.format("c")), ("three.yaml", "x")]
    )
    places = [(error.file, error.line) for error in ruleset.errors]
    assert places.count(("one.yaml", 3)) == 2
    assert places.count(("one.yaml", 8)) == 2
    assert ("two.yaml", 4) in places
    assert ("three.yaml", 1) in places


def test_an_error_in_a_macro_used_by_many_rules_is_told_once():
    macro = "- macro: m\n  condition: proc.nmae = a\n"
    rule = "- rule: r{}\n  desc: d\n  condition: m\n  output: o\n  priority: INFO\n"
    assert len(load([("f.yaml", macro + "".join(rule.format(n) for n in range(5)))]).errors) == 1


def test_a_long_line_is_cut_around_the_place():
    text = "x" * 500 + "!" + "y" * 500
    error = RuleError("C", "m", Span(Source("f", text), 500, 501))
    line, caret = error.snippet.splitlines()
    assert len(line) <= 160
    assert line[caret.index("^")] == "!"


def test_tabs_before_the_place_stay_tabs_so_that_the_caret_lines_up():
    error = RuleError("C", "m", Span(Source("f", "\ta = b"), 3, 4))
    assert error.snippet == "\ta = b\n\t  ^"


def test_one_rules_wrong_priority_condition_and_output_are_told_together():
    wrong = "- rule: r\n  desc: d\n  condition: no_macro and a.b = 1\n  output: '%x.y'\n  priority: HIGH\n"
    ruleset = load([("mine.yaml", wrong)])
    assert [error.line for error in ruleset.errors] == [5, 3, 4]
    assert ruleset.rules == []
