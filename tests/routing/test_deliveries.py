"""The outbox: claims, attempts, and what becomes of a delivery whose worker or receiver fails."""

import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Q
from pytest_httpserver import HTTPServer
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from routing import backoff, claims, deliveries
from routing.definitions.sinks import switch
from routing.models import Attempt, AuditEntry, Delivery, Receipt, Sink
from tests import build
from tests.build import NOW, owed

pytestmark = pytest.mark.django_db

SOON = NOW + timedelta(seconds=1)
LATER = NOW + timedelta(days=1)


@pytest.fixture
def sink(httpserver: HTTPServer) -> Sink:
    return build.sink("webhook", secrets={"url": httpserver.url_for("/hook")})


def answer(httpserver: HTTPServer, status: int, text: str = "", **headers: str) -> None:
    httpserver.clear()
    httpserver.expect_request(re.compile(".*")).respond_with_data(text, status, headers=headers)


def send(delivery_id: int, now: datetime) -> Attempt | None:
    """Try one delivery, whatever else is due; None where it may not be tried now."""
    attempts = deliveries.try_all(claims.claim(Q(pk=delivery_id), 1, now), now)
    return attempts[0] if attempts else None


def about_a_group(sink: Sink, **fields: Any) -> Delivery:
    """A delivery about the one group there is."""
    from routing.models import AlertGroup

    group = AlertGroup.objects.first() or build.group(build.route())
    return owed(sink, group=group, route=group.route, alert_ids=[str(build.alert().pk)], **fields)


def held(delivery: Delivery) -> list[claims.Claimed]:
    """A claim of one delivery, as by a worker that is about to send it."""
    return claims.claim(Q(pk=delivery.pk), 1, NOW)


def test_a_delivery_is_sent_once_and_every_try_is_written_down(sink: Sink, httpserver: HTTPServer) -> None:
    answer(httpserver, 200, "thanks")
    delivery = about_a_group(sink)
    attempt = send(delivery.pk, NOW)
    assert send(delivery.pk, SOON) is None
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts_made, delivery.claim, delivery.error) == ("sent", 1, None, "")
    assert delivery.settled_at is not None
    assert attempt == Attempt.objects.get()
    assert (attempt.number, attempt.outcome, attempt.status, attempt.response) == (1, "sent", 200, "thanks")
    assert '"type":"alerts.firing"' in attempt.request
    assert attempt.latency_ms is not None
    sink.refresh_from_db()
    assert sink.last_sent_at is not None
    assert len(httpserver.log) == 1


def test_what_a_sink_remembers_of_a_group_comes_back_with_its_next_message(httpserver: HTTPServer) -> None:
    sink = build.sink(
        "slack", config={"channel": "#sec", "api_url": httpserver.url_for("/")}, secrets={"bot_token": "xoxb-1"}
    )
    httpserver.expect_request(re.compile(".*")).respond_with_json({"ok": True, "channel": "C1", "ts": "1.2"})
    for event in ("firing", "firing", "resolved", "firing"):
        delivery = about_a_group(sink, event=event, reason="new alerts in the group")
        send(delivery.pk, SOON)
    asked = [(request.path, request.get_json().get("thread_ts")) for request, _ in httpserver.log]
    first, changed, told = ("/chat.postMessage", None), ("/chat.update", None), ("/chat.postMessage", "1.2")
    assert asked == [first, changed, told, changed, told, first]


def test_a_test_message_leaves_nothing_to_remember(httpserver: HTTPServer, erin: User) -> None:
    sink = build.sink(
        "slack", config={"channel": "#sec", "api_url": httpserver.url_for("/")}, secrets={"bot_token": "xoxb-1"}
    )
    httpserver.expect_request(re.compile(".*")).respond_with_json({"ok": True, "channel": "C1", "ts": "1.2"})
    assert deliveries.test(sink, erin, NOW, None).outcome == "sent"
    assert not Receipt.objects.exists()


def test_an_answer_that_no_database_keeps_does_not_cost_the_outcome(sink: Sink, httpserver: HTTPServer) -> None:
    delivery = owed(sink)
    answer(httpserver, 200, "thank\0 you")
    send(delivery.pk, NOW)
    delivery.refresh_from_db()
    assert delivery.state == "sent"
    assert delivery.attempts.get().response == "thank you"


