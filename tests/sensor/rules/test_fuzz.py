"""Whatever bytes are given to `parse` and `load`, they end in a result or a RuleError, soon and in little memory."""

import random
import resource
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.event import Event
from sensor.fields import SYSCALL
from sensor.rules import RuleError, load, parse
from sensor.rules.compiler import check_condition, compile_checked
from sensor.rules.errors import Source
from sensor.rules.output import compile_output
from tests.sensor.rules import vectors
from tests.sensor.rules.vectors import UNHURRIED

MUTATIONS = 200_000
PIECES = [
    *("and", "or", "not", "(", ")", "[", "]", ",", "=", "!=", "<", ">=", "in", "intersects", "pmatch", "contains"),
    *("glob", "regex", "exists", "oneof", "anyof", "val(", "tolower(", "join(", "getopt(", '"', "'", "\\", "\x00"),
    *("proc.name", "fd.name", "evt.type", "proc.aname[2]", "fd.net", "10.0.0.0/8", "-1", "0x1f", "1e+9", "*", "?"),
    *("[!a-", "\ud800", "é", "😀", "a" * 300, "evt.arg.flags", "macro_name", " ", "\t", "\r\n"),
]


def result_or_error(text: str | bytes) -> None:
    """Parse and, where that works, check and compile; an error can say where it is."""
    refused = None
    try:
        compile_checked(check_condition(parse(text), SYSCALL), SYSCALL)
    except RuleError as error:
        refused = error
    if refused is not None:
        assert refused.line >= 1
        assert refused.column >= 1
        assert isinstance(refused.snippet, str)
        assert str(refused)


@given(st.text(max_size=200))
@UNHURRIED
def test_any_text_parses_or_is_an_error(text):
    result_or_error(text)


@given(st.binary(max_size=200))
@UNHURRIED
def test_any_bytes_parse_or_are_an_error(data):
    result_or_error(data)


@given(st.lists(st.sampled_from(PIECES), max_size=30))
@UNHURRIED
def test_any_row_of_the_languages_pieces_parses_or_is_an_error(pieces):
    result_or_error(" ".join(pieces))


@given(st.binary(max_size=400))
@UNHURRIED
def test_any_bytes_load_or_are_an_error(data):
    ruleset = load([("fuzz.yaml", data)])
    assert not (ruleset.errors and ruleset.rules)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
                        st.sampled_from(["rule", "macro", "list", "condition", "output", "desc", "priority", "items",
                                         "exceptions", "override", "append", "tags", "fields", "comps", "values",
                                         "name", "count", "by", "over", "at_least"]), inner, max_size=7),
                    max_leaves=25))  # fmt: skip
@UNHURRIED
def test_any_yaml_value_loads_or_is_an_error(value):
    import yaml

    ruleset = load([("fuzz.yaml", yaml.safe_dump(value))])
    for error in (*ruleset.errors, *ruleset.warnings):
        assert str(error)


@given(
    st.lists(st.sampled_from(["%", "*", "12", "proc.name", "evt.arg", "[", "]", "toupper(", ")", " ", "x", "\udcff"]))
)
@UNHURRIED
def test_any_output_compiles_or_is_an_error(pieces):
    refused = None
    try:
        output = compile_output(Source("output", "".join(pieces)), SYSCALL)
        output.render(Event(type="open", time=0))
    except RuleError as error:
        refused = error
    assert refused is None or str(refused)


