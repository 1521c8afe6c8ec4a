"""Rule files as wholes: what redefines, appends to and overrides what, and what loads with a warning only."""

import pytest
import yaml

from sensor.event import Event, Process
from sensor.fields import SYSCALL
from sensor.rules import RuleSet, load

RULE = """
- rule: r
  desc: first
  condition: evt.type = execve
  output: first %proc.name
  priority: NOTICE
  tags: [b, a]
"""


AUDIT = RULE.replace("evt.type = execve", "ka.verb = <NA>").replace("%proc.name", "o") + "  source: k8s_audit\n"


def loaded(*files: str) -> RuleSet:
    return load([(f"{number}.yaml", text) for number, text in enumerate(files, 1)])


def good(*files: str) -> RuleSet:
    ruleset = loaded(*files)
    assert ruleset.errors == []
    return ruleset


def codes(ruleset: RuleSet) -> list[str]:
    return [one.code for one in ruleset.warnings]


def test_a_rule_has_what_its_file_says_of_it():
    (rule,) = good(RULE).rules
    assert (rule.name, rule.desc, rule.priority.label, rule.source) == ("r", "first", "Notice", "syscall")
    assert (rule.tags, rule.enabled, rule.event_types) == (["a", "b"], True, {"execve"})
    event = Event(type="execve", time=0, proc=Process(pid=1, name="sh"))
    assert rule.matches(event) is True
    assert rule.render(event) == ("first sh", {"proc.name": "sh"})


def test_a_later_definition_replaces_an_earlier_one_in_its_place():
    other = RULE.replace("rule: r", "rule: other")
    ruleset = good(RULE + other, RULE.replace("first", "second"))
    assert [(rule.name, rule.desc) for rule in ruleset.rules] == [("r", "second"), ("other", "first")]


def test_a_rule_can_be_appended_to_and_overridden_at_once():
    change = """
- rule: r
  desc: more
  condition: and proc.name = sh
  output: "pid=%proc.pid"
  tags: [c, a]
  priority: CRITICAL
  enabled: false
  override: {desc: append, condition: append, output: append, tags: append, priority: replace, enabled: replace}
"""
    (rule,) = good(RULE, change).rules
    assert str(rule.condition) == "(evt.type = execve and proc.name = sh)"
    assert rule.output.text == "first %proc.name pid=%proc.pid"
    assert (rule.desc, rule.tags, rule.priority.label, rule.enabled) == (
        "first more",
        ["a", "b", "c"],
        "Critical",
        False,
    )


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("capture", "true", lambda rule: rule.definition.capture),
        ("capture_duration", "500", lambda rule: rule.definition.capture_duration == 500),
        ("warn_evttypes", "false", lambda rule: not rule.definition.warn_evttypes),
        ("skip-if-unknown-filter", "true", lambda rule: rule.definition.skip_if_unknown_filter),
        ("enabled", "no", lambda rule: not rule.enabled),
        ("tags", "[x]", lambda rule: rule.tags == ["x"]),
        ("output", "new", lambda rule: rule.output.text == "new"),
        ("condition", "evt.type = open", lambda rule: rule.event_types == {"open"}),
    ],
)
def test_each_key_can_be_replaced(key, value, read):
    (rule,) = good(RULE, f"- rule: r\n  {key}: {value}\n  override: {{{key}: replace}}\n").rules
    assert read(rule)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "priority: INFO\n  override: {priority: append}",
            "Key 'priority' cannot be appended to, use 'replace' instead",
        ),
        ("source: syscall\n  override: {source: replace}", "Key 'source' cannot be replaced"),
        ("desc: x\n  override: {desc: add}", "Invalid override operation for key 'desc': 'add'"),
        ("override: {desc: append}", "An append override for 'desc' was specified but 'desc' is not defined"),
        ("desc: x\n  output: y\n  override: {desc: append}", "Unexpected key 'output'"),
        ("append: true", "Appended rule must have exceptions or condition property"),
        ("override: [desc]", "Value of 'override' is not a map"),
        ("condition: evt.type = open\n  source: okta\n  append: true", "re-defined with a different source"),
    ],
)
def test_an_override_that_cannot_be_is_refused(change, message):
    (error,) = loaded(RULE, f"- rule: r\n  {change}\n").errors
    assert message in error.message
    assert error.file == "2.yaml"