def test_a_failure_is_tried_again_later_with_the_same_id(sink: Sink, httpserver: HTTPServer) -> None:
    delivery = about_a_group(sink)
    answer(httpserver, 503)
    send(delivery.pk, NOW)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts_made) == ("queued", 1)
    assert delivery.next_attempt_at > NOW
    assert "503" in delivery.error
    assert send(delivery.pk, NOW) is None
    seen = [request.headers["webhook-id"] for request, _ in httpserver.log]
    answer(httpserver, 200)
    send(delivery.pk, LATER)
    seen += [request.headers["webhook-id"] for request, _ in httpserver.log]
    assert seen == [str(delivery.uuid)] * 2
    outcomes = list(delivery.attempts.order_by("number").values_list("number", "outcome"))
    assert outcomes == [(1, "retry"), (2, "sent")]


@pytest.mark.parametrize(
    ("status", "state", "enabled"), [(400, "failed", True), (404, "queued", False), (410, "queued", False)]
)
def test_what_cannot_succeed_is_a_dead_letter_or_waits_for_its_sink_with_the_answer_kept(
    sink: Sink, httpserver: HTTPServer, status: int, state: str, enabled: bool
) -> None:
    answer(httpserver, status, "because of this")
    delivery = about_a_group(sink)
    send(delivery.pk, NOW)
    delivery.refresh_from_db()
    sink.refresh_from_db()
    assert (delivery.state, sink.enabled) == (state, enabled)
    assert delivery.attempts.get().response == "because of this"
    assert bool(sink.disabled_reason) == (not enabled)


def test_what_met_a_receiver_that_was_gone_is_sent_once_the_sink_is_resumed(
    sink: Sink, httpserver: HTTPServer, erin: User
) -> None:
    answer(httpserver, 404)
    delivery = about_a_group(sink)
    send(delivery.pk, NOW)
    assert deliveries.due(LATER) == []
    switch(sink, erin, NOW, enabled=True)
    answer(httpserver, 200)
    deliveries.send_next(sink.pk, 1, SOON)
    delivery.refresh_from_db()
    assert delivery.state == "sent"


def test_refused_credentials_warn_on_the_sink_until_they_work(sink: Sink, httpserver: HTTPServer) -> None:
    answer(httpserver, 401)
    delivery = about_a_group(sink)
    send(delivery.pk, NOW)
    sink.refresh_from_db()
    assert "401" in sink.warning
    answer(httpserver, 200)
    send(delivery.pk, LATER)
    sink.refresh_from_db()
    assert (sink.warning, sink.open_until, sink.failures) == ("", None, 0)


def test_a_sink_is_left_alone_after_a_named_time_and_one_delivery_tries_for_all(
    sink: Sink, httpserver: HTTPServer
) -> None:
    first, second, third = owed(sink), owed(sink), owed(sink)
    answer(httpserver, 429, **{"Retry-After": "60"})
    send(first.pk, NOW)
    soon = NOW + timedelta(seconds=30)
    assert deliveries.due(soon) == []
    assert send(second.pk, soon) is None
    late = NOW + timedelta(minutes=5)
    assert deliveries.due(late) == [sink.pk]
    answer(httpserver, 200)
    (probe,) = deliveries.send_next(sink.pk, 5, late)
    assert probe.delivery_id in (second.pk, third.pk)
    assert len(deliveries.send_next(sink.pk, 5, late)) == 2


def test_only_one_delivery_probes_a_sink_in_trouble(sink: Sink, httpserver: HTTPServer) -> None:
    first, second = owed(sink), owed(sink)
    Sink.objects.filter(pk=sink.pk).update(failures=5, open_until=NOW)
    probe = held(first)
    assert probe
    assert send(second.pk, NOW) is None
    second.refresh_from_db()
    assert (second.state, second.attempts_made, second.attempts.count()) == ("queued", 0, 0)
    answer(httpserver, 200)
    deliveries.try_all(probe, NOW)
    assert send(second.pk, NOW) is not None


