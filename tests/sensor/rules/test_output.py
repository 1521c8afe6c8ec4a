"""Outputs: text and `output_fields` of an alert, typed as Falco's JSON."""

import pytest

from sensor.event import Event, Fd, Process
from sensor.fields import K8S_AUDIT, SYSCALL
from sensor.rules import RuleError
from sensor.rules.errors import Source
from sensor.rules.output import compile_output


def event() -> Event:
    return Event(
        type="openat",
        time=1_700_000_000_123_456_789,
        num=5,
        res=3,
        args={"fd": 3, "flags": 0, "data": b"a\x00\xff"},
        proc=Process(pid=42, name="cat", args=["-n", "x"], tty=34816, loginuid=-1, is_exe_writable=True),
        fd=Fd(num=3, name="/tmp/\udcffx", typechar="f"),
    )


def rendered(text: str, one: Event | None = None) -> tuple[str, dict]:
    return compile_output(Source("output", text), SYSCALL).render(one or event())


def test_fields_are_put_into_the_text_and_into_output_fields_with_their_types():
    text, fields = rendered("%proc.name[%proc.pid] wrote %proc.is_exe_writable %user.loginuid")
    assert text == "cat[42] wrote true -1"
    assert fields == {"proc.name": "cat", "proc.pid": 42, "proc.is_exe_writable": True, "user.loginuid": -1}


def test_a_missing_field_is_na_in_the_text_and_null_in_output_fields():
    assert rendered("%proc.pname in %container.name") == ("<NA> in <NA>", {"proc.pname": None, "container.name": None})


def test_invalid_utf8_becomes_the_replacement_character():
    assert rendered("%fd.name") == ("/tmp/�x", {"fd.name": "/tmp/�x"})


def test_a_buffer_is_printed_with_dots_for_what_cannot_be_printed():
    assert rendered("%evt.buffer") == ("a..", {"evt.buffer": "a.."})


def test_times_are_numbers_in_output_fields_however_they_are_printed():
    text, fields = rendered("%evt.time.iso8601 %evt.rawtime")
    assert text == "2023-11-14T22:13:20.123456789Z 1700000000123456789"
    assert fields == {"evt.time.iso8601": 1_700_000_000_123_456_789, "evt.rawtime": 1_700_000_000_123_456_789}


def test_a_width_pads_or_cuts():
    assert rendered("[%6proc.name][%2proc.name]")[0] == "[cat   ][ca]"


def test_a_field_ends_where_its_name_does():
    assert rendered("%proc.name.")[0] == "cat."
    assert rendered("%proc.namex")[0] == "catx"
    assert rendered("%proc.args[1],%proc.args[0]")[0] == "x,-n"


def test_transformers_print_and_their_fields_are_in_output_fields():
    text, fields = rendered("%toupper(proc.name) %concat(proc.name, evt.type)")
    assert text == "CAT catopenat"
    assert fields == {"proc.name": "cat", "evt.type": "openat"}


def test_ancestors_without_a_number_print_with_blanks_between():
    one = event()
    one.proc = Process(pid=3, name="c", parent=Process(pid=2, name="b", parent=Process(pid=1, name="a")))
    assert rendered("%proc.aname %proc.aname[2]", one)[0] == "b a a"


def test_list_fields_print_in_parentheses_and_are_arrays_in_output_fields():
    audit = Event(type="", time=0, source="k8s_audit", payload={"user": {"groups": ["a", "b"]}})
    output = compile_output(Source("output", "groups=%ka.user.groups"), K8S_AUDIT)
    assert output.render(audit) == ("groups=(a,b)", {"ka.user.groups": ["a", "b"]})


def test_recorded_values_win():
    one = event()
    one.given = {"proc.name": "recorded", "container.name": "web"}
    assert rendered("%proc.name %container.name", one)[0] == "recorded web"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ends with %", "formatting cannot end with a %"),
        ("ends with %12", "formatting cannot end with a number"),
        ("%nosuch.field", "unknown filter: nosuch.field"),
        ("% proc.name", "unknown filter: "),
        ("%toupper(proc.pid)", "unknown filter"),
        ("%fd.ip", "can be used in conditions only"),
        ("%evt.arg.nosuch", "unknown filter"),
        ("%proc.name" * 501, "more than 500 fields"),
    ],
)
def test_what_is_no_field_is_refused(text, message):
    with pytest.raises(RuleError) as caught:
        compile_output(Source("output", text), SYSCALL)
    assert message in caught.value.message
    assert caught.value.code == "LOAD_ERR_COMPILE_OUTPUT"
