"""Patterns: globs as fnmatch has them, POSIX expressions, path prefixes, and no pattern that takes long."""

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.rules import text
from tests.sensor.rules.vectors import UNHURRIED


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("*", "", True),
        ("*", "a/b", True),
        ("a*", "a", True),
        ("*a", "ba", True),
        ("a*b*c", "a__b__c", True),
        ("a*b*c", "a__c__b", False),
        ("a*a", "a", False),
        ("**", "x", True),
        ("?", "/", True),
        ("?", "", False),
        ("[abc]", "b", True),
        ("[!abc]", "d", True),
        ("[^abc]", "b", False),
        ("[a-c]x", "bx", True),
        ("[]]", "]", True),
        ("[!]]", "]", False),
        ("[]a]", "a", True),
        ("[a-]", "-", True),
        ("[-a]", "-", True),
        ("[c-a]", "b", False),
        ("[[:digit:]]", "7", True),
        ("[[:digit:]x]", "x", True),
        ("[[:nosuch:]]", ":]", True),
        ("[abc", "[abc", True),
        ("[abc", "a", False),
        ("a[", "a[", True),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("[\\]]", "]", True),
        ("a\\", "a\\", True),
        ("a.b", "a.b", True),
        ("a.b", "axb", False),
        ("(x|y)+", "(x|y)+", True),
        ("/proc/*/environ", "/proc/1/environ", True),
        ("*../*../*", "/a/../../etc", True),
        ("ü*", "üx", True),
        ("?", "😀", True),
    ],
)
def test_a_glob_matches_as_fnmatch_does(pattern, value, matches):
    assert text.glob(pattern)(value) is matches


@given(st.text(alphabet="ab*?/", max_size=8), st.text(alphabet="ab/", max_size=8))
@UNHURRIED
def test_globs_without_brackets_agree_with_the_standard_library(pattern, value):
    assert text.glob(pattern)(value) is fnmatch.fnmatchcase(value, pattern)


@given(st.text(max_size=12), st.text(max_size=12))
@UNHURRIED
def test_any_text_is_a_glob(pattern, value):
    assert text.glob(pattern)(value) in (True, False)
    assert text.glob(pattern, True)(value) in (True, False)


def test_case_is_ignored_in_ascii_only():
    assert text.glob("*.LOG", True)("/var/a.log")
    assert text.glob("[A-B]*", True)("b1")
    assert text.lower("ÄBC") == "Äbc"
    assert text.upper("äbc") == "äBC"


@pytest.mark.parametrize("pattern", ["*a" * 60, "*?" * 60, "[ab]*" * 60])
def test_no_glob_takes_long(pattern):
    started = time.monotonic()
    text.glob(pattern)("a" * 4000 + "b")
    assert time.monotonic() - started < 2


def test_an_expression_must_match_the_whole_text():
    assert text.regex("a+")("aaa")
    assert not text.regex("a+")("aab")
    assert text.regex("^a+$")("aaa")
    assert text.regex("(a|b)*")("abba")


def test_no_expression_takes_long():
    started = time.monotonic()
    assert not text.regex("(a+)+(a+)+(a+)+x")("a" * 4000)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("pattern", ["(", "[", "*a", r"\d", r"\bword", "(?i)a", "a{2000}"])
def test_an_expression_that_is_none_is_refused_with_its_reason(pattern):
    with pytest.raises(ValueError, match="invalid regular expression"):
        text.regex(pattern)


def test_bytes_that_are_no_text_do_not_break_a_pattern():
    assert text.regex("/tmp/.*")("/tmp/\udcff")
    assert text.glob("/tmp/?")("/tmp/\udcff")
    assert text.clean("a\udcff") == "a�"


def test_a_long_path_needs_one_step_for_each_component():
    prefixes = text.Prefixes([f"/a/{number}" for number in range(1000)] + ["/*/x", "/a/*/deep"])
    assert prefixes("/a/999/file")
    assert prefixes("/b/x")
    assert not prefixes("/b/y")
    assert prefixes("/a/none/deep/file")
    assert not prefixes("")
    assert not text.Prefixes([""])("/a")