def test_only_some_sinks_in_trouble_are_tried_at_a_time(sink: Sink) -> None:
    troubled = [build.sink(name=f"troubled {number}", secrets=sink.secrets) for number in range(claims.MOST_PROBES + 1)]
    owing = [owed(one) for one in troubled]
    Sink.objects.filter(pk__in=[one.pk for one in troubled]).update(failures=1, open_until=NOW)
    probes = [held(one) for one in owing]
    assert [bool(probe) for probe in probes] == [True] * claims.MOST_PROBES + [False]
    assert held(owed(sink))
    claims.release(probes[0])
    assert held(owing[-1])


def test_some_are_sent_under_one_claim_in_order_of_their_time(sink: Sink, httpserver: HTTPServer) -> None:
    answer(httpserver, 200)
    owing = [owed(sink, next_attempt_at=NOW - timedelta(seconds=number)) for number in range(4)]
    attempts = deliveries.send_next(sink.pk, 3, NOW)
    assert [attempt.delivery_id for attempt in attempts] == [one.pk for one in (owing[3], owing[2], owing[1])]
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["queued", "sent", "sent", "sent"]


def test_the_first_failure_ends_a_claim_and_the_rest_is_as_it_was(sink: Sink, httpserver: HTTPServer) -> None:
    answer(httpserver, 503)
    for _ in range(3):
        owed(sink)
    assert len(deliveries.send_next(sink.pk, 3, NOW)) == 1
    rest = list(Delivery.objects.filter(attempts_made=0).values_list("state", "claim", "lease_until"))
    assert rest == [("queued", None, None)] * 2
    assert Attempt.objects.count() == 1
    assert len(httpserver.log) == 1


def test_a_slow_sink_does_not_hold_what_others_could_try(
    sink: Sink, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "PATIENCE", 0.0)
    answer(httpserver, 200)
    for _ in range(3):
        owed(sink)
    assert len(deliveries.send_next(sink.pk, 3, NOW)) == 1
    assert deliveries.due(NOW) == [sink.pk]


def test_a_claim_never_holds_two_messages_of_one_group(sink: Sink, httpserver: HTTPServer) -> None:
    answer(httpserver, 200)
    first, second = about_a_group(sink), about_a_group(sink, event="resolved")
    assert [attempt.delivery_id for attempt in deliveries.send_next(sink.pk, 5, NOW)] == [first.pk]
    assert [attempt.delivery_id for attempt in deliveries.send_next(sink.pk, 5, NOW)] == [second.pk]


def test_a_sink_that_hangs_holds_only_some_of_the_workers(sink: Sink, httpserver: HTTPServer) -> None:
    answer(httpserver, 200)
    hanging = [held(owed(sink)) for _ in range(claims.MOST_IN_FLIGHT)]
    assert all(hanging)
    waits = owed(sink)
    elsewhere = owed(build.sink("webhook", name="other", secrets=sink.secrets))
    assert deliveries.due(NOW) == [elsewhere.sink_id]
    assert send(waits.pk, NOW) is None
    assert send(elsewhere.pk, NOW) is not None
    deliveries.try_all(hanging[0], NOW)
    assert send(waits.pk, NOW) is not None


def test_a_group_is_told_in_order(sink: Sink, httpserver: HTTPServer) -> None:
    firing, resolved = about_a_group(sink), about_a_group(sink, event="resolved")
    other = build.sink("webhook", name="other", secrets=sink.secrets)
    about_a_group(other, event="resolved")
    assert deliveries.due(NOW) == [sink.pk, other.pk]
    assert send(resolved.pk, NOW) is None
    answer(httpserver, 503)
    send(firing.pk, NOW)
    assert send(resolved.pk, SOON) is None
    answer(httpserver, 400)
    send(firing.pk, LATER)
    answer(httpserver, 200)
    assert send(resolved.pk, LATER) is not None


def test_what_waits_for_a_disabled_sink_goes_on_waiting(sink: Sink, httpserver: HTTPServer) -> None:
    delivery = owed(sink)
    Sink.objects.update(enabled=False)
    assert deliveries.due(NOW) == []
    assert send(delivery.pk, NOW) is None
    assert not httpserver.log


