"""The log of deliveries and the dead letters."""

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from routing.delivery_filters import DEAD
from routing.models import AuditEntry, Delivery, Sink
from tests import build


def dead(sink, **fields) -> Delivery:
    now = timezone.now()
    values = {"sink": sink, "reason": "r", "state": "failed", "next_attempt_at": now, "created_at": now, **fields}
    return Delivery.objects.create(**values)


def test_the_log_is_narrowed_by_state_and_sink(as_user, carol) -> None:
    one, two = build.sink("slack", name="One"), build.sink("webhook", name="Two")
    dead(one)
    dead(two, state="sent")
    client = as_user(carol)
    assert [d.sink.name for d in client.get("/deliveries/?state=failed").context["page"].rows] == ["One"]
    assert [d.sink.name for d in client.get(f"/deliveries/?sink={two.pk}").context["page"].rows] == ["Two"]
    answer = client.get("/deliveries/?state=nonsense")
    assert "&#x27;nonsense&#x27; is no state of a delivery" in answer.content.decode()
    assert answer.context["page"].rows == []


def test_a_tab_shows_the_dead_letters(as_user, bob) -> None:
    sink = build.sink("slack")
    letters = {dead(sink).pk, dead(sink, state="unknown").pk}
    dead(sink, state="sent")
    client = as_user(bob)
    tabs = {words: query for words, query, _ in client.get("/deliveries/").context["tabs"]}
    shown = client.get(f"/deliveries/?{tabs['Dead letters']}")
    assert {delivery.pk for delivery in shown.context["page"].rows} == letters
    assert "Change all of these" in shown.content.decode()


def test_every_attempt_shows_what_was_sent_and_came_back(as_user, carol, world: SimpleNamespace) -> None:
    text = as_user(carol).get(f"/deliveries/{world.delivery.pk}/").content.decode()
    assert "answered 404" in text
    assert "POST ***" in text
    assert "gone" in text


def test_a_dead_letter_is_sent_again_or_discarded(as_user, bob, world: SimpleNamespace) -> None:
    client, address = as_user(bob), f"/deliveries/{world.delivery.pk}/"
    client.post(f"{address}retry/")
    world.delivery.refresh_from_db()
    assert world.delivery.state == "queued"
    client.post(f"{address}discard/")
    world.delivery.refresh_from_db()
    assert world.delivery.state == "discarded"
    remembered = AuditEntry.objects.filter(target__startswith="delivery:").values_list("verb", "address")
    assert set(remembered) == {("send again", "127.0.0.1"), ("discard", "127.0.0.1")}


def test_what_is_being_sent_is_left_alone(as_user, bob) -> None:
    delivery = dead(build.sink("slack"), state="sending")
    client = as_user(bob)
    for verb in ("retry", "try", "discard"):
        answer = client.post(f"/deliveries/{delivery.pk}/{verb}/", follow=True)
        assert "at this moment" in answer.content.decode()
    delivery.refresh_from_db()
    assert delivery.state == "sending"


def test_old_news_of_a_resolved_group_is_not_sent_again_with_the_rest(as_user, bob) -> None:
    sink, over = build.sink("slack"), build.group(build.route(), state="resolved")
    news, end = dead(sink, group=over), dead(sink, group=over, event="resolved")
    as_user(bob).post("/deliveries/retry/", {"state": DEAD}, follow=True)
    assert dict(Delivery.objects.values_list("pk", "state")) == {news.pk: "failed", end.pk: "queued"}


def test_what_the_filters_show_is_sent_again_but_no_tests(as_user, bob) -> None:
    one, two = build.sink("slack", name="One"), build.sink("webhook", name="Two")
    mine, test, other = dead(one), dead(one, event="test"), dead(two)
    answer = as_user(bob).post("/deliveries/retry/", {"sink": one.pk, "state": DEAD}, follow=True)
    assert "1 delivery is queued again" in answer.content.decode()
    assert answer.redirect_chain[0][0] == f"/deliveries/?state=failed%2Cunknown&sink={one.pk}"
    states = dict(Delivery.objects.values_list("pk", "state"))
    assert states == {mine.pk: "queued", test.pk: "failed", other.pk: "failed"}


