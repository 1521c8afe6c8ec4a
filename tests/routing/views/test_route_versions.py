"""What a version changed, in words."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from routing import routes
from routing.views.route_versions import history, said
from tests import build
from tests.build import NOW


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("parent", None, "at the top"),
        ("group_wait", None, "as the route above it"),
        ("group_wait", 90, "1 min 30 s"),
        ("position", 90, "90"),
        ("continues", True, "yes"),
        ("condition", "", "every alert"),
        ("group_by", [], "nothing: one group"),
        ("sinks", [], "none"),
        ("sinks", ["a", "b"], "a, b"),
        ("escalation", [{"after": 900, "sinks": ["a", "b"]}], "after 15 min a, b"),
    ],
)
def test_a_fact_is_said_in_words(name: str, value: Any, words: str) -> None:
    assert said(name, value) == words


def test_each_version_says_what_it_changed_and_the_first_what_it_says(erin: User) -> None:
    route = routes.save(None, {"name": "a route", "condition": "alert.rule = x"}, erin, NOW)
    route = routes.save(route, {"condition": "", "continues": True}, erin, NOW)
    newest, first = history(route)
    assert [(one.what, one.before, one.after) for one in newest.changes] == [
        ("Condition", "alert.rule = x", "every alert"),
        ("Goes on after a match", "no", "yes"),
    ]
    assert (newest.current, newest.first, first.current, first.first) == (True, False, False, True)
    assert ("Condition", "alert.rule = x") in [(one.what, one.after) for one in first.changes]
    assert "Dry run" not in [one.what for one in first.changes]


def test_only_the_newest_versions_are_shown(erin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routing.views.route_versions.SHOWN", 2)
    route = build.route()
    for wait in range(1, 4):
        route = routes.save(route, {"group_wait": wait}, erin, NOW)
    assert [step.version.number for step in history(route)] == [4, 3]
    assert [change.before for change in history(route)[-1].changes] == ["1 s"]
