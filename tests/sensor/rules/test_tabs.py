"""Tabs in rule files: taken where nothing depends on them, as in Falco, and an error where they indent."""

import pytest

from sensor.rules import load, tabs

RULE = "- rule: r\n  desc: d\n  condition: evt.type = open and proc.name in (a)\n  output: o\n  priority: INFO\n"


@pytest.mark.parametrize(
    "text",
    [
        "- list: a\n  items: [x]\n\t\n" + RULE,
        "- list: a\n  items: [x]\n\t# a comment\n  \t # another\n" + RULE,
        "- list: a\n  items: [\n\tx,\t# one, [ of\n\t\ty, 'it''s]', \"a\\\"]\"\n\t]\n" + RULE,
        "- list: a\r\n  items: [\r\n\tx,\r\n\ty\r\n\t]\r\n\t\r\n" + RULE.replace("\n", "\r\n"),
        "-\n  list: a\n  items:\n    - x\n\t\n    - y\n" + RULE,
        RULE + "  exceptions:\n    - {name: e,\n\tfields: [proc.name],\n\tvalues: [[x],\n\t\t[y]]}\n",
        RULE.replace("condition: ", "condition: >\n\t\n    "),
    ],
)
def test_a_tab_on_which_nothing_depends_is_taken(text):
    ruleset = load([("f", text)])
    assert ruleset.errors == []
    assert [rule.name for rule in ruleset.rules] == ["r"]


@pytest.mark.parametrize(
    "text",
    [
        "- list: a\n\titems: [x]\n",
        "- list: a\n  items: [x]\n\t- list: b\n\t  items: [x]\n",
        "- list: a\n  items:\n\t- x\n",
        RULE.replace("  output", "\toutput"),
        RULE.replace("(a)", "(a) and proc.aname[2] = b").replace("  output", "\toutput"),
    ],
)
def test_a_tab_that_indents_is_an_error(text):
    (error,) = load([("f", text)]).errors
    assert error.code == "LOAD_ERR_YAML_PARSE"
    assert error.hint == "YAML is indented with blanks, not with tabs"


def test_every_character_keeps_its_place():
    text = "- list: a\n  items: [\n\tx,\n \t y]\n\t\n\tz: 1\n"
    assert tabs.as_blanks(text) == "- list: a\n  items: [\n x,\n   y]\n \n\tz: 1\n"
