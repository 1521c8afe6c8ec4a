"""The vectors taken from upstream's own tests: each must come out as upstream says."""

import json
from typing import Any

import pytest

from sensor.event import Event, Process
from sensor.fields import SYSCALL
from sensor.rules import RuleError, ast, compile_condition, evttypes, parse, text, transformers, warn
from sensor.rules.compiler import check_condition
from sensor.rules.errors import Source
from sensor.rules.lexer import Cursor
from sensor.rules.output import compile_output
from tests.sensor.rules import vectors


def cases(name: str, **wanted: Any) -> list[Any]:
    found = [case for case in vectors.read(name) if all(case.get(key) == value for key, value in wanted.items())]
    return [pytest.param(case, id=f"{name}-{number}") for number, case in enumerate(found)]


def accepts(condition: str, catalog=SYSCALL) -> bool:
    try:
        check_condition(condition, catalog)
    except RuleError:
        return False
    return True


@pytest.mark.parametrize("case", cases("filter_parser"))
def test_the_parser_accepts_and_rejects_what_upstream_does(case):
    texts = [case["input"]]
    if case.get("whitespace_variants"):
        wide = f" {case['input']} "
        texts += [wide, wide.replace(" ", "\n"), wide.replace(" ", "\t")]
    for one in texts:
        if case["expect"] == "accept":
            tree = parse(one)
            assert parse(str(tree)) == tree
            if "as_string" in case:
                assert str(tree) == case["as_string"]
        else:
            with pytest.raises(RuleError) as caught:
                parse(one)
            assert case.get("message", "") in caught.value.message
    if "end_position" in case:
        position = Source("", case["input"]).locate(len(case["input"]))
        end = case["end_position"]
        assert (position.offset, position.line, position.column) == (end["idx"], end["line"], end["col"])
    vectors.PASSED["filter_parser"] += 1


@pytest.mark.parametrize("case", cases("string_visitor"))
def test_trees_print_as_upstream_prints_them(case):
    tree = parse(case["input"])
    if case["kind"] == "as_string":
        assert str(tree) == case["expect"]
    assert parse(str(tree)) == tree
    vectors.PASSED["string_visitor"] += 1


@pytest.mark.parametrize("case", cases("filter_escaping"))
def test_quoting_and_unquoting_are_inverse(case):
    if case["op"] == "escape_str":
        assert ast.word(case["input"]) == case["expect"]
    else:
        assert Cursor(Source("", ast.quoted(case["input"]))).quoted() == case["expect"]
    vectors.PASSED["filter_escaping"] += 1


@pytest.mark.parametrize("case", cases("filter_compiler"))
def test_conditions_compile_and_hold_as_upstream_says(case):
    catalog = vectors.WITH_MOCK
    if case["kind"] == "compile":
        assert accepts(case["filter"], catalog) == (case["expect"] == "accept"), case["filter"]
        if case.get("warnings"):
            tree = parse(case["filter"])
            assert len(list(warn.about_comparison(tree, catalog))) == case["warnings"]
        elif case["expect"] == "accept":
            for check in comparisons(parse(case["filter"])):
                assert not list(warn.about_comparison(check, catalog))
    else:
        # The compilation cases do not say on which event they run; all are false, as they are where nothing is known.
        unknown = case["test"].endswith("modifier_compilation")
        event = vectors.nothing_known() if unknown else vectors.failed_getcwd()
        assert compile_condition(case["filter"], catalog)(event) is case["expect"]
    vectors.PASSED["filter_compiler"] += 1


def comparisons(expr):
    if isinstance(expr, ast.Compare):
        yield expr
    for child in ast.children(expr):
        yield from comparisons(child)


