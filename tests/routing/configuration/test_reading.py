from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.configuration import read
from routing.configuration.reading import plain_of
from sensor.rules import yaml_tree
from sensor.rules.errors import Source


def problems(text: str | bytes) -> list[str]:
    return [problem.text for problem in sorted(read("a.yaml", text).problems)]


def test_everything_that_is_wrong_with_the_form_is_told_at_once_with_its_place() -> None:
    text = """\
sinks:
  - name: Slack
    kind: slack
    option: {channel: '#a'}
    secrets: {webhook_url: 'https://hooks.example/TOPSECRET'}
  - kind: slack
    most_per_minute: 0
routes:
  - name: a
    routes:
      - name: b
        group_wait: soon
        sink: [Slack]
rules: []
windows: none
"""
    assert problems(text) == [
        "a.yaml:4:5: There is no member option; did you mean options?",
        "a.yaml:6:5: The member name is needed.",
        "a.yaml:7:5: most_per_minute: Input should be greater than or equal to 1.",
        "a.yaml:12:9: group_wait: Input should be a valid integer, unable to parse string as an integer.",
        "a.yaml:13:9: There is no member sink; did you mean sinks?",
        "a.yaml:14:1: There is no section rules; there are: intervals, lookups, sinks, actions, routes, inhibitions, "
        "windows, silences.",
        "a.yaml:15:1: The section windows is a list.",
    ]


def test_a_secret_in_plain_text_is_refused_and_not_repeated() -> None:
    text = "sinks:\n- name: Slack\n  kind: slack\n  secrets:\n    webhook_url: https://hooks.example/TOPSECRET\n"
    [problem] = problems(text)
    assert problem.startswith("a.yaml:5:5: A secret does not stand in a file. Write {env: NAME} or {file: PATH}")
    assert "TOPSECRET" not in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "one document with the sections intervals, lookups"),
        ("# nothing\n", "one document"),
        ("sinks: []\n---\nroutes: []\n", "one document"),
        ("- sinks\n", "one document"),
        ("sinks: [\n", "a.yaml:1:9: YAML parse error"),
        ("sinks: []\nsinks: []\n", "a.yaml:2:1: YAML parse error: the key 'sinks' is there twice"),
        (b"sinks: [\xff]\n", "UTF-8"),
        ("sinks: [a]\n", "a.yaml:1:9: Input should be a valid dictionary"),
        ("sinks: [{name: a, kind: a}, {name: a, kind: b}]\n", "The sink 'a' is there twice; the first is in line 1"),
        ("routes: [{name: a, routes: [{name: ' a '}]}]\n", "The route 'a' is there twice"),
        ("routes: [{name: a, routes: [{name: b, parent: c}]}]\n", "It stands beneath 'a'; leave the parent out"),
        ("lookups: [{name: teams, text: a, coment: b}]\n", "no member coment; did you mean comment?"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str | bytes, said: str) -> None:
    [problem] = problems(text)
    assert said in problem


def test_a_broken_route_leaves_the_places_of_the_others_as_they_are() -> None:
    found = read(
        "a.yaml", "routes:\n- {name: a, oops: 1, routes: [{name: b}]}\n- {name: c, position: 7}\n- {name: d}\n"
    )
    assert [(one.path, one.name, one.facts["position"]) for one in found.sections["routes"]] == [
        ("routes.1", "c", 7),
        ("routes.2", "d", None),
    ]
    assert found.broken == {"routes": ["a", "b"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("22:00", "22:00"),
        ("2026-11-23", "2026-11-23"),
        ("true", True),
        ("'true'", "true"),
        ("~", None),
        ("''", ""),
        ("12", 12),
        ("-0.5", -0.5),
        ("007", "007"),
        ("1.10", "1.10"),
        ("1.0e-07", 1e-07),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("{a: [1, b]}", {"a": [1, "b"]}),
    ],
)
def test_values_are_what_people_mean(text: str, value: Any) -> None:
    [node] = yaml_tree.documents(Source("a.yaml", f"{text}\n"))
    assert node is None if value is None else node and plain_of(node) == value


@given(st.text(st.characters(codec="utf-8")))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    read("a.yaml", text)
    read("a.yaml", f"sinks: {text}")
    read("a.yaml", f"routes:\n- name: {text}\n")