def mutated(text: str, chance: random.Random) -> str:
    """A text with a few random changes."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(text))
        kind = chance.randrange(4)
        if kind == 0:
            text = text[:at] + chance.choice(PIECES) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + chance.randint(1, 5) :]
        elif kind == 2:
            other = chance.randint(0, len(text))
            text = text[:at] + text[min(at, other) : max(at, other)] + text[at:]
        else:
            text = text[:at] + chr(chance.randint(0, 255)) + text[at + 1 :]
    return text[:2000]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_mutations_of_the_vectors_parse_or_are_an_error():
    chance = random.Random(20261123)
    seeds = [case["input"] for case in vectors.read("filter_parser")]
    seeds += [case["filter"] for case in vectors.read("filter_compiler")]
    files = [
        step["content"] for case in vectors.read("falco_rule_loader") for step in case["steps"] if "content" in step
    ]
    started, slowest = time.monotonic(), 0.0
    for number in range(MUTATIONS):
        before = time.monotonic()
        if number % 20:
            result_or_error(mutated(chance.choice(seeds), chance))
        else:
            load([("mutated.yaml", mutated(chance.choice(files), chance))])
        slowest = max(slowest, time.monotonic() - before)
    print(f"{MUTATIONS} mutations in {time.monotonic() - started:.0f} s, the slowest {slowest * 1000:.0f} ms")
    assert slowest < 5


HOSTILE = {
    "nested parentheses": "(" * 10_000 + "proc.name = a" + ")" * 10_000,
    "unclosed parentheses": "(" * 10_000,
    "nested not": "not(" * 10_000 + "a" + ")" * 10_000,
    "row of not": "not " * 10_000 + "proc.name exists",
    "nested transformers": "tolower(" * 10_000 + "proc.name" + ")" * 10_000 + " = a",
    "very long literal": "proc.name = " + "a" * 100_000,
    "very many literals": f"proc.name in ({', '.join(map(str, range(50_000)))})",
    "very many conditions": " or ".join(["proc.name = a"] * 8000),
    "regex that explodes elsewhere": "proc.name regex '(a+)+(a+)+(a+)+$'",
    "regex of many repetitions": "proc.name regex '((a{100}){100}){100}'",
    "glob of many stars": f"proc.name glob {'*a' * 100}",
    "quote without end": "proc.name = '" + "\\'" * 5000,
    "nothing but blanks": " \n" * 5000,
    "longer than allowed": "a or " * 300_000 + "a",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_conditions_end_soon(text):
    started = time.monotonic()
    result_or_error(text)
    assert time.monotonic() - started < 5


BOMB = "\n".join(
    ["- list: a0", "  items: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    + [line for n in range(1, 12) for line in (f"- list: a{n}", f"  items: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")]
)
MACRO_BOMB = "\n".join(
    ["- macro: m0", "  condition: proc.name = a or proc.name = b"]
    + [
        line
        for n in range(1, 40)
        for line in (f"- macro: m{n}", f"  condition: (m{n - 1} and proc.pid = {n}) or (m{n - 1} and proc.pid = -{n})")
    ]
    + ["- rule: r", "  desc: d", "  condition: evt.type = open and m39", "  output: o", "  priority: INFO"]
)
LIST_BOMB = "\n".join(
    ["- list: l0", f"  items: [{', '.join(['x'] * 1000)}]"]
    + [line for n in range(1, 6) for line in (f"- list: l{n}", f"  items: [{', '.join([f'l{n - 1}'] * 1000)}]")]
    + ["- rule: r", "  desc: d", "  condition: proc.name in (l5, l4, l3)", "  output: o", "  priority: INFO"]
)
BAD_FILES = {
    "aliases within aliases": (BOMB, "LOAD_ERR_YAML_PARSE"),
    "alias to itself": ("- &a [*a]", "LOAD_ERR_YAML_PARSE"),
    "macros within macros": (MACRO_BOMB, "LOAD_ERR_COMPILE_CONDITION"),
    "lists within lists": (LIST_BOMB, "LOAD_ERR_VALIDATE"),
    "ten megabytes": ("- list: a\n  items: [" + "abcdefghi, " * 1_000_000 + "a]", "LOAD_ERR_YAML_PARSE"),
    "deeply nested": ("- " + "[" * 10_000 + "]" * 10_000, "LOAD_ERR_YAML_PARSE"),
    "deeply nested maps": ("- " + "{a: " * 10_000 + "}" * 10_000, "LOAD_ERR_YAML_PARSE"),
    "a key twice": ("- list: a\n  items: [a]\n  items: [b]", "LOAD_ERR_YAML_PARSE"),
    "a tab for indentation": ("- list: a\n\titems: [a]", "LOAD_ERR_YAML_PARSE"),
    "not UTF-8": (b"- list: a\n  items: [\xff\xfe]", "LOAD_ERR_FILE_READ"),
    "UTF-16": ("- list: a\n  items: [a]".encode("utf-16"), "LOAD_ERR_FILE_READ"),
    "no list": ("rule: a", "LOAD_ERR_YAML_VALIDATE"),
    "only text": ("hello", "LOAD_ERR_YAML_VALIDATE"),
    "control characters": ("- list: \x01\x02", "LOAD_ERR_YAML_PARSE"),
}


@pytest.mark.parametrize(("content", "code"), BAD_FILES.values(), ids=BAD_FILES)
def test_hostile_files_end_soon_with_a_clear_error(content, code):
    started, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ruleset = load([("bad.yaml", content)])
    assert time.monotonic() - started < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 500_000
    assert ruleset.rules == []
    assert code in [error.code for error in ruleset.errors]
    assert ruleset.errors[0].line >= 1


def rules(number: int, condition: str = "evt.type = open", output: str = "o") -> str:
    """So many rules; `#` in them is the rule's number."""
    text = f"- rule: r#\n  desc: d\n  condition: {condition}\n  output: '{output}'\n  priority: INFO\n"
    return "".join(text.replace("#", str(one)) for one in range(number))


