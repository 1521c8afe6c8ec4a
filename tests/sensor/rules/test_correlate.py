"""Counting matches over time: by which values, how many distinct ones, and in how much memory."""

from types import SimpleNamespace

import pytest

from sensor.rules import load
from sensor.rules.correlate import MAX_ENTRIES, MAX_KEYS, Counting, Window

SECOND = 10**9


def window(at_least: int = 3, distinct: bool = False, over: int = 60 * SECOND) -> Window:
    by = (lambda event: event.user,)
    return Window(Counting(by, (lambda event: event.host) if distinct else None, at_least, over))


def match(when: int = 0, user: str = "bob", host: str | None = "a") -> SimpleNamespace:
    return SimpleNamespace(time=when * SECOND, user=user, host=host)


def test_each_value_is_counted_by_itself():
    counted = window()
    reached = [counted.reached(match(user=user)) for user in ("bob", "eve", "bob", "eve", "bob", "eve")]
    assert reached == [False, False, False, False, True, True]


def test_distinct_values_are_counted_once_each_and_missing_ones_never():
    counted = window(distinct=True)
    reached = [counted.reached(match(host=host)) for host in ("a", "a", "b", None, "b", "c")]
    assert reached == [False, False, False, False, False, True]


def test_a_distinct_value_seen_again_counts_from_when_it_was_seen_last():
    counted = window(distinct=True)
    reached = [counted.reached(match(when, host=host)) for when, host in ((0, "a"), (50, "a"), (55, "b"), (100, "c"))]
    assert reached == [False, False, False, True]


def test_a_missing_value_is_a_value_to_count_by():
    counted = window(at_least=2)
    assert [counted.reached(match(user=None)) for _ in range(2)] == [False, True]


def test_values_without_end_do_not_fill_the_memory():
    counted = window()
    for number in range(MAX_KEYS + 500):
        counted.reached(match(number, user=f"user{number}"))
    assert len(counted._seen) == MAX_KEYS


def test_many_matches_of_many_values_do_not_fill_the_memory_either():
    counted = window(at_least=10_000)
    matches = 2_000
    for number in range(3 * MAX_ENTRIES // matches):
        for _ in range(matches):
            counted.reached(match(user=f"user{number}"))
    kept = sum(map(len, counted._seen.values()))
    assert MAX_ENTRIES - matches <= kept <= MAX_ENTRIES
    assert kept == counted._entries
    assert "user0" not in [user for (user,) in counted._seen]


def test_a_match_that_comes_late_is_not_counted_after_its_time():
    counted = window()
    assert [counted.reached(match(when)) for when in (100, 20, 130)] == [False, False, False]


def test_what_was_counted_long_ago_is_forgotten_within_a_value():
    counted = window(at_least=1000)
    for second in range(500):
        counted.reached(match(second))
    assert len(next(iter(counted._seen.values()))) <= 60


RULE = """
- rule: failed logins
  desc: d
  condition: okta.evt.type = user.session.start and okta.result = FAILURE
  output: "%okta.actor.name"
  priority: WARNING
  source: okta
  count: {block}
"""


def test_a_rule_can_ask_for_five_failed_logins_in_a_minute():
    ruleset = load([("f", RULE.replace("{block}", "{by: okta.actor.name, over: 60s, at_least: 5}"))])
    assert ruleset.errors == []
    count = ruleset.rules[0].count
    assert (count.at_least, count.over_ns, len(count.by)) == (5, 60 * SECOND, 1)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{over: 1m}", "'at_least'"),
        ("{at_least: 3}", "'over'"),
        ("{over: 1m, at_least: 1}", "2 or more"),
        ("{over: 0s, at_least: 2}", "not a duration"),
        ("{over: 1m, at_least: 99999999}", "at most"),
        ("{over: 1m, at_least: 2, by: [nope.field]}", "nonexistent field"),
        ("{over: 1m, at_least: 2, by: ['okta.result = a']}", "not a field to count by"),
        ("{over: 1m, at_least: 2, distinct: nope.field}", "nonexistent field"),
        ("{over: 1m, at_least: 2, within: a}", "Unknown key 'within'"),
        ("5", "'count' is not a map"),
    ],
)
def test_a_block_that_cannot_be_counted_by_is_refused(block, message):
    (error,) = load([("f", RULE.replace("{block}", block))]).errors
    assert message in error.message
