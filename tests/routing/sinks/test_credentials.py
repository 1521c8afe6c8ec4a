import pytest

from routing.sinks.credentials import authorization


@pytest.mark.parametrize(
    ("given", "header"),
    [
        (("", "", ""), {}),
        (("", "password alone", ""), {}),
        (("user", "pässword", ""), {"Authorization": "Basic dXNlcjpww6Rzc3dvcmQ="}),
        (("user", "password", "token"), {"Authorization": "Bearer token"}),
    ],
)
def test_a_token_goes_before_a_user_name(given: tuple[str, str, str], header: dict[str, str]) -> None:
    assert authorization(*given) == header
