"""The report of a check: upstream's verify JSON for tools, text for people, a description of what is there."""

import json

from sensor.rules import describe, load
from sensor.rules.errors import Source
from sensor.rules.schema import warnings
from sensor.rules.verify import report, verify

GOOD = "- rule: r\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: INFO\n"
BAD = "- rule: X\n  desc: d\n  condition: evt.type=open and proc.nmae = a\n  output: o\n  priority: INFO\n"


def test_an_error_has_the_shape_that_upstreams_tools_read():
    (result,) = verify([("rules.yaml", BAD)])["falco_load_results"]
    assert (result["name"], result["successful"], result["schema_valid"]) == ("rules.yaml", False, True)
    (error,) = result["errors"]
    assert error["code"] == "LOAD_ERR_COMPILE_CONDITION"
    assert error["codedesc"] == "Error compiling condition"
    locations = error["context"]["locations"]
    assert [(one["item_type"], one["item_name"]) for one in locations] == [
        ("rules content", ""),
        ("rule", "X"),
        ("rule condition", ""),
        ("condition expression", "evt.type=open and..."),
    ]
    assert locations[1]["position"] == {"name": "rules.yaml", "line": 0, "column": 2, "offset": 2}
    assert locations[3]["position"] == {"name": "rules.yaml", "line": 2, "column": 31, "offset": 51}
    assert error["context"]["snippet"].splitlines()[1].index("^") == 31
    json.dumps(result)


def test_each_file_has_its_own_result():
    first, second = verify([("good.yaml", GOOD), ("bad.yaml", BAD)])["falco_load_results"]
    assert (first["successful"], second["successful"]) == (True, False)
    assert first["errors"] == []


def test_the_report_for_people_says_how_each_file_is():
    files = [("good.yaml", GOOD), ("bad.yaml", BAD), ("warned.yaml", "- list: l\n  items: [a]\n")]
    lines = report(load(files)).splitlines()
    assert "good.yaml: Ok" in lines
    assert "bad.yaml: Invalid" in lines
    assert "warned.yaml: Ok, with warnings" in lines
    assert lines[-1] == "1 error"
    assert report(load(files[:1])) == "good.yaml: Ok\n1 rules"


def test_the_schema_is_stricter_than_loading_and_never_an_error():
    def told(text: str) -> list[str]:
        return warnings(Source("f", text))

    assert told(GOOD) == []
    assert told(GOOD.replace("INFO", "info")) == ["5:3: rule priority: must be one of the priorities in upper case"]
    assert told(GOOD + "  nonsense: 1\n") == ["6:3: unexpected key 'nonsense' in rule"]
    assert told(GOOD + "  enabled: 'yes'\n") == ["6:3: rule enabled: must be a boolean"]
    assert told(GOOD + "  tags: a\n") == ["6:3: rule tags: must be a list"]
    assert told(GOOD + "  capture_duration: soon\n") == ["6:3: rule capture_duration: must be a number"]
    assert "unexpected key 'value' in exception" in told(GOOD + "  exceptions: [{name: e, value: 1}]\n")[0]
    assert told("- {}\n")[0].endswith("none of rule, macro, list and the two requirements")
    assert told("not: yaml: at all") == []


def test_a_ruleset_can_be_described():
    text = """
- required_engine_version: 0.31.0
- required_plugin_versions: [{name: json, version: 0.7.0, alternatives: [{name: other, version: 1.0.0}]}]
- list: shells
  items: [sh, bash]
- macro: spawned
  condition: evt.type = execve
- rule: r
  desc: d
  condition: spawned and proc.name in (shells) and tolower(proc.exe) = val(proc.name)
  output: "%proc.pid"
  priority: INFO
  tags: [t]
  exceptions: [{name: e, fields: [proc.cwd], values: [[/x]]}]
"""
    found = describe.describe(load([("f", text)]))
    assert found["required_engine_version"] == "0.31.0"
    assert found["required_plugin_versions"][0]["alternatives"] == [{"name": "other", "version": "1.0.0"}]
    (rule,) = found["rules"]
    assert rule["info"]["priority"] == "Informational"
    details = rule["details"]
    assert (details["macros"], details["lists"]) == (["spawned"], ["shells"])
    assert details["condition_operators"] == ["=", "in"]
    assert details["condition_fields"] == ["evt.type", "proc.cwd", "proc.exe", "proc.name"]
    assert (details["exception_names"], details["exception_fields"]) == (["e"], ["proc.cwd"])
    assert (details["events"], details["output_fields"]) == (["execve"], ["proc.pid"])
    assert found["macros"][0]["details"]["condition_compiled"] == "evt.type = execve"
    assert found["lists"][0]["details"] == {"used": True, "lists": [], "items_compiled": ["sh", "bash"], "plugins": []}