def macro(joint: str, number: int) -> str:
    return f"- macro: m\n  condition: {f' {joint} '.join(f'proc.pid != {one}' for one in range(number))}\n"


LARGE = {
    "misspelt fields in one condition": rules(1, " or ".join(f"proc.nume{one} = 1" for one in range(9000))),
    "misspelt fields in many rules": rules(2000, "evt.type = open and proc.nume# = 1"),
    "misspelt fields in outputs": rules(2000, output="%proc.nume#"),
    "misspelt event types": rules(2000, "evt.type = opan#"),
    "misspelt macros": "".join(f"- macro: macro_of_{one}\n  condition: proc.name = a\n" for one in range(2000))
    + rules(2000, "evt.type = open and macra_of_#x"),
    "misspelt lists": "".join(f"- list: list_of_{one}\n  items: [a]\n" for one in range(2000))
    + rules(2000, "evt.type = open and proc.name in (lost_of_#x)"),
    "rules much like each other": rules(4000, "evt.type = open and proc.pid > # and proc.name in (a#, b#)"),
    "a long macro in many rules": macro("or", 5000) + rules(2000, "evt.type = open and m and proc.pid = #"),
    "a strict macro in many rules": macro("and", 5000) + rules(2000, "evt.type = open and m and proc.pid = #"),
    "a long list in many lists": f"- list: l\n  items: [{', '.join(f'a{one}' for one in range(900))}]\n"
    + "".join(f"- list: l{one}\n  items: [l]\n" for one in range(5000)),
    "a long list in many rules": f"- list: l\n  items: [{', '.join(f'a{one}' for one in range(90_000))}]\n"
    + rules(200, "evt.type = open and proc.name in (l)"),
    "a rule appended to again and again": rules(1)
    + "- rule: r0\n  condition: or proc.pid = 1\n  append: true\n" * 8000,
    "a list appended to again and again": "- list: l\n  items: [a]\n  append: false\n"
    + "- list: l\n  items: [a]\n  append: true\n" * 8000,
    "a name of many parts": rules(1, f"evt.type = open and {'a.' * 200_000}b = 1", f"%{'a.' * 200_000}b"),
    "a long output of escapes": rules(1).replace("'o'", '"' + r"\x41" * 300_000 + ' %no.such"'),
}


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_large_files_end_soon_and_in_little_memory(content):
    started, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ruleset = load([("large.yaml", content)])
    assert len(ruleset.errors) <= 1000
    assert all(str(error) for error in ruleset.errors[:10])
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 500_000


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_endings_and_a_byte_order_mark_change_nothing(ending, mark):
    text = "- list: shells\n  items: [bash]\n- rule: r\n  desc: d\n  condition: proc.nam in (shells)\n"
    text += "  output: o\n  priority: INFO\n"
    ruleset = load([("f.yaml", mark + text.replace("\n", ending).encode())])
    (error,) = ruleset.errors
    assert (error.line, error.column) == (5, 14)
    assert error.snippet.splitlines() == ["  condition: proc.nam in (shells)", "             ^^^^^^^^"]
    assert error.hint == "did you mean proc.name?"
