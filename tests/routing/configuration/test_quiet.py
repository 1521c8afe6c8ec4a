from datetime import timedelta

import pytest

from routing.access import Operator
from routing.configuration.quiet import is_meant, live, made_so, title
from routing.faults import Fault
from routing.models import Silence
from routing.shapes import SilenceShape
from tests.build import NOW

pytestmark = pytest.mark.django_db
BY = Operator("apply")
HOUR = timedelta(hours=1)


def said(starts: float | None = None, ends: float = 1, condition: str = "alert.rule = x") -> SilenceShape:
    starts_at = None if starts is None else NOW + starts * HOUR
    return SilenceShape(condition=condition, comment="c", starts_at=starts_at, ends_at=NOW + ends * HOUR)


def test_one_is_meant_by_its_condition_and_comment_and_its_start_where_that_is_written() -> None:
    stored = made_so(None, said(), BY, NOW)
    assert stored
    assert is_meant(stored, said(ends=9))
    assert is_meant(stored, said(starts=0))
    assert not is_meant(stored, said(starts=0.5))
    assert not is_meant(stored, said(condition="alert.rule = y"))


def test_one_ends_when_the_file_says_and_one_that_has_ended_is_not_made() -> None:
    assert made_so(None, said(ends=-1), BY, NOW) is None
    stored = made_so(None, said(ends=3), BY, NOW)
    assert made_so(stored, said(ends=3), BY, NOW) == stored
    later = made_so(stored, said(ends=5), BY, NOW)
    assert later
    assert later.ends_at == NOW + 5 * HOUR
    ended = made_so(later, said(ends=-1), BY, NOW)
    assert ended
    assert ended.ends_at == NOW
    assert live(NOW) == []


def test_one_that_was_taken_back_before_it_began_is_not_live() -> None:
    stored = made_so(None, said(starts=2, ends=3), BY, NOW)
    assert live(NOW) == [stored]
    made_so(stored, said(starts=2, ends=-1), BY, NOW)
    assert Silence.objects.get().ends_at > NOW
    assert live(NOW) == []


@pytest.mark.parametrize(
    ("silence", "field"), [(said(condition=" "), "condition"), (said(starts=2, ends=1), "ends_at")]
)
def test_what_cannot_be_is_refused_with_its_field(silence: SilenceShape, field: str) -> None:
    with pytest.raises(Fault) as fault:
        made_so(None, silence, BY, NOW)
    assert fault.value.field == field


def test_a_title_is_the_comment_or_the_condition_on_one_short_line() -> None:
    assert title({"comment": "", "condition": "a\n  and b"}) == "a and b"
    assert title({"comment": "x" * 100, "condition": "a"}) == "x" * 79 + "…"