def test_a_sweep_rings_for_every_sink_that_something_is_due_for(sink: Sink) -> None:
    for _ in range(5):
        owed(sink)
    other = owed(build.sink("webhook", name="other", secrets=sink.secrets), next_attempt_at=NOW - timedelta(seconds=1))
    owed(build.sink("webhook", name="later", secrets=sink.secrets), next_attempt_at=SOON)
    assert deliveries.due(NOW) == [sink.pk, other.sink_id]


def test_a_sink_whose_secrets_cannot_be_read_does_not_stop_the_others(sink: Sink) -> None:
    lost = build.lost_secrets(build.sink("webhook", name="its key was lost"))
    taken, tried = owed(lost, state="sending", claim=uuid4(), lease_until=NOW, attempts_made=1), owed(lost)
    assert owed(sink).sink_id in deliveries.due(NOW)
    assert deliveries.take_back(SOON) == 1
    attempt = send(tried.pk, SOON + timedelta(minutes=1))
    assert attempt is not None
    assert (attempt.outcome, "ENCRYPTION_KEYS does not hold" in attempt.error) == ("retry", True)
    assert Delivery.objects.get(pk=taken.pk).state == "queued"
    assert Sink.objects.get(pk=lost.pk).warning == attempt.error


def test_a_dead_workers_delivery_is_sent_again_and_its_try_stays_without_an_outcome(
    sink: Sink, httpserver: HTTPServer
) -> None:
    delivery = owed(sink, state="sending", claim=uuid4(), lease_until=NOW, attempts_made=1)
    Attempt.objects.create(delivery=delivery, number=1, started_at=NOW)
    assert deliveries.take_back(NOW) == 0
    assert deliveries.take_back(SOON) == 1
    answer(httpserver, 200)
    send(delivery.pk, LATER)
    tries = [(one.outcome, one.finished_at is None) for one in delivery.attempts.order_by("number")]
    assert tries == [("unknown", True), ("sent", False)]
    assert "may have arrived" in delivery.attempts.get(number=1).error


def test_a_delivery_that_ends_every_worker_is_given_up(sink: Sink) -> None:
    delivery = owed(sink, state="sending", claim=uuid4(), lease_until=NOW, attempts_made=backoff.most_attempts(False))
    assert deliveries.take_back(SOON) == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.settled_at) == ("failed", SOON)


def test_a_dead_workers_delivery_is_unknown_where_the_sink_forbids_repeats() -> None:
    sink = build.sink("slack", config={"repeat_unknown": False}, secrets={"webhook_url": "http://127.0.0.1:9/"})
    delivery = owed(sink, state="sending", claim=uuid4(), lease_until=NOW, attempts_made=1)
    Attempt.objects.create(delivery=delivery, number=1, started_at=NOW)
    assert deliveries.take_back(SOON) == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.settled_at) == ("unknown", SOON)


def test_a_worker_that_dies_holds_one_delivery_of_a_sink_that_forbids_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = build.sink("slack", config={"repeat_unknown": False}, secrets={"webhook_url": "http://127.0.0.1:9/"})
    for _ in range(3):
        owed(sink)

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr("routing.outbound.request", die)
    with pytest.raises(SystemExit):
        deliveries.send_next(sink.pk, 3, NOW)
    found = Delivery.objects.order_by("pk").values_list("state", "attempts_made")
    assert list(found) == [("sending", 1), ("queued", 0), ("queued", 0)]
    assert Attempt.objects.count() == 1


def test_a_worker_that_was_given_up_on_cannot_overwrite_its_successor(sink: Sink, httpserver: HTTPServer) -> None:
    delivery = owed(sink)
    claimed = held(delivery)
    assert claimed
    assert deliveries.take_back(NOW + claims.LEASE + timedelta(seconds=1)) == 1
    answer(httpserver, 200)
    send(delivery.pk, LATER)
    answer(httpserver, 503)
    deliveries.try_all(claimed, NOW)
    delivery.refresh_from_db()
    assert delivery.state == "sent"
    assert delivery.attempts.get(number=1).outcome == "retry"


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("carrier-pigeon", {}, "carrier-pigeon"),
        ("pagerduty", {}, "not complete"),
        ("file", {"name": "../out"}, "cannot be the file's name"),
    ],
)
def test_what_a_sink_lacks_is_said_and_waited_for(kind: str, config: dict[str, str], words: str) -> None:
    delivery = owed(build.sink(kind, config=config))
    send(delivery.pk, NOW)
    delivery.refresh_from_db()
    assert delivery.state == "queued"
    assert words in delivery.error
    assert delivery.sink.warning == delivery.error


