"""Upstream's vectors for whole rule files, and the real files: they load, fail and warn as upstream's loader does."""

from typing import Any

import pytest

from sensor.rules import describe, load
from sensor.rules.verify import verify
from tests.sensor.rules import vectors

CASES = vectors.read("falco_rule_loader")


def at(found: Any, path: list[str]) -> Any:
    for step in path:
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found


@pytest.mark.parametrize("case", CASES, ids=[case["test"].partition(".")[2] for case in CASES])
def test_files_load_as_upstream_loads_them(case):
    files: list[tuple[str, str]] = []
    ruleset = None
    for step in case["steps"]:
        if step["step"] == "load_rules":
            files.append((step["name"], step["content"]))
            ruleset = load(files)
            result = verify(files, ruleset)["falco_load_results"][-1]
            assert result["successful"] is step["expect_success"], ruleset.errors
        elif step["step"] == "schema_validation_status":
            status = "ok" if result["schema_valid"] else "failed"
            assert status == step["expect_startswith"], result["schema_warnings"]
        elif step["step"] in ("check_warning_message", "check_error_message", "has_warnings"):
            kind = "errors" if "error" in step["step"] else "warnings"
            wanted = step["message_contains"] or ""
            assert any(wanted in one["message"] for one in result[kind]) is step["expect"], result[kind]
        elif step["step"] == "get_compiled_rule_condition":
            assert str(ruleset.rule(step["arg"]).condition) == step["expected"]
        elif step["step"] == "num_rules_for_ruleset":
            assert sum(rule.enabled for rule in ruleset.rules) == step["expected"]
        elif step["step"] == "describe_rule":
            found = at(describe.describe(ruleset), step["path"])
            if isinstance(found, list):
                matches = step["expected"] in found or len(found) == step["expected"]
                assert matches
            else:
                assert found == step["expected"]
    vectors.PASSED["falco_rule_loader"] += 1


def test_an_error_in_an_override_shows_the_line_of_the_override():
    case = next(case for case in CASES if case["test"].endswith("rule_incorrect_override_type"))
    step = case["steps"][0]
    result = verify([(step["name"], step["content"])])["falco_load_results"][0]
    assert "priority: append" in result["errors"][0]["context"]["snippet"]


def test_a_deprecated_field_in_a_macro_names_the_macro_and_not_the_folded_condition():
    case = next(case for case in CASES if "folded_scalar" in case["test"])
    step = case["steps"][0]
    result = verify([(step["name"], step["content"])])["falco_load_results"][0]
    (warning,) = [one for one in result["warnings"] if one["code"] == "LOAD_DEPRECATED_ITEM"]
    assert "condition: >" not in warning["context"]["snippet"]
    assert "spawned_process" in warning["context"]["snippet"]
    assert warning["deprecated_field"] == "evt.dir"


@pytest.mark.parametrize(("name", "rules"), [("falco_rules.yaml", 25), ("k8s_audit_rules.yaml", 48)])
def test_real_rule_files_load_unmodified(name, rules):
    ruleset = load([(name, vectors.rule_file(name))])
    assert ruleset.errors == []
    assert len(ruleset.rules) == rules
