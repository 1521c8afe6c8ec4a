"""Forms out of a kind's options."""

from dataclasses import dataclass, field

import pytest

from routing import actions, sinks
from routing.forms import form_for
from routing.kinds import Secret, option


@dataclass(frozen=True)
class Options:
    url: str = option("Where to post.", label="Address", placeholder="https://…")
    key: Secret = option("From their console.")
    spare: Secret = option("Only sometimes.", default=Secret(""))
    format: str = option("How it looks.", default="json", choices=("json", "text"))
    body: str = option("What is sent.", default="{}", multiline=True)
    tries: int = option("How often.", default=3)
    share: float = option("How much.", default=0.5)
    loud: bool = option("Whether to shout.", default=True)
    to: tuple[str, ...] = option("To whom.", default=())
    headers: dict[str, str] = field(default_factory=dict, metadata={"help": "Sent along."})


FILLED = {
    "option-url": "https://a.example",
    "option-key": "k",
    "option-format": "text",
    "option-body": "x",
    "option-tries": "",
    "option-share": "0.25",
    "option-to": "a@x.example\n\n b@x.example ",
    "option-headers": "X-One: 1\nX-Two: a: b",
}


def test_every_option_is_a_field_in_its_order_with_its_words() -> None:
    form = form_for(Options)()
    assert list(form.fields) == [each.name for each in form.options]
    assert form.fields["url"].label == "Address"
    assert form.fields["tries"].label == "Tries"
    assert form.fields["url"].widget.attrs["placeholder"] == "https://…"
    assert (form.fields["url"].required, form.fields["spare"].required, form.fields["loud"].required) == (
        True,
        False,
        False,
    )
    assert form["loud"].value() is True


def test_the_values_have_the_options_types() -> None:
    form = form_for(Options)(FILLED)
    assert form.is_valid(), form.errors
    assert form.plain() == {
        "url": "https://a.example",
        "format": "text",
        "body": "x",
        "share": 0.25,
        "loud": False,
        "to": ["a@x.example", "b@x.example"],
        "headers": {"X-One": "1", "X-Two": "a: b"},
    }
    assert form.secrets() == {"key": "k"}


def test_what_is_stored_comes_back_into_the_form_except_secrets() -> None:
    first = form_for(Options)(FILLED)
    first.is_valid()
    html = form_for(Options)(values=first.plain(), stored=frozenset({"key"})).as_p()
    assert "a@x.example\nb@x.example" in html
    assert "X-Two: a: b" in html
    assert 'value="k"' not in html


def test_a_stored_secret_may_be_left_empty_and_an_optional_one_forgotten() -> None:
    stored = frozenset({"key", "spare"})
    form = form_for(Options)({**FILLED, "option-key": "", "option-forget_spare": "on"}, stored=stored)
    assert "forget_key" not in form.fields
    assert form.is_valid(), form.errors
    assert form.secrets() == {"spare": None}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("url", "", "required"),
        ("key", "", "required"),
        ("tries", "many", "whole number"),
        ("format", "xml", "valid choice"),
        ("headers", "no colon", "name: value"),
        ("headers", ": no name", "name: value"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(name: str, value: str, said: str) -> None:
    form = form_for(Options)({**FILLED, f"option-{name}": value})
    assert not form.is_valid()
    assert said in str(form.errors[name])


def test_a_secret_of_several_lines_is_not_shown_either() -> None:
    @dataclass(frozen=True)
    class Keyed:
        key: Secret = option("A private key.", multiline=True)

    assert "PRIVATE" not in form_for(Keyed)({"option-key": "PRIVATE"}).as_p()


def test_an_option_that_no_field_shows_is_a_mistake_in_the_kind() -> None:
    @dataclass(frozen=True)
    class Strange:
        thing: bytes = option("What?")

    with pytest.raises(TypeError, match="thing"):
        form_for(Strange)


@pytest.mark.parametrize("kind", sorted(sinks.kinds()))
def test_every_kind_of_sink_has_a_form(kind: str) -> None:
    assert form_for(sinks.kinds()[kind].Config)().as_p()


@pytest.mark.parametrize("kind", sorted(actions.kinds()))
def test_every_kind_of_action_has_a_form(kind: str) -> None:
    form_for(actions.kinds()[kind].Params)().as_p()