def test_a_mistake_in_a_sink_is_its_own_deliverys_trouble() -> None:
    # A port that is no number is found out only when the mail is sent.
    options = {"host": "localhost", "sender": "a@b.example", "recipients": "c@d.example", "port": "secret-port"}
    delivery = owed(build.sink("email", config=options))
    attempt = send(delivery.pk, NOW)
    assert attempt is not None
    assert (attempt.outcome, "ValueError" in attempt.error, "secret-port" in attempt.error) == ("retry", True, False)


def test_the_message_is_about_what_is_left_where_its_alerts_are_gone(sink: Sink, httpserver: HTTPServer) -> None:
    answer(httpserver, 200)
    group = build.group(build.route())
    delivery = owed(sink, group=group, route=None, alert_ids=[str(UUID(int=999))])
    send(delivery.pk, NOW)
    data = httpserver.log[0][0].get_json()["data"]
    assert data["group"]["title"] == "Read sensitive file"
    assert len(data["alerts"]) == 1


def test_a_mended_sink_sends_what_waits_at_once(sink: Sink) -> None:
    delivery = owed(sink, next_attempt_at=LATER)
    trouble = {"enabled": False, "warning": "the token is wrong", "disabled_reason": "410"}
    Sink.objects.update(**trouble, failures=9, open_until=LATER, free_at=SOON)
    deliveries.revive(sink, NOW)
    assert deliveries.due(NOW) == [sink.pk]
    delivery.refresh_from_db()
    assert delivery.next_attempt_at == NOW
    sink.refresh_from_db()
    assert (sink.failures, sink.open_until, sink.free_at, sink.warning) == (0, None, None, "")
    assert (sink.enabled, sink.disabled_reason, sink.revision) == (True, "", 1)


def test_a_test_message_goes_out_at_once_and_is_never_repeated(sink: Sink, httpserver: HTTPServer, erin: User) -> None:
    answer(httpserver, 503, "not now")
    attempt = deliveries.test(sink, erin, NOW, None)
    assert (attempt.status, attempt.response, attempt.outcome) == (503, "not now", "failed")
    assert '"type":"alerts.test"' in attempt.request
    delivery = Delivery.objects.get()
    assert (delivery.event, delivery.state) == ("test", "failed")
    assert deliveries.due(LATER) == []
    assert AuditEntry.objects.get().verb == "test"


def test_a_test_reaches_a_disabled_sink(sink: Sink, httpserver: HTTPServer, erin: User) -> None:
    answer(httpserver, 200)
    Sink.objects.update(enabled=False)
    assert deliveries.test(sink, erin, NOW, None).outcome == "sent"


def together(work: Callable[[], Any], times: int) -> list[Any]:
    """Runs it in as many threads at the same time."""
    start, results = threading.Barrier(times), []

    def run() -> None:
        start.wait()
        try:
            results.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_a_delivery_once(httpserver: HTTPServer) -> None:
    sink = build.sink("webhook", secrets={"url": httpserver.url_for("/hook")})
    answer(httpserver, 200)
    delivery = owed(sink)

    def work(now: datetime = NOW) -> Attempt | None:
        return send(delivery.pk, now)

    assert sum(result is not None for result in together(work, 6)) == 1
    assert len(httpserver.log) == 1


def test_what_a_sink_logs_names_the_delivery(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    def say(self: Any, message: Any) -> None:
        structlog.get_logger("test").info("sending")
        raise RuntimeError

    delivery = about_a_group(sink)
    monkeypatch.setattr("routing.sinks.webhook.Webhook.deliver", say)
    with capture_logs(processors=[merge_contextvars]) as lines:
        send(delivery.pk, NOW)
    assert [line["delivery"] for line in lines if line["event"] in ("sending", "sink_failed")] == [delivery.pk] * 2
