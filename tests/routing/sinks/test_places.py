"""Where options lead."""

from collections.abc import Callable

import pytest

from routing.sinks import places


@pytest.mark.parametrize(
    ("place", "value", "found"),
    [
        (places.url, "https://A.example/one?two#three", {"https://a.example:443"}),
        (places.url, "http://a.example:8080", {"http://a.example:8080"}),
        (places.url, "https://bob:secret@a.example/", {"https://a.example:443"}),
        (places.url, "https://[fd00::1]/", {"https://fd00::1:443"}),
        (places.urls, "https://a.example:9093 http://b.example", {"https://a.example:9093", "http://b.example:80"}),
        (places.host, "SIEM.example", {"siem.example"}),
        (places.host, "10.0.0.7", {"10.0.0.7"}),
        (places.host, "fd00::1", {"fd00::1"}),
        (places.port, 514, {"514"}),
        (places.servers, "A.example:9092, [fd00::1]:9093 b", {"a.example:9092", "[fd00::1]:9093", "b:0"}),
    ],
)
def test_a_value_leads_to_places_that_can_be_compared(
    place: Callable[[object], set[str]], value: object, found: set[str]
) -> None:
    assert place(value) == found


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (places.url, "a.example/hook", "write it as https://host"),
        (places.url, "ftp://a.example/", "write it as https://host"),
        (places.url, "https://", "write it as https://host"),
        (places.url, "https://a.example:0/", "write it as https://host"),
        (places.url, "https://a.example:x/", "write it as https://host"),
        (places.url, "https://a.example/ b", "character that it cannot have"),
        (places.urls, " ", "No address is entered"),
        (places.urls, "https://a.example, https://b.example", "character that it cannot have"),
        (places.host, "https://a.example", "alone"),
        (places.host, "a.example:25", "alone"),
        (places.host, "bob@a.example", "alone"),
        (places.host, "a b", "alone"),
        (places.servers, "", "No server is entered"),
        (places.servers, "bob:secret@a.example:4222", "without a user name and password"),
    ],
)
def test_what_leads_nowhere_is_said_without_the_password_in_it(
    place: Callable[[str], set[str]], value: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as error:
        place(value)
    assert "secret" not in str(error.value)
