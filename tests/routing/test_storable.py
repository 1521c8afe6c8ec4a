import json
import math

import pytest

from routing.kinds import Secret
from routing.storable import MASK, canonical, masked, plain


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\0b", "ab"),
        (1000.0, 1000),
        (0.5, 0.5),
        (math.inf, "inf"),
        (math.nan, "nan"),
        ({1: {2}}, {"1": [2]}),
        ((True, None), [True, None]),
        (Secret("hush"), MASK),
    ],
)
def test_a_value_becomes_what_both_databases_give_back(value, stored):
    assert plain(value) == stored
    assert type(plain(value)) is type(stored)
    assert json.loads(canonical(plain(value))) == stored


def test_what_stands_under_a_secrets_name_is_starred_at_any_depth():
    config = {"name": "ops", "config": [{"webhook_url": "https://hooks.test/T0/hush", "channel": "#sec"}]}
    assert masked(config) == {"name": "ops", "config": [{"webhook_url": MASK, "channel": "#sec"}]}


@pytest.mark.parametrize("key", ["password", "Bot_Token", "routing_key", "client_secret", "Authorization", "dsn"])
def test_these_keys_name_secrets(key):
    assert masked({key: "hush"}) == {key: MASK}


def test_an_empty_secret_is_shown_as_empty():
    assert masked({"password": ""}) == {"password": ""}
