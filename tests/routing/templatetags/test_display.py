"""How times and counts look."""

from datetime import timedelta

import pytest
from django.utils import timezone

from routing.models import AlertGroup
from routing.templatetags import display


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.24, "240 ms"),
        (59, "59 s"),
        (60, "1 min"),
        (3_725, "1 h 2 min"),
        (90_000, "1 d 1 h"),
        (86_405, "1 d"),
    ],
)
def test_a_span_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert display.span(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (90, "1 min ago"), (7200, "2 h ago"), (-130, "in 2 min"), (200_000, "2 d ago")],
)
def test_a_moment_is_said_from_here(seconds: float, words: str) -> None:
    shown = display.ago(timezone.now() - timedelta(seconds=seconds + 0.4 * (seconds > 0)))
    assert f">{words}<" in shown
    assert "UTC" in shown


def test_never_is_a_word() -> None:
    assert display.ago(None) == display.clock(None) == "never"


def test_the_day_is_said_where_it_is_not_today() -> None:
    moment = timezone.now() - timedelta(days=3)
    assert f">{moment:%b %d}" in display.clock(moment)


def test_the_word_comes_before_the_colour() -> None:
    assert display.priority(2) == '<span class="badge critical">Critical</span>'
    assert display.state(AlertGroup(state="firing")) == '<span class="badge firing">Firing</span>'


@pytest.mark.parametrize(("number", "text"), [(1_234_567, "1,234,567"), (0, "0"), (None, ""), ("", "")])
def test_counts_have_separators(number: object, text: str) -> None:
    assert display.thousands(number) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"b":1,"a":["ü"]}', '{\n  "b": 1,\n  "a": [\n    "ü"\n  ]\n}'),
        ("ok", "ok"),
        ("12.50", "12.50"),
        ('{"cut":"he…', '{"cut":"he…'),
        ("", ""),
    ],
)
def test_json_that_was_sent_is_laid_out_and_other_text_left_alone(text: str, shown: str) -> None:
    assert display.laid_out(text) == shown
