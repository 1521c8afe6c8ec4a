"""The settings' types."""

import pytest

from sensor.config import Config, ConfigError, Secret, Server


def test_a_secret_never_shows_itself() -> None:
    secret = Secret("sa_hunter2")
    server = Server(url="https://x", token=secret)
    shown = [repr(secret), str(secret), f"{secret}", repr(server), repr(Config(server=server))]
    assert not any("hunter2" in text for text in shown)
    assert secret.reveal() == "sa_hunter2"


def test_the_token_file_is_read_without_its_newline(tmp_path) -> None:
    file = tmp_path / "token"
    file.write_text("sa_from_file\n")
    assert Server(token_file=str(file)).read_token().reveal() == "sa_from_file"


def test_the_token_itself_wins_over_the_file() -> None:
    assert Server(token=Secret("sa_a"), token_file="/nonexistent").read_token().reveal() == "sa_a"


def test_a_missing_token_file_is_named(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"server\.token_file.*nowhere"):
        Server(token_file=str(tmp_path / "nowhere")).read_token()


@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "ünïcode"])
def test_what_cannot_be_a_token_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Server(token=Secret(text)).read_token()
    assert not text or text not in str(refusal.value)


def test_no_action_is_allowed_by_default() -> None:
    assert Config().actions.allow == ()
