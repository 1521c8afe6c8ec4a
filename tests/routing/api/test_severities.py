from pathlib import Path

import pytest

from routing.api.severities import WORDS, priority_of
from sensor.alert import Priority


@pytest.mark.parametrize("priority", Priority)
def test_our_own_names_mean_themselves(priority: Priority):
    assert priority_of(priority.label, Priority.DEBUG) is priority


@pytest.mark.parametrize(
    ("word", "priority"),
    [
        ("critical", Priority.CRITICAL),
        ("page", Priority.CRITICAL),
        ("High", Priority.ERROR),
        (" warning ", Priority.WARNING),
        ("info", Priority.INFORMATIONAL),
        ("none", Priority.INFORMATIONAL),
    ],
)
def test_the_words_of_others_are_known_in_any_case(word: str, priority: Priority):
    assert priority_of(word, Priority.NOTICE) is priority


@pytest.mark.parametrize("word", ["p1", "", None, 2, ["critical"], {}])
def test_what_is_not_in_the_table_is_what_the_caller_says(word: object):
    assert priority_of(word, Priority.NOTICE) is Priority.NOTICE


def test_no_word_means_two_priorities():
    words = [word for words in WORDS.values() for word in words]
    assert len(words) == len(set(words))


def test_the_table_of_the_docs_is_this_one():
    page = (Path(__file__).resolve().parents[3] / "docs/api.md").read_text(encoding="utf-8")
    for priority, words in WORDS.items():
        assert f"| {priority.label} | {', '.join(words)} |" in page
