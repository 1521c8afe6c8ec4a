import pytest

from routing.api.patient_json import loads


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":1,"a":2}', {"a": 2}),
        (rb'"\ud800 \u0000"', "\ufffd \ufffd"),
        (b'"\xff"', "\ufffd"),
        (b"1e999", "1e999"),
        (b"-1e999", "-1e999"),
        (b"9" * 5_000, "9" * 5_000),
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", "9223372036854775808"),
        (rb'{"\ud83d\ude00":"\u00e9"}', {"😀": "é"}),
    ],
)
def test_what_is_strange_is_read_as_something_that_can_be_stored(body: bytes, value: object):
    assert loads(body) == value


@pytest.mark.parametrize("body", [b"", b"NaN", b"[Infinity]", b"{", b"{'a':1}", b'{"a":1}x'])
def test_what_is_not_json_is_an_error(body: bytes):
    with pytest.raises(ValueError, match=r"."):
        loads(body)


def test_what_is_nested_without_end_is_an_error_of_its_own():
    with pytest.raises(RecursionError):
        loads(b"[" * 100_000)
