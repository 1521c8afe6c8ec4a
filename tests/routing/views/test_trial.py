"""Trying an alert on the page: what is wanting for a route to take it, and what is no alert."""

import json

import pytest

from routing import tree
from routing.matching import Match
from routing.simulation import NoAlert
from routing.views.trial import attempt, pasted
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db
ALERT = {"rule": "A shell", "priority": "Notice", "output_fields": {"proc.name": "sh"}, "tags": ["a"]}


def wanting(condition: str) -> list[tuple[str, str, bool]]:
    """The parts for whose sake the condition does not hold: text, value, and whether the part itself does."""
    route = build.route(condition=condition)
    verdict = attempt(pasted(json.dumps(ALERT), NOW), tree.load(), NOW).verdicts[route.pk]
    assert verdict.match is Match.FALSE
    assert not verdict.takes
    return [(part.text, part.value, part.held) for part in verdict.wanting]


def test_of_a_conjunction_only_what_did_not_hold_is_wanting() -> None:
    found = wanting("alert.rule contains shell and proc.name = bash and alert.hostname = x")
    assert [text for text, _, _ in found] == ["proc.name = bash", "alert.hostname = x"]
    assert found[0][1:] == ("'sh'", False)


def test_of_a_disjunction_all_of_it_is_wanting() -> None:
    assert [text for text, _, _ in wanting("proc.name = bash or proc.name = zsh")] == [
        "proc.name = bash",
        "proc.name = zsh",
    ]


def test_what_must_not_hold_is_said_with_what_it_is() -> None:
    assert wanting("alert.rule contains shell and not proc.name = sh") == [("proc.name = sh", "'sh'", True)]


def test_no_more_than_a_few_parts_are_shown() -> None:
    assert len(wanting(" or ".join(f"proc.name = p{number}" for number in range(20)))) == 6


def test_a_route_that_takes_it_wants_nothing() -> None:
    route = build.route()
    trial = attempt(pasted(json.dumps(ALERT), NOW), tree.load(), NOW)
    verdict = trial.verdicts[route.pk]
    assert (verdict.match, verdict.wanting, verdict.takes) == (Match.MATCHED, [], True)
    assert [taken.id for taken in trial.simulation.taken] == [route.pk]


def test_a_pasted_alert_without_a_time_is_of_now_and_one_with_a_time_is_of_that() -> None:
    assert pasted(json.dumps(ALERT), NOW).time == NOW
    earlier = {**ALERT, "time": "2026-11-20T10:00:00Z"}
    assert pasted(json.dumps(earlier), NOW).time.day == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "This is not JSON"),
        ("{", "This is not JSON"),
        ("[" * 100_000, "This is not JSON"),
        ("[]", "one JSON object"),
        ('{"rule": "x"}', "priority: is missing"),
        ('{"rule": "x", "priority": "loud"}', "priority"),
    ],
)
def test_what_is_no_alert_is_said(text: str, said: str) -> None:
    with pytest.raises(NoAlert, match=said):
        pasted(text, NOW)
