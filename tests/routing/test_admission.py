import json
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.admission import (
    CUT,
    DEEPEST,
    MAX_FIELDS,
    MAX_FIELDS_BYTES,
    MAX_OUTPUT,
    Rejected,
    Row,
    Sender,
    admit,
    clean,
)
from tests import build

SENDER = Sender(1, "node-1", "sensor", "node-1")


def admitted(**fields: object) -> Row:
    return admit(build.posted(**fields), SENDER)


def rejection(**fields: object) -> tuple[str, str]:
    with pytest.raises(Rejected) as caught:
        admitted(**fields)
    return caught.value.field, caught.value.reason


def test_a_whole_alert_becomes_a_row():
    uuid = "01a20866-f9fb-7cc2-94d1-67d8cf42ae79"
    row = admitted(uuid=uuid, time="2026-11-23T12:34:56.123456789Z", priority="critical", held_back=3)
    assert (row.uuid, row.priority, row.held_back) == (UUID(uuid), 2, 3)
    assert row.time_ns == 1_795_437_296_123_456_789
    assert row.time.isoformat() == "2026-11-23T12:34:56.123456+00:00"
    assert json.loads(row.output_fields) == build.posted()["output_fields"]
    assert json.loads(row.tags) == ["T1003"]


@pytest.mark.parametrize("name", ["rule", "priority", "time"])
@pytest.mark.parametrize("value", [None, ...])
def test_what_cannot_be_told_is_rejected_by_name(name, value):
    posted = build.posted()
    if value is None:
        posted[name] = None
    else:
        del posted[name]
    with pytest.raises(Rejected) as caught:
        admit(posted, SENDER)
    assert (caught.value.field, caught.value.reason) == (name, "is missing")


@pytest.mark.parametrize("value", [None, 5, "text", [], [[]], True])
def test_a_value_that_is_no_object_is_rejected(value):
    with pytest.raises(Rejected, match="must be a JSON object"):
        admit(value, SENDER)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("rule", "", "must not be empty"),
        ("rule", 7, "Expected `str`, got `int`"),
        ("priority", "loud", "is not a priority"),
        ("tags", "T1003", "Expected `array | null`, got `str`"),
        ("output_fields", ["a"], "Expected `object | null`, got `array`"),
        ("uuid", "not-a-uuid", "must be a UUID"),
        ("time", "yesterday", "must be RFC 3339"),
        ("time", "2026-13-01T00:00:00Z", "is no time"),
        ("time", "2026-11-23T12:00:00", "must be RFC 3339"),
        ("time", "0000-01-01T00:00:00Z", "is no time"),
        ("time", "0001-01-01T00:00:00Z", "between the years 1970 and 2261"),
        ("time", "1969-12-31T23:59:59Z", "between the years 1970 and 2261"),
        ("time", "2262-01-01T00:00:00Z", "between the years 1970 and 2261"),
        ("time", "9999-12-31T23:59:59Z", "between the years 1970 and 2261"),
        ("time", "9999-12-31T23:59:59-14:00", "between the years 1970 and 2261"),
        ("time", "٢٠٢٦-11-23T12:00:00Z", "must be RFC 3339"),
    ],
)
def test_a_rejection_names_the_field_and_the_reason(field, value, reason):
    named, why = rejection(**{field: value})
    assert named == field
    assert reason in why


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-23T12:34:56z", 1_795_437_296_000_000_000),
        ("2026-11-23t14:34:56.5+02:00", 1_795_437_296_500_000_000),
        ("2026-11-23T12:34:56.1234567899Z", 1_795_437_296_123_456_789),
        ("2261-12-31T23:59:59.999999999Z", 9_214_646_399_999_999_999),
    ],
)
def test_times_are_read_to_the_nanosecond(text, nanoseconds):
    assert admitted(time=text).time_ns == nanoseconds


def test_what_an_attacker_can_write_never_costs_the_alert():
    row = admitted(
        output="\0" + "x" * (1 << 20),
        hostname="h" * 300,
        output_fields={"proc.name": "a\0b", "proc.cmdline": "ü" * (1 << 20), "n": 10**40, "s": "\ud800"},
    )
    fields = json.loads(row.output_fields)
    assert fields[CUT] == ["hostname", "output", "proc.cmdline"]
    assert len(row.output) == MAX_OUTPUT
    assert row.output.startswith("\N{REPLACEMENT CHARACTER}x")
    assert len(row.hostname) == 255
    assert fields["proc.name"] == "a\N{REPLACEMENT CHARACTER}b"
    assert fields["n"] == str(10**40)
    assert fields["s"] == "\N{REPLACEMENT CHARACTER}"


