from datetime import timedelta

import pytest

from routing import escalation
from routing.escalation import Waiting
from routing.tree import Step
from tests.build import NOW

STEPS = (Step(900, ()), Step(3600, ()))
NOBODY = Waiting()


def at(seconds: int):
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("steps", "told", "firing", "expected"),
    [
        (STEPS, True, True, Waiting(NOW, 0)),
        (STEPS, False, True, NOBODY),
        (STEPS, True, False, NOBODY),
        ((), True, True, NOBODY),
    ],
)
def test_somebody_is_waited_for_once_a_firing_group_was_told(steps, told, firing, expected) -> None:
    assert escalation.waiting(NOBODY, steps, NOW, told=told, firing=firing) == expected


def test_the_waiting_goes_on_until_it_ends_and_then_begins_anew() -> None:
    before = Waiting(at(-100), 900)
    assert escalation.waiting(before, STEPS, NOW, told=True, firing=True) == before
    assert escalation.waiting(before, STEPS, NOW, told=True, firing=False) == NOBODY


def test_each_step_is_due_at_its_time_and_once() -> None:
    state = Waiting(NOW, 0)
    assert escalation.due(state, STEPS, at(899)) == []
    assert escalation.due(state, STEPS, at(900)) == [STEPS[0]]
    assert escalation.due(state, STEPS, at(3600)) == list(STEPS)
    assert escalation.due(Waiting(NOW, 900), STEPS, at(3599)) == []
    assert escalation.due(NOBODY, STEPS, at(10**6)) == []


def test_when_the_next_step_is_due() -> None:
    assert escalation.next_at(Waiting(NOW, 0), STEPS) == at(900)
    assert escalation.next_at(Waiting(NOW, 900), STEPS) == at(3600)
    assert escalation.next_at(Waiting(NOW, 3600), STEPS) is None
    assert escalation.next_at(NOBODY, STEPS) is None


@pytest.mark.parametrize(
    ("after", "said"), [(900, "15 min"), (3600, "1 h"), (5400, "1 h 30 min"), (90, "1 min 30 s"), (7202, "2 h 2 s")]
)
def test_a_step_says_why_in_words(after: int, said: str) -> None:
    assert escalation.reason(Step(after, ())) == f"not acknowledged after {said}"
