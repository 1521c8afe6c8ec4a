import pytest

from routing.sinks.addresses import listed, written


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kafka.example.com", [("kafka.example.com", 9092)]),
        ("a:1, b:2,c", [("a", 1), ("b", 2), ("c", 9092)]),
        ("a:1\nb:2 c", [("a", 1), ("b", 2), ("c", 9092)]),
        ("[fd00::1]:9, [::1]", [("fd00::1", 9), ("::1", 9092)]),
        ("10.0.0.7:65535,", [("10.0.0.7", 65535)]),
    ],
)
def test_servers_are_read_with_their_ports(text: str, found: list[tuple[str, int]]) -> None:
    assert listed(text, 9092) == found


@pytest.mark.parametrize(
    "text", ["", " , ", "a:b", "a:99999", "http://a:1", "a/b", "u:p@a:1", "fd00::1", "[fd00::1", "a?b", "a#b"]
)
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a server; enter host:port|No server is entered"):
        listed(text, 9092)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert (written("::1", 9), written("a", 9)) == ("[::1]:9", "a:9")
