import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.configuration import export, read
from routing.configuration.writing import item
from routing.models import Silence
from tests import build
from tests.build import NOW

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def test_an_empty_database_has_every_section_with_nothing_in_it(db: None) -> None:
    assert export(NOW).split("\n\n", 1)[1] == (
        "intervals: []\n\nlookups: []\n\nsinks: []\n\nactions: []\n\nroutes: []\n\ninhibitions: []\n\nwindows: []\n\n"
        "silences: []\n"
    )


@pytest.mark.django_db
def test_stored_secrets_are_named_and_not_told() -> None:
    secrets = {"webhook_url": "https://hooks.example/TOPSECRET", "bot_token": {"env": "BOT"}}
    build.sink("slack", name="b", secrets=secrets, config={"channel": "#b", "threads": True})
    build.sink("pigeon", name="a", config={"loft": 3}, enabled=False)
    text = export(NOW)
    assert "TOPSECRET" not in text
    assert (
        """
sinks:
  - name: a
    kind: pigeon
    enabled: false
    options:
      loft: 3
  - name: b
    kind: slack
    options:
      channel: '#b'
    secrets:
      bot_token: {env: BOT}
    # The secret webhook_url is stored and not exported.
"""
        in text
    )


def test_members_stand_in_one_order_whatever_the_database_makes_of_it() -> None:
    entry = {"location": "UTC", "weekdays": ["sunday"], "times": [{"end_time": "2:00", "start_time": "1:00"}]}
    text = item("intervals", {"comment": "", "spec": [entry], "name": "n"})
    assert re.findall(r"([a-z_]+):", text) == [
        "name",
        "spec",
        "times",
        "start_time",
        "end_time",
        "weekdays",
        "location",
    ]


@pytest.mark.django_db
def test_routes_are_a_tree_in_the_order_of_the_walk() -> None:
    last, top = build.route(name="a", position=1000), build.route(name="z", position=10)
    build.route(name="c", position=2, parent=top)
    build.route(name="b", position=3, parent=top)
    text = export(NOW)
    assert [line.strip() for line in text.splitlines() if "- name" in line] == [
        f"- name: {name}" for name in ("z", "c", "b", last.name)
    ]
    assert "position" not in text
    assert "parent" not in text


@pytest.mark.django_db
def test_silences_that_have_ended_or_never_begin_are_left_out() -> None:
    common = {"condition": "alert.rule = x", "created_at": NOW, "token_name": "t"}
    hour = timedelta(hours=1)
    for comment, starts, ends in (
        ("ended", -2, -1),
        ("taken back", 3, 3),
        ("holds", -1, 1),
        ("holds", -1, 2),
        ("will", 1, 2),
    ):
        Silence.objects.create(comment=comment, starts_at=NOW + starts * hour, ends_at=NOW + ends * hour, **common)
    said = [(one.facts["comment"], one.facts["ends_at"]) for one in read("-", export(NOW)).sections["silences"]]
    assert said == [("holds", "2026-11-23T14:00:00Z"), ("will", "2026-11-23T14:00:00Z")]


@given(
    st.fixed_dictionaries(
        {
            "name": TEXTS.map(lambda text: f"n{text}"[:100]),
            "kind": st.just("unknown"),
            "options": st.dictionaries(
                st.text("abc_", min_size=1),
                TEXTS
                | st.integers(-(10**15), 10**15)
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.booleans(),
            ),
        }
    )
)
def test_what_is_written_is_read_as_the_same(facts: dict[str, Any]) -> None:
    whole = {**facts, "enabled": True, "most_per_minute": None, "secrets": {}}
    lines = item("sinks", whole).splitlines(keepends=True)
    text = "sinks:\n- " + "  ".join(lines)
    found = read("a.yaml", text)
    assert found.problems == [], text
    [written] = found.sections["sinks"]
    assert {name: written.facts[name] for name in facts} == facts