def test_lists_and_macros_are_appended_to_and_replaced():
    files = """
- list: shells
  items: [sh]
- macro: shell
  condition: proc.name in (shells)
- list: shells
  items: [bash]
  override: {items: append}
- macro: shell
  condition: or proc.name = fish
  append: true
"""
    ruleset = good(files + RULE.replace("evt.type = execve", "evt.type = execve and shell"))
    assert str(ruleset.rules[0].condition) == "(evt.type = execve and (proc.name in (sh, bash) or proc.name = fish))"
    replaced = good(files + "- list: shells\n  items: [zsh]\n  override: {items: replace}\n" + RULE.replace(
        "evt.type = execve", "evt.type = execve and shell"))  # fmt: skip
    assert "proc.name in (zsh)" in str(replaced.rules[0].condition)


def compiled(lists: dict, condition: str) -> str:
    items = [{"list": name, "items": items} for name, items in lists.items()]
    text = yaml.safe_dump(items, sort_keys=False) if items else ""
    return str(good(text + RULE.replace("evt.type = execve", condition)).rules[0].condition)


@pytest.mark.parametrize(
    ("lists", "condition", "result"),
    [
        ({"a": ["x", "y"]}, "proc.name in (a)", "proc.name in (x, y)"),
        ({"a": ["x", "y"]}, "proc.name in (w, a, z)", "proc.name in (w, x, y, z)"),
        ({"a": ["x", "y"]}, "proc.name in a", "proc.name in (x, y)"),
        ({"a": ["x", "y"]}, "proc.name = oneof a", "proc.name = oneof (x, y)"),
        ({"a": ["x"]}, "proc.name = a", "proc.name = x"),
        ({"a": ["x"]}, 'proc.name = "a"', "proc.name = a"),
        ({"a": ["x"]}, 'proc.name in ("a")', "proc.name in (a)"),
        ({"a": []}, "proc.name in (a)", "proc.name in ()"),
        ({"a": []}, "proc.name in (x, a)", "proc.name in (x)"),
        ({"a": ["x"], "b": ["a", "y"]}, "proc.name in (b)", "proc.name in (x, y)"),
        ({"a": ["x"], "b": ["a"], "c": ["b"]}, "proc.name in (c)", "proc.name in (a)"),
        ({"b": ["a", "y"], "a": ["x"]}, "proc.name in (b)", "proc.name in (x, y)"),
        ({"a": ["two words"]}, "proc.cmdline in (a)", 'proc.cmdline in ("two words")'),
        ({"a": ['"sh -c \\"x y\\" z"']}, "proc.cmdline in (a)", 'proc.cmdline in ("sh -c \\"x y\\" z")'),
        ({"a": ["x,y"]}, "proc.name in (a)", "proc.name in (x, y)"),
        ({"a": [80, 443]}, "fd.sport in (a)", "fd.sport in (80, 443)"),
        ({"a": ["/etc", "/usr/*"]}, "fd.name pmatch (a)", "fd.name pmatch (/etc, /usr/*)"),
        ({"a": ["10.0.0.0/8"]}, "fd.snet in (a)", "fd.snet in (10.0.0.0/8)"),
        ({}, "proc.name in (unknown)", "proc.name in (unknown)"),
    ],
)
def test_lists_are_put_in_place_as_upstreams_text_replacement_would(lists, condition, result):
    assert compiled(lists, condition) == result


