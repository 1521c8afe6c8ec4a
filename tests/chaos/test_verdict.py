"""The verdict of a run sees every kind of loss."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import F
from django.utils import timezone

from routing import audit, folding, pipeline
from routing.models import ActionRun, Alert, AlertGroup, AuditEntry, Delivery, GroupedAlert, Unrouted
from sensor.alert import Priority
from tests import build
from tests.chaos import scene, verdict
from tests.chaos.load import Told
from tests.chaos.verdict import Arrivals, Facts

pytestmark = pytest.mark.django_db
NUMBERS = (0, 7, 8)
"""One alert for each set of routes that there is."""


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> Facts:
    """A run in which all went well. One message is a digest of more alerts than it may name."""
    scene.build("http://127.0.0.1:9")
    token = build.token()
    told = Told()
    for number in NUMBERS:
        severe = scene.SEVERE in scene.routes_of(number)
        miner = scene.MINERS in scene.routes_of(number)
        alert = build.alert(
            "critical" if severe else "notice",
            time=timezone.now(),
            token=token,
            hostname=scene.NODE,
            output_fields={"proc.name": "xmrig" if miner else "cat", "k8s.pod.name": scene.group_of(number)},
        )
        told.posted[alert.pk] = number
        told.acknowledged.add(alert.pk)
    pipeline.route_pending(timezone.now())
    pipeline.flush_due(timezone.now() + timedelta(seconds=2))
    audit.record(audit.SYSTEM, "create", "a run")
    monkeypatch.setattr(folding, "MOST_ALERTS", 1)
    lead = Delivery.objects.filter(sink__name=scene.PACED, group__priority=Priority.NOTICE).earliest("pk")
    Delivery.objects.filter(pk=lead.pk).update(state=Delivery.State.SENDING)
    assert folding.digest(lead, timezone.now()) == 1
    Delivery.objects.exclude(state=Delivery.State.FOLDED).update(state=Delivery.State.SENT)
    return Facts(told, {}, arrivals_of(Delivery.objects.filter(folded_into=None).select_related("sink")))


def arrivals_of(deliveries: Iterable[Delivery]) -> Arrivals:
    arrivals = Arrivals()
    for delivery in deliveries:
        arrivals.at[delivery.sink.name].append(
            {
                "sink": delivery.sink.name,
                "delivery": str(delivery.uuid),
                "answer": "taken",
                "group": delivery.group_id,
                "count": delivery.alert_count,
                "alerts": delivery.alert_ids,
            }
        )
    return arrivals


def test_nothing_is_broken_where_all_went_well(facts: Facts) -> None:
    assert verdict.broken(facts) == {}
    assert verdict.figures(facts)["acknowledged"] == len(NUMBERS)


def lose_an_alert(facts: Facts) -> None:
    Alert.objects.earliest("pk").delete()


def store_a_stranger(facts: Facts) -> None:
    build.alert(waits=False)


def leave_one_waiting(facts: Facts) -> None:
    Unrouted.objects.create(alert=Alert.objects.earliest("pk"), received_at=timezone.now())


def forget_a_place(facts: Facts) -> None:
    GroupedAlert.objects.filter(alert=Alert.objects.earliest("pk")).delete()


def count_one_too_many(facts: Facts) -> None:
    AlertGroup.objects.filter(pk=AlertGroup.objects.earliest("pk").pk).update(count=F("count") + 1)


def forget_to_tell(facts: Facts) -> None:
    AlertGroup.objects.filter(pk=AlertGroup.objects.earliest("pk").pk).update(told_count=0)


def owe_nothing(facts: Facts) -> None:
    Delivery.objects.earliest("pk").delete()


def forget_what_a_digest_stands_for(facts: Facts) -> None:
    Delivery.objects.filter(state=Delivery.State.FOLDED).delete()


def tell_in_a_digest_and_alone(facts: Facts) -> None:
    Delivery.objects.filter(state=Delivery.State.FOLDED).update(state=Delivery.State.SENT)


def owe_it_twice(facts: Facts) -> None:
    again = Delivery.objects.earliest("pk")
    again.pk, again.uuid = None, uuid4()
    again.save()


def count_what_is_not_named(facts: Facts) -> None:
    Delivery.objects.update(alert_count=F("alert_count") + 1)


def give_up(facts: Facts) -> None:
    Delivery.objects.filter(sink__name=scene.FLAKY).update(state=Delivery.State.FAILED)


def be_unsure_where_repeats_are_allowed(facts: Facts) -> None:
    Delivery.objects.filter(sink__name=scene.WELL).update(state=Delivery.State.UNKNOWN)


def lose_what_arrived(facts: Facts) -> None:
    facts.arrivals.at[scene.WELL].pop()


def answer_only_with_errors(facts: Facts) -> None:
    facts.arrivals.at[scene.FLAKY][0]["answer"] = "broken"


def receive_from_a_stranger(facts: Facts) -> None:
    facts.arrivals.at[scene.WELL].append({**facts.arrivals.at[scene.WELL][0], "delivery": str(uuid4())})


def repeat_with_other_alerts(facts: Facts) -> None:
    facts.arrivals.at[scene.WELL].insert(0, {**facts.arrivals.at[scene.WELL][0], "alerts": []})


def repeat_where_forbidden(facts: Facts) -> None:
    facts.arrivals.at[scene.ONCE] *= 2


def lose_where_repeats_are_forbidden(facts: Facts) -> None:
    facts.arrivals.at[scene.ONCE].clear()


def ask_for_nothing(facts: Facts) -> None:
    ActionRun.objects.all().delete()


def forget_a_result(facts: Facts) -> None:
    facts.results[str(ActionRun.objects.get().uuid)] = "would_have"


def change_the_audit_log(facts: Facts) -> None:
    AuditEntry.objects.update(verb="delete")


@pytest.mark.parametrize(
    ("happens", "check"),
    [
        (lose_an_alert, "not stored"),
        (store_a_stranger, "stored wrongly"),
        (leave_one_waiting, "not routed once"),
        (forget_a_place, "not routed once"),
        (count_one_too_many, "groups counted wrongly"),
        (forget_to_tell, "groups counted wrongly"),
        (owe_nothing, "not told once"),
        (owe_it_twice, "not told once"),
        (forget_what_a_digest_stands_for, "not told once"),
        (tell_in_a_digest_and_alone, "not told once"),
        (count_what_is_not_named, "not told once"),
        (give_up, "not settled"),
        (be_unsure_where_repeats_are_allowed, "not settled"),
        (lose_what_arrived, "not arrived"),
        (answer_only_with_errors, "not arrived"),
        (receive_from_a_stranger, "repeated differently"),
        (repeat_with_other_alerts, "repeated differently"),
        (repeat_where_forbidden, "told twice where forbidden"),
        (lose_where_repeats_are_forbidden, "told twice where forbidden"),
        (ask_for_nothing, "not asked once"),
        (forget_a_result, "not asked once"),
        (change_the_audit_log, "audit broken"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_kind_of_loss_is_seen(facts: Facts, happens: Callable[[Facts], None], check: str) -> None:
    happens(facts)
    assert check in verdict.broken(facts)


def test_a_sink_that_forbids_repeats_may_be_unsure(facts: Facts) -> None:
    Delivery.objects.filter(sink__name=scene.ONCE).update(state=Delivery.State.UNKNOWN)
    assert verdict.broken(facts) == {}
