"""docs/sinks.md says what the code says."""

from routing import sinks
from tests.contract.sink_pages import DOCS, PLACE, complete


def test_every_kind_has_its_table_of_options() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert {place["kind"] for place in PLACE.finditer(text)} == set(sinks.kinds())


def test_the_tables_are_those_of_the_code() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert complete(text) == text, "run python -m tests.contract"