@pytest.mark.parametrize(
    ("exception", "result"),
    [
        ("{name: e, fields: proc.name, values: [a, b]}", "not proc.name in (a, b)"),
        ("{name: e, fields: fd.name, comps: pmatch, values: [/a, /b]}", "not fd.name pmatch (/a, /b)"),
        ("{name: e, fields: proc.name, comps: startswith oneof, values: [a]}", "not proc.name startswith oneof (a)"),
        ("{name: e, fields: [proc.name], values: [[a]]}", "not proc.name = a"),
        ("{name: e, fields: [proc.name], values: [[a], [b]]}", "not (proc.name = a or proc.name = b)"),
        (
            "{name: e, fields: [proc.name, fd.name], comps: [in, startswith], values: [[[a, b], /x]]}",
            "not (proc.name in (a, b) and fd.name startswith /x)",
        ),
        ("{name: e, fields: [proc.name], comps: [in], values: [[names]]}", "not proc.name in (x, y)"),
        ("{name: e, fields: proc.name, values: [names, z]}", "not proc.name in (x, y, z)"),
        ("{name: e, fields: [proc.cmdline], values: [[two words]]}", 'not proc.cmdline = "two words"'),
        ("{name: e, fields: [proc.name], values: [[val(proc.pname)]]}", "not proc.name = val(proc.pname)"),
        ("{name: e, fields: ['proc.aname[2]'], values: [[a]]}", "not proc.aname[2] = a"),
    ],
)
def test_exceptions_become_conditions_that_must_not_hold(exception, result):
    lists = "- list: names\n  items: [x, y]\n"
    (rule,) = good(lists + RULE + f"  exceptions: [{exception}]\n").rules
    assert str(rule.condition) == f"(evt.type = execve and {result})"


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        ("{name: e}", "no mapping for key 'fields'"),
        ("{fields: proc.name}", "no mapping for key 'name'"),
        ("{name: e, fields: proc.name, comps: [in]}", "Fields and comps must both be strings"),
        ("{name: e, fields: [proc.name], comps: in}", "Fields and comps must both be lists"),
        ("{name: e, fields: proc.name, comps: contains}", "comps must be one of (in, pmatch, intersects)"),
        ("{name: e, fields: [proc.name], comps: [like]}", "'like' is not a supported comparison operator"),
        ("{name: e, fields: [proc.name, fd.name], comps: [in]}", "lists must have equal length"),
        ("{name: e, fields: [proc.name], values: [a]}", "must be a list of lists"),
        ("{name: e, fields: proc.name, values: [[a]]}", "Value is not a scalar value"),
        ("{name: e, fields: [proc.name], values: [['a)or(b']]}", "unexpected token"),
        ("5", "Rule exception item is not a map"),
    ],
)
def test_an_exception_that_cannot_be_is_refused(exception, message):
    (error,) = loaded(RULE + f"  exceptions: [{exception}]\n").errors
    assert message in error.message


def test_exceptions_are_appended_to_by_name():
    first = RULE + "  exceptions: [{name: e, fields: [proc.name], values: [[a]]}]\n"
    more = "- rule: r\n  exceptions: [{name: e, values: [[b]]}, {name: f, fields: proc.pname, values: [c]}]\n  override: {exceptions: append}\n"  # noqa: E501
    (rule,) = good(first, more).rules
    wanted = "(evt.type = execve and not (proc.name = a or proc.name = b) and not proc.pname in (c))"
    assert str(rule.condition) == wanted


def test_an_unknown_source_is_a_warning_and_its_rule_is_left_alone():
    ruleset = good(RULE + "  source: mainframe\n" + RULE.replace("rule: r", "rule: s"))
    assert [rule.name for rule in ruleset.rules] == ["s"]
    assert codes(ruleset) == ["LOAD_UNKNOWN_SOURCE"]
    assert good("- rule: r\n  desc: d\n  condition: ((\n  output: '%'\n  priority: INFO\n  source: x\n").rules == []


@pytest.mark.parametrize("broken", ["condition: proc.nmae = a", "condition: evt.type = opn", "output: '%fd.nmae'"])
def test_a_rule_can_ask_to_be_skipped_where_a_field_is_not_known(broken):
    key = broken.partition(":")[0]
    lines = [broken if line.strip().startswith(f"{key}:") else line.strip() for line in RULE.splitlines()[2:]]
    text = "- rule: r\n" + "".join(f"  {line}\n" for line in lines) + "  skip-if-unknown-filter: true\n"
    ruleset = good(text)
    assert ruleset.rules == []
    assert "LOAD_UNKNOWN_FILTER" in codes(ruleset)
    assert loaded(text.replace("skip-if-unknown-filter: true", "")).errors


