import pytest

from routing.sinks.lengths import fitted, utf8, utf16


@pytest.mark.parametrize("size", [len, utf16, utf8])
@pytest.mark.parametrize("limit", [3, 4, 5, 10, 37, 1000])
@pytest.mark.parametrize("text", ["", "abc", "x" * 1000, "😀" * 100, "ü€😀x" * 50, "\ud800" * 50])
def test_nothing_gets_longer_than_its_limit(size, limit, text) -> None:
    cut = fitted(text, limit, size=size)
    assert size(cut) <= limit
    assert cut == text if size(text) <= limit else text.startswith(cut.removesuffix("…"))


def test_what_a_character_is_spelt_as_is_never_cut_in_two() -> None:
    assert fitted("a&&", 8, spell=lambda c: "&amp;" if c == "&" else c) == "a&amp;…"


def test_a_text_that_just_fits_is_left_alone() -> None:
    assert fitted("😀😀", 4, size=utf16) == "😀😀"
    assert fitted("😀😀", 3, size=utf16) == "😀…"


def test_the_end_can_be_left_out() -> None:
    assert fitted("ü" * 5, 5, size=utf8, end="") == "üü"
