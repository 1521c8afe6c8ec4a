from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from routing import definitions
from routing.definitions import INTERVALS, WINDOWS
from routing.faults import Conflict, Fault
from routing.models import AuditEntry, MaintenanceWindow, TimeInterval
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db
NIGHTS = {"name": "nights", "spec": [{"times": [{"start_time": "22:00", "end_time": "24:00"}]}]}


def test_what_is_said_is_stored_and_remembered_once(erin: User) -> None:
    row = definitions.save(INTERVALS, None, NIGHTS, erin, NOW, "192.0.2.1")
    assert definitions.save(INTERVALS, row, {"comment": ""}, erin, NOW) == row
    definitions.save(INTERVALS, row, {"comment": "when people sleep"}, erin, NOW)
    assert INTERVALS.facts_of(TimeInterval.objects.get()) == {**NIGHTS, "comment": "when people sleep"}
    create, edit = AuditEntry.objects.order_by("pk")
    assert (create.verb, create.before, create.after["name"], create.address) == ("create", None, "nights", "192.0.2.1")
    assert (edit.verb, edit.before["comment"], edit.after["comment"]) == ("edit", "", "when people sleep")


def test_a_name_is_given_once(erin: User) -> None:
    row = definitions.save(INTERVALS, None, NIGHTS, erin, NOW)
    with pytest.raises(Fault, match="There is a time interval called 'nights' already"):
        definitions.save(INTERVALS, None, NIGHTS, erin, NOW)
    other = definitions.save(INTERVALS, None, {**NIGHTS, "name": "other"}, erin, NOW)
    with pytest.raises(Fault, match="already"):
        definitions.save(INTERVALS, other, {"name": "nights"}, erin, NOW)
    assert definitions.save(INTERVALS, row, {"name": "nights", "comment": "x"}, erin, NOW).comment == "x"


@pytest.mark.parametrize("name", ["", " ", "n" * 101])
def test_a_name_is_needed(name: str, erin: User) -> None:
    with pytest.raises(Fault) as fault:
        definitions.save(INTERVALS, None, {**NIGHTS, "name": name}, erin, NOW)
    assert fault.value.field == "name"


def test_what_was_deleted_in_the_meantime_is_not_made_again(erin: User) -> None:
    row = definitions.save(INTERVALS, None, NIGHTS, erin, NOW)
    TimeInterval.objects.all().delete()
    with pytest.raises(Conflict):
        definitions.save(INTERVALS, row, {"comment": "x"}, erin, NOW)


def test_who_may_not_edit_changes_nothing(bob: User) -> None:
    row = TimeInterval.objects.create(**NIGHTS)
    for attempt in (
        lambda: definitions.save(INTERVALS, None, {**NIGHTS, "name": "new"}, bob, NOW),
        lambda: definitions.save(INTERVALS, row, {"comment": "x"}, bob, NOW),
        lambda: definitions.delete(INTERVALS, row, bob, NOW),
    ):
        with pytest.raises(PermissionDenied):
            attempt()
    assert TimeInterval.objects.get().comment == ""
    assert not AuditEntry.objects.exists()


def test_groups_that_wait_are_looked_at_again_when_an_interval_changes(erin: User) -> None:
    row = TimeInterval.objects.create(**NIGHTS)
    morning = NOW + timedelta(hours=9)
    waiting = build.group(build.route(), held_by="muted by nights", held_until=morning, next_flush_at=morning)
    definitions.save(INTERVALS, row, {"spec": [{"weekdays": ["sunday"]}]}, erin, NOW)
    waiting.refresh_from_db()
    assert (waiting.held_until, waiting.next_flush_at) == (None, NOW)


def test_what_is_deleted_is_remembered(erin: User) -> None:
    window = MaintenanceWindow.objects.create(name="patch day", condition="alert.rule = x", ends_at=NOW)
    definitions.delete(WINDOWS, window, erin, NOW)
    assert not MaintenanceWindow.objects.exists()
    assert AuditEntry.objects.get().before["ends_at"] == "2026-11-23T12:00:00Z"