def test_a_macro_that_one_rule_skips_for_is_still_an_error_in_another():
    macro = "- macro: m\n  condition: evt.type = open and proc.nmae = a\n"
    rule = "- rule: {}\n  desc: d\n  condition: m\n  output: o\n  priority: INFO\n"
    ruleset = loaded(macro + rule.format("skips") + "  skip-if-unknown-filter: true\n" + rule.format("wants"))
    assert len(ruleset.errors) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("- something: else\n", "LOAD_UNKNOWN_ITEM"),
        ("- list: l\n  items: [a]\n  itmes: [b]\n", "LOAD_UNKNOWN_KEY"),
        ("- list: a b\n  items: [a]\n", "LOAD_INVALID_LIST_NAME"),
        ("- macro: a-b\n  condition: evt.type = open\n", "LOAD_INVALID_MACRO_NAME"),
        ("- macro: m\n  condition: evt.type = open\n", "LOAD_UNUSED_MACRO"),
        ("- list: l\n  items: [a]\n", "LOAD_UNUSED_LIST"),
        (RULE.replace("evt.type = execve", "proc.name = a"), "LOAD_NO_EVTTYPE"),
        (RULE.replace("evt.type = execve", "evt.type = execve and evt.dir = <"), "LOAD_DEPRECATED_ITEM"),
        (RULE.replace("%proc.name", "%container.info"), "LOAD_DEPRECATED_ITEM"),
        (RULE.replace("evt.type = execve", "evt.type = execve and proc.name regex abc"), "LOAD_COMPILE_CONDITION"),
        (RULE.replace("evt.type = execve", "evt.type = execve and proc.name = proc.pname"), "LOAD_COMPILE_CONDITION"),
        (AUDIT, "LOAD_UNSAFE_NA_CHECK"),
        (RULE + "- rule: r\n  enabled: false\n", "LOAD_DEPRECATED_ITEM"),
        (RULE + "- rule: r\n  condition: and proc.name = a\n  append: true\n", "LOAD_DEPRECATED_ITEM"),
    ],
)
def test_what_loads_but_is_doubtful_is_warned_of_with_upstreams_code(text, code):
    assert code in codes(good(text))


def test_a_rule_may_say_that_it_is_for_every_event():
    assert codes(good(RULE.replace("evt.type = execve", "proc.name = a") + "  warn_evttypes: false\n")) == []


def test_several_documents_null_items_and_empty_files_are_read():
    second = RULE.replace(": r\n", ": s\n")
    ruleset = good("---\n" + RULE + "---\n---\n-\n" + second, "", "# only")
    assert [rule.name for rule in ruleset.rules] == ["r", "s"]


def test_a_rule_may_use_a_macro_of_a_later_file():
    assert good(RULE.replace("evt.type = execve", "later"), "- macro: later\n  condition: evt.type = open\n").rules


def test_a_macro_sees_only_macros_defined_before_it():
    (error, *_) = loaded("- macro: a\n  condition: b\n- macro: b\n  condition: evt.type = open\n").errors
    assert error.hint == "a macro must be defined before the macro that uses it"


VERSIONS = {"0.62.0": True, "0.10.3": True, "62": True, "63": False, "0.62.1": False, "1.0.0": False, "new": False}


@pytest.mark.parametrize(("version", "loads"), VERSIONS.items())
def test_a_newer_engine_than_we_claim_is_refused(version, loads):
    assert (not loaded(f"- required_engine_version: {version}\n").errors) is loads


def test_a_literal_block_keeps_positions_and_an_output_loses_its_blanks_at_both_ends():
    text = RULE.replace("condition: evt.type = execve", "condition: >\n    evt.type = execve\n    and proc.nmae = a")
    error = loaded(text).errors[0]
    assert (error.line, error.column) == (6, 9)
    folded = RULE.replace("output: first %proc.name", "output: >\n    first\n    %proc.name\n")
    assert good(folded).rules[0].output.text == "first %proc.name"


def test_a_ruleset_is_loaded_against_the_catalogs_given():
    ruleset = load([("f", RULE + "  source: mine\n")], catalog={"mine": SYSCALL})
    assert [rule.source for rule in ruleset.rules] == ["mine"]