@pytest.mark.parametrize("case", cases("filter_ppm_codes"))
def test_event_types_are_inferred_as_upstream_infers_them(case):
    if case["kind"] == "throws":
        with pytest.raises(RuleError):
            evttypes.inferred(parse(case["filter"]))
    elif case["kind"] == "same_set":
        other = evttypes.EVERY if case["other"] is None else evttypes.inferred(parse(case["other"]))
        assert evttypes.inferred(parse(case["filter"])) == other
    else:
        named = {
            "openat_only": evttypes.Types(frozenset({"openat"})),
            "not_openat": evttypes.Types(frozenset({"openat"}), True),
            "openat_close_only": evttypes.Types(frozenset({"openat", "close"})),
            "not_openat_close": evttypes.Types(frozenset({"openat", "close"}), True),
            "all_events": evttypes.EVERY,
            "no_events": evttypes.Types(frozenset()),
        }
        assert evttypes.inferred(parse(case["filter"])) == named[case["set"]]
    vectors.PASSED["filter_ppm_codes"] += 1


@pytest.mark.parametrize("case", cases("prefix_search_pmatch"))
def test_path_prefixes_match_by_component(case):
    assert text.Prefixes(case["search_paths"])(case["path"]) is case["expect"]
    vectors.PASSED["prefix_search_pmatch"] += 1


@pytest.mark.parametrize("case", cases("filter_transformers"))
def test_transformers_give_what_upstreams_give(case):
    name = {"FTR_TOUPPER": "toupper", "FTR_TOLOWER": "tolower", "FTR_BASE64": "b64", "FTR_BASENAME": "basename"}.get(
        case["transformer"], "len"
    )
    value = case["input"] if "LIST" in case["flags"] else case["input"][0]
    assert [transformers.FUNCTIONS[name](value)] == case["expected"]
    vectors.PASSED["filter_transformers"] += 1


@pytest.mark.parametrize("case", [*cases("filter_operators_eval"), *cases("transformer_eval")])
def test_operators_and_transformers_hold_for_the_vectors_events(case):
    event: Event | None = None
    for step in case["steps"]:
        if step["step"] == "event":
            if step["fn"] == "generate_execve_enter_and_exit_event":
                event = Event(type="execve", time=1, num=1, res=0, proc=Process(pid=1, name="myexe", exe="/myexe"))
            elif len(step["args"]) > 4:
                event = vectors.event_of(step["args"]) or event
        elif step["step"] == "filter":
            if step["expected"] == "throws":
                assert not accepts(step["filter"]), step["filter"]
            else:
                assert compile_condition(step["filter"], SYSCALL)(event) is step["expected"], step["filter"]
            vectors.PASSED["transformer_eval" if "transformer" in case["file"] else "filter_operators_eval"] += 1


@pytest.mark.parametrize("case", cases("event_formatter"))
def test_outputs_print_as_upstream_prints_them(case):
    source = Source("output", case["format"])
    if case.get("throws"):
        with pytest.raises(RuleError):
            compile_output(source, SYSCALL)
        vectors.PASSED["event_formatter"] += 1
        return
    event = vectors.failed_getcwd()
    if "ancestor_acmdline" in case["test"]:
        event.proc = Process(pid=3, name="cat", parent=docker_chain())
    output = compile_output(source, SYSCALL)
    message, fields = output.render(event)
    wanted = case.get("output", "")
    if wanted.startswith("{"):
        complete = output.lenient or case.get("result", True)
        shown = {key: value for key, value in fields.items() if complete or value is not None}
        transformed = {key: value for key, value in output.resolved(event).items() if "(" in key}
        if case["resolve_transformers"]:
            shown |= transformed
        assert json.loads(wanted) == shown
    elif wanted:
        assert message.removeprefix("*") == wanted
    resolved = output.resolved(event)
    for key, value in case["field_values"].items():
        assert resolved[key] == value
    vectors.PASSED["event_formatter"] += 1


def docker_chain() -> Process:
    docker = Process(pid=1, name="init", args=["context", "ls", "--format", "{{json .}}"])
    return Process(pid=2, name="bash", args=[], parent=docker)


@pytest.mark.parametrize("case", cases("falco_filter_warnings"))
def test_unsafe_and_deprecated_comparisons_are_warned_of(case):
    found = list(warn.about_condition(parse(case["args"][0]), SYSCALL, {}))
    assert bool(found) is case["expect"]
    vectors.PASSED["falco_filter_warnings"] += 1