def test_five_thousand_fields_are_cut_to_the_first_ones():
    fields = json.loads(admitted(output_fields={f"field.{n}": "v" for n in range(5_000)}).output_fields)
    assert len(fields) == MAX_FIELDS + 1
    assert fields[CUT] == ["output_fields"]


def test_many_long_strings_are_cut_further_until_they_fit():
    row = admitted(output_fields={f"field.{n}": "v" * 8_000 for n in range(300)})
    assert len(row.output_fields) <= MAX_FIELDS_BYTES
    assert len(json.loads(row.output_fields)) == 301


def test_fields_that_cannot_be_cut_to_size_are_rejected():
    assert rejection(output_fields={"a": ["x" * 1000] * 1000}) == ("output_fields", "is larger than 256 KiB")


def test_fields_nested_too_deeply_are_rejected():
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    assert rejection(output_fields={"a": deep}) == ("output_fields", "is nested too deeply")


@pytest.mark.parametrize(("levels", "inside"), [(DEEPEST, "\N{REPLACEMENT CHARACTER}"), (DEEPEST + 1, "\0")])
def test_values_are_cleaned_as_deep_as_they_can_be_stored_and_are_no_error_below(levels, inside):
    value: object = "\0"
    for _ in range(levels):
        value = [value]
    value = clean(value)
    while isinstance(value, list):
        (value,) = value
    assert value == inside


def test_a_repeat_without_a_uuid_gets_the_same_one_whatever_the_order_of_its_keys():
    first = admitted(output_fields={"a": 1, "b": {"c": 2, "d": 3}})
    second = admit(dict(reversed(build.posted(output_fields={"b": {"d": 3, "c": 2}, "a": 1}).items())), SENDER)
    assert first.uuid == second.uuid
    assert first.uuid.version == 7
    assert first.uuid.int >> 80 == first.time_ns // 1_000_000


@pytest.mark.parametrize(
    "change",
    [
        {"time": "2026-11-23T12:00:00.000000001Z"},
        {"rule": "Another rule"},
        {"priority": "Error"},
        {"output": "other"},
        {"hostname": "node-2"},
        {"output_fields": {}},
        {"tags": []},
        {"source": "k8s_audit"},
    ],
)
def test_another_alert_without_a_uuid_gets_another_one(change):
    assert admitted(**change).uuid != admitted().uuid


def test_another_token_saying_the_same_is_another_alert():
    assert admit(build.posted(), Sender(2, "other", "sensor", "")).uuid != admitted().uuid


def test_an_idempotency_key_and_the_index_make_the_identity():
    first = admit(build.posted(), SENDER, ("key", 0))
    assert admit(build.posted(output="said again, differently"), SENDER, ("key", 0)).uuid == first.uuid
    assert admit(build.posted(), SENDER, ("key", 1)).uuid != first.uuid
    assert admit(build.posted(), SENDER, ("other", 0)).uuid != first.uuid


@pytest.mark.parametrize(
    ("sender", "hostname", "own"),
    [
        (SENDER, "node-1", True),
        (SENDER, "node-2", False),
        (Sender(1, "shared", "sensor", ""), "", False),
        (Sender(1, "shared", "sensor", ""), "node-1", False),
        (Sender(1, "alice", "admin", "node-1"), "node-1", False),
    ],
)
def test_only_a_sensor_speaking_of_the_node_of_its_token_speaks_of_its_own(sender, hostname, own):
    assert admit(build.posted(hostname=hostname), sender).own_node is own


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from([*build.posted(), "uuid", "held_back", "other"]), JSON), st.booleans())
def test_any_json_is_a_storable_row_or_a_rejection(changes, whole):
    value = {**build.posted(), **changes} if whole else changes
    try:
        row = admit(clean(value), SENDER)
    except Rejected:
        return
    text = row.rule + row.source + row.hostname + row.output + row.output_fields + row.tags
    assert "\0" not in text
    assert rb"\u0000" not in row.output_fields.replace("\\\\", "").encode()
    assert orjson.loads(row.output_fields) is not None
    assert 0 <= row.time_ns < 1 << 63
    assert 0 <= row.held_back < 1 << 31
