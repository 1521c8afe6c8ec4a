import pytest

from routing.sinks import markdown


@pytest.mark.parametrize("call", ["@everyone", "@here", "@channel", "@all", "@alice", "<@42>", "<!channel>", "<#4>"])
def test_nobody_is_called(call: str) -> None:
    assert call not in markdown.text(f"see {call} there", 1000)
    assert call not in markdown.code(f"see {call} there", 1000)


def test_an_alert_cannot_hide_where_a_link_leads() -> None:
    assert markdown.text("[here](https://bad.example)", 100) == "\\[here\\](https://bad.example)"


def test_an_address_can_be_copied_as_it_is() -> None:
    assert markdown.text("curl https://bad.example/a-b?c=1", 100) == "curl https://bad.example/a-b?c=1"


def test_an_alert_cannot_end_the_block_of_code_it_is_in() -> None:
    assert markdown.code("a```b", 100).count("```") == 2


@pytest.mark.parametrize("limit", [12, 13, 20, 100])
def test_both_are_as_short_as_asked_for(limit: int) -> None:
    assert len(markdown.text("*@`x" * 100, limit)) <= limit
    assert len(markdown.code("*@`x" * 100, limit)) <= limit
