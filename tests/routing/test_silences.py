from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from routing import silences
from routing.matching import RuleError
from routing.models import AuditEntry, Silence
from routing.silences import SilenceError
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
CONDITION = "alert.hostname = node-1"


def made(by, **changes):
    return silences.create(
        **{"condition": CONDITION, "ends_at": NOW + HOUR, "comment": "patch day", **changes}, by=by, now=NOW
    )


def test_a_silence_starts_now_and_says_who_and_why(bob):
    silence = made(bob, ip="10.0.0.9")
    assert (silence.starts_at, silence.ends_at, silence.author, silence.comment) == (NOW, NOW + HOUR, bob, "patch day")
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.user, entry.address) == ("silence", bob, "10.0.0.9")
    assert entry.after["condition"] == CONDITION


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"condition": "  "}, SilenceError, "hide everything"),
        ({"ends_at": NOW}, SilenceError, "in the future"),
        ({"starts_at": NOW + 2 * HOUR}, SilenceError, "after it starts"),
        ({"condition": "alert.hostnmae = x"}, RuleError, "hostnmae"),
    ],
)
def test_a_silence_that_cannot_be_is_refused(bob, changes, error, words):
    with pytest.raises(error, match=words):
        made(bob, **changes)
    assert not Silence.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_viewer_silences_extends_and_ends_nothing(bob, carol):
    with pytest.raises(PermissionDenied):
        made(carol)
    silence = made(bob)
    with pytest.raises(PermissionDenied):
        silences.extend(silence, NOW + 2 * HOUR, carol, NOW)
    with pytest.raises(PermissionDenied):
        silences.end(silence, carol, NOW)


def test_a_silence_can_be_extended_until_it_has_ended(bob, erin):
    silence = made(bob)
    assert silences.extend(silence, NOW + 3 * HOUR, erin, NOW).ends_at == NOW + 3 * HOUR
    entry = AuditEntry.objects.get(verb="extend")
    assert entry.before["ends_at"] < entry.after["ends_at"]
    with pytest.raises(SilenceError, match="ended already"):
        silences.extend(silence, NOW + 5 * HOUR, erin, NOW + 3 * HOUR)
    with pytest.raises(SilenceError, match="in the future"):
        silences.extend(silence, NOW, erin, NOW)


def test_ending_a_silence_ends_it_now_and_only_once(bob):
    silence = made(bob)
    assert silences.end(silence, bob, NOW + HOUR / 2).ends_at == NOW + HOUR / 2
    with pytest.raises(SilenceError, match="ended already"):
        silences.end(silence, bob, NOW + HOUR / 2)
    assert AuditEntry.objects.filter(verb="end").count() == 1


def test_ending_a_silence_that_has_not_started_keeps_it_from_starting(bob):
    silence = made(bob, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    ended = silences.end(silence, bob, NOW)
    assert ended.starts_at == ended.ends_at


def test_a_silence_can_be_made_again_for_as_long_as_it_lasted(bob, erin):
    silence = silences.end(made(bob, ends_at=NOW + 2 * HOUR), bob, NOW + HOUR)
    again = silences.clone(silence, erin, NOW + 3 * HOUR)
    assert (again.condition, again.comment, again.author) == (CONDITION, "patch day", erin)
    assert (again.starts_at, again.ends_at) == (NOW + 3 * HOUR, NOW + 4 * HOUR)
    assert silences.clone(silence, erin, NOW + 3 * HOUR, NOW + 9 * HOUR).ends_at == NOW + 9 * HOUR
    assert Silence.objects.count() == 3


def test_a_silence_that_never_held_must_be_told_until_when(bob):
    never = silences.end(made(bob, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR), bob, NOW)
    with pytest.raises(SilenceError, match="after it starts"):
        silences.clone(never, bob, NOW)


def test_a_token_silences_under_its_own_name(bob):
    token = build.token("responder", name="deploy bot")
    silence = made(token)
    assert (silence.author, silence.by) == (None, "token deploy bot")
    assert made(bob).by == "bob"
    with pytest.raises(PermissionDenied):
        made(build.token("viewer", "sa_view"))