def test_what_the_filters_show_is_discarded(as_user, bob) -> None:
    sink = build.sink("slack")
    letters, sent = [dead(sink), dead(sink)], dead(sink, state="sent")
    answer = as_user(bob).post("/deliveries/discard/", {"sink": sink.pk}, follow=True)
    assert "2 deliveries are discarded" in answer.content.decode()
    states = dict(Delivery.objects.values_list("pk", "state"))
    assert states == {**{letter.pk: "discarded" for letter in letters}, sent.pk: "sent"}


def test_what_was_held_back_is_sent_with_a_range_only_where_its_state_is_named(as_user, bob) -> None:
    sink = build.sink("slack")
    held, away, letter = (dead(sink, state=state) for state in ("suppressed", "discarded", "failed"))
    client = as_user(bob)
    shown = client.get(f"/deliveries/?sink={sink.pk}")
    counts = [(words, states) for words, _, _, states in shown.context["changes"]]
    assert counts == [("Send again", "1 failed"), ("Discard", "1 failed")]
    assert "<span>1 failed</span>" in shown.content.decode()
    client.post("/deliveries/retry/", {"sink": sink.pk})
    states = {held.pk: "suppressed", away.pk: "discarded", letter.pk: "queued"}
    assert dict(Delivery.objects.values_list("pk", "state")) == states
    named = client.get("/deliveries/?state=suppressed").context["changes"]
    assert [(words, states) for words, _, _, states in named] == [("Send again", "1 suppressed")]
    client.post("/deliveries/retry/", {"state": "suppressed"})
    assert dict(Delivery.objects.values_list("pk", "state")) == {**states, held.pk: "queued"}


def test_who_only_looks_is_offered_no_change(as_user, carol) -> None:
    sink = build.sink("slack")
    dead(sink)
    assert as_user(carol).get(f"/deliveries/?sink={sink.pk}").context["changes"] == []


def test_what_holds_back_a_delivery_that_is_sent_again_is_said(as_user, bob) -> None:
    sink = build.sink("slack", open_until=timezone.now() + timedelta(hours=20), failing_since=timezone.now())
    letter = dead(sink)
    client, address = as_user(bob), f"/deliveries/{letter.pk}/"
    text = client.post(f"{address}retry/", follow=True).content.decode()
    assert "It waits to be sent again." in text
    assert re.search("The sink a slack is in trouble and is left alone for (20 h|19 h 59 min)", text)
    assert f'action="{address}try/"' in text
    text = client.post(f"{address}try/", follow=True).content.decode()
    assert "It is tried within a second." in text
    assert "left alone" not in text
    Sink.objects.update(enabled=False)
    text = client.get(address).content.decode()
    assert "until somebody presses Resume" in text
    assert f'action="{address}try/"' not in text


@pytest.mark.parametrize("said", [{}, {"sink": "  "}, {"state": "nonsense"}, {"since": "yesterday"}])
def test_nothing_is_changed_without_filters_that_can_be_read(as_user, bob, said: dict[str, str]) -> None:
    letter = dead(build.sink("slack"))
    for verb in ("retry", "discard"):
        answer = as_user(bob).post(f"/deliveries/{verb}/", said, follow=True)
        assert "message error" in answer.content.decode()
    letter.refresh_from_db()
    assert letter.state == "failed"


def test_a_digest_and_what_stands_in_it_lead_to_each_other(as_user, carol) -> None:
    sink, route = build.sink("slack"), build.route()
    digest = dead(sink, state="sent", group=build.group(route), other_groups=1)
    inside = dead(sink, state="folded", group=build.group(route, key="other", title="The other"), folded_into=digest)
    client = as_user(carol)
    text = client.get(f"/deliveries/{digest.pk}/").content.decode()
    assert "stands for 1 other group of this rule" in text
    assert f'href="/deliveries/{inside.pk}/">The other' in text
    assert f'href="/deliveries/{digest.pk}/"' in client.get(f"/deliveries/{inside.pk}/").content.decode()
