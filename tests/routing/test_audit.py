import threading

import pytest
from django.db import connection

from routing import audit
from routing.audit import GENESIS, record, verify
from routing.models import AuditEntry, Role
from tests import build
from tests.build import NOW


@pytest.mark.django_db
def test_entries_form_a_chain_that_verifies(bob):
    first = record(bob, "approve", "run:1 Kill pid 7", before={"state": "awaiting_approval"}, ip="::ffff:10.0.0.1")
    second = record("system", "expire", "run:2 Kill pid 8", after={"figure": 1e3, "odd": "a\0b"}, now=NOW)
    assert first.previous_hash == GENESIS
    assert second.previous_hash == first.hash
    assert verify() == audit.Verdict(entries=2)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"actor": "carol"},
        {"verb": "deny"},
        {"target": "run:9"},
        {"before": {"state": "approved"}},
        {"after": {}},
        {"address": "10.0.0.2"},
        {"at": NOW.replace(year=2020)},
        {"user": None},
    ],
)
def test_a_changed_entry_breaks_the_chain_at_its_place(bob, change):
    record(bob, "approve", "run:1")
    changed = record(bob, "approve", "run:2", ip="10.0.0.1")
    record(bob, "approve", "run:3")
    AuditEntry.objects.filter(pk=changed.pk).update(**change)
    verdict = verify()
    assert (verdict.entries, verdict.broken_at) == (1, changed.pk)
    assert "changed" in verdict.problem


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value", [1e22, 1e-7, 0.1, -0.0, 2**70, "half \ud800", "é\u2028", {"b": 1, "a": [None, {"": ""}]}, [], "\\u0000"]
)
def test_what_the_database_gives_back_has_the_same_hash(value):
    record("system", "edit", "sink:1", after={"value": value})
    assert verify() == audit.Verdict(entries=1)


def _record_twice(bob):
    record(bob, "edit", "sink:4")
    record(bob, "edit", "sink:4", ip="nowhere")


@pytest.mark.django_db
def test_gathered_entries_are_appended_together_at_the_end_or_never(bob):
    with audit.gathered():
        record(bob, "edit", "sink:1")
        record(bob, "edit", "sink:2")
        assert not AuditEntry.objects.exists()
    record(bob, "edit", "sink:3")
    with pytest.raises(ValueError, match="nowhere"), audit.gathered():
        _record_twice(bob)
    record(bob, "edit", "sink:5")
    targets = AuditEntry.objects.order_by("pk").values_list("target", flat=True)
    assert list(targets) == ["sink:1", "sink:2", "sink:3", "sink:5"]
    assert verify() == audit.Verdict(entries=4)


@pytest.mark.django_db
def test_a_removed_entry_breaks_the_chain_at_the_next_one(bob):
    removed, next_one = record(bob, "a", "x"), record(bob, "b", "y")
    AuditEntry.objects.filter(pk=removed.pk).delete()
    assert verify().broken_at == next_one.pk


@pytest.mark.django_db
def test_entries_cannot_be_changed_or_deleted_through_the_model(bob):
    entry = record(bob, "a", "x")
    with pytest.raises(RuntimeError, match="never changed"):
        entry.save()
    with pytest.raises(RuntimeError, match="never deleted"):
        entry.delete()


@pytest.mark.django_db
def test_actor_and_target_are_named_as_they_were(alice):
    token = build.token(role=Role.EDITOR, name="ci")
    sink = build.sink(name="Slack #sec")
    entry = record(token, "edit", sink, after={"webhook_url": "https://hooks.test/hush"})
    assert (entry.actor, entry.user) == ("token ci", None)
    assert entry.target == f"sink:{sink.pk} Slack #sec"
    assert entry.after == {"webhook_url": "***"}
    assert record(alice, "edit", sink).user == alice


@pytest.mark.django_db(transaction=True)
def test_appending_at_once_keeps_one_chain():
    ready = threading.Barrier(4)

    def append(name: str) -> None:
        ready.wait()
        for number in range(5):
            record(name, "edit", f"sink:{number}")
        connection.close()

    threads = [threading.Thread(target=append, args=(f"worker {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify() == audit.Verdict(entries=20)
