"""The contract of every kind of response action. A new kind is tested here without a line added."""

import dataclasses
import json
from typing import Any

import pytest

from routing import actions
from routing.actions.base import NotApplicable, Refused, Responder, Subject
from routing.kinds import build
from sensor.actions.base import found_kinds

EVERY_KIND = pytest.mark.parametrize("kind", actions.kinds().values(), ids=actions.kinds())

# What a sensor's alert can carry; a kind that needs another field adds it here.
FIELDS: dict[str, Any] = {
    "proc.pid": 4242,
    "proc.pid.ts": 1_700_000_000_000_000_000,
    "proc.start_ticks": 123_456,
    "proc.boot_id": "boot-1",
    "proc.name": "xmrig",
    "proc.exepath": "/tmp/xmrig",
    "proc.cmdline": "xmrig -o pool",
}


def subject(**changes: Any) -> Subject:
    return Subject("node-7", {**FIELDS, **changes})


@EVERY_KIND
def test_it_says_what_it_is(kind: type[Responder]):
    assert kind.kind == kind.kind.lower()
    assert kind.label
    assert kind.summary.endswith(".")
    assert kind.where in ("node", "server")
    assert kind.needs


@EVERY_KIND
def test_its_options_have_defaults_and_help(kind: type[Responder]):
    assert kind({}).params == build(kind.Params, {})
    assert all(field.metadata["help"] for field in dataclasses.fields(kind.Params))


@EVERY_KIND
def test_its_target_is_plain_json_and_is_named_in_its_words(kind: type[Responder]):
    responder = kind({})
    target = responder.target_of(subject())
    assert json.loads(json.dumps(target)) == target
    words = responder.describe(target, "node-7")
    assert words[0].isupper()
    assert words.endswith("on node-7")


@EVERY_KIND
def test_it_does_not_apply_where_a_needed_field_is_missing(kind: type[Responder]):
    for name in kind.needs:
        with pytest.raises(NotApplicable, match=name):
            kind({}).target_of(subject(**{name: None}))


@EVERY_KIND
@pytest.mark.parametrize("rubbish", ["", "4242; reboot", -1, 1.5, True, [], {}])
def test_rubbish_in_a_needed_field_is_not_a_target(kind: type[Responder], rubbish: object):
    for name in kind.needs:
        with pytest.raises(NotApplicable):
            kind({}).target_of(subject(**{name: rubbish}))


@EVERY_KIND
def test_the_same_target_has_the_same_key_and_a_change_of_its_identity_another(kind: type[Responder]):
    responder = kind({})
    key = responder.target_key(responder.target_of(subject()))
    assert responder.target_key(responder.target_of(subject(**{"proc.name": "renamed"}))) == key
    for name in kind.needs:
        other = subject(**{name: FIELDS[name] + 1 if isinstance(FIELDS[name], int) else "another"})
        assert responder.target_key(responder.target_of(other)) != key


@EVERY_KIND
def test_an_ordinary_target_passes_its_guard(kind: type[Responder]):
    responder = kind({})
    responder.guard(responder.target_of(subject()))


@EVERY_KIND
def test_a_kind_of_the_node_exists_on_the_node_and_one_of_the_server_can_run_here(kind: type[Responder]):
    if kind.where == "node":
        assert kind.kind in found_kinds()
    else:
        assert kind.run is not Responder.run


def test_every_kind_of_the_node_is_known_here():
    assert found_kinds().keys() <= actions.kinds().keys()


def test_refused_and_not_applicable_are_told_apart():
    assert not issubclass(Refused, NotApplicable)
    assert not issubclass(NotApplicable, Refused)
