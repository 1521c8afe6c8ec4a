"""A group's page: its timeline, and looking after it."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from routing import silences
from routing.models import (
    Acknowledgement,
    Alert,
    AlertGroup,
    Assignment,
    Comment,
    EscalationStep,
    GroupedAlert,
    TimeInterval,
)
from tests import build
from tests.routing.views.conftest import Page


def joined(group: AlertGroup, alert: Alert, **fields: object) -> None:
    """The alert is one of the group's."""
    values = {"routed_at": timezone.now(), "route_version": 1, **fields}
    GroupedAlert.objects.create(group=group, alert=alert, **values)


def story(answer) -> str:
    """The timeline as one line of text."""
    text = next(each.text for each in Page(answer.content.decode()).all("ol"))
    return " ".join(text.split())


def test_the_timeline_tells_the_whole_way_in_its_order(as_user, carol, world: SimpleNamespace) -> None:
    told = story(as_user(carol).get(f"/groups/{world.group.pk}/"))
    words = [
        "Received",
        "Matched the rule",
        "Took the route Production, version 1",
        "Delivery to Slack #sec",
        "attempt 1: Failed, 404",
        "Response asked for Kill pid 4242",
        "Acknowledged by bob: On it",
        "bob said: Looks real",
    ]
    assert sorted(words, key=told.index) == words


def test_a_large_group_shows_its_first_and_newest_alerts_and_counts_the_rest(as_user, carol) -> None:
    now = timezone.now()
    group = build.group(build.route(), count=60)
    for number in range(60):
        alert = build.alert(output=f"number {number:02}", time=now + timedelta(seconds=number))
        joined(group, alert)
    answer = as_user(carol).get(f"/groups/{group.pk}/")
    told = story(answer)
    assert "number 00" in told
    assert "number 59" in told
    assert "number 30" not in told
    assert "51 more are between them" in answer.content.decode()


def test_a_group_whose_route_has_no_sink_says_that_nobody_is_told(as_user, carol) -> None:
    route = build.route()
    group = build.group(route, told_at=timezone.now(), told_count=3)
    path = f"/groups/{group.pk}/"
    assert "the route has no sink" in as_user(carol).get(path).content.decode()
    route.sinks.add(build.sink())
    text = as_user(carol).get(path).content.decode()
    assert "3 told" in text
    assert "the route has no sink" not in text


def test_acknowledging_a_group_covers_every_fingerprint_in_it(as_user, bob) -> None:
    group = build.group(build.route(), fingerprint="b" * 64)
    for fingerprint in ("a" * 64, "b" * 64):
        joined(group, build.alert(fingerprint=fingerprint))
    client = as_user(bob)
    client.post(f"/groups/{group.pk}/acknowledge/", {"comment": "Looking"})
    assert set(Acknowledgement.objects.values_list("fingerprint", flat=True)) == {"a" * 64, "b" * 64}
    group.refresh_from_db()
    assert group.state == "acknowledged"
    client.post(f"/groups/{group.pk}/withdraw/")
    group.refresh_from_db()
    assert group.state == "firing"
    assert not Acknowledgement.objects.exists()


def test_a_group_that_is_resolved_cannot_be_acknowledged(as_user, bob) -> None:
    group = build.group(build.route(), state="resolved")
    answer = as_user(bob).post(f"/groups/{group.pk}/acknowledge/", follow=True)
    assert "Nothing to acknowledge" in answer.content.decode()
    assert not Acknowledgement.objects.exists()


def test_where_more_is_untold_than_is_taken_on_the_page_says_that_it_goes_on_firing(
    as_user, bob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routing.views.groups.MOST_FINGERPRINTS", 1)
    group = build.group(build.route(), fingerprint="c" * 64, count=3)
    for number, letter in enumerate("abc", 1):
        joined(group, build.alert(fingerprint=letter * 64), number=number)
    answer = as_user(bob).post(f"/groups/{group.pk}/acknowledge/", follow=True)
    assert "It goes on firing for alerts that were not told yet" in answer.content.decode()


def test_earlier_lives_are_neither_shown_nor_acknowledged(as_user, bob) -> None:
    now = timezone.now()
    group = build.group(build.route(), fingerprint="b" * 64, first_seen_at=now)
    earlier, later = build.alert(fingerprint="a" * 64, output="long ago"), build.alert(fingerprint="b" * 64)
    joined(group, earlier, routed_at=now - timedelta(days=1))
    joined(group, later)
    client = as_user(bob)
    assert "long ago" not in story(client.get(f"/groups/{group.pk}/"))
    client.post(f"/groups/{group.pk}/acknowledge/")
    assert Acknowledgement.objects.get().fingerprint == "b" * 64


def test_a_comment_is_kept_and_an_empty_one_is_refused_in_words(as_user, bob, world: SimpleNamespace) -> None:
    client, address = as_user(bob), f"/groups/{world.group.pk}/"
    client.post(f"{address}comment/", {"comment": "Asked the web team"})
    assert Comment.objects.filter(text="Asked the web team", user=bob).count() == 1
    answer = client.post(f"{address}comment/", {"comment": "  "}, follow=True)
    assert "The comment is empty" in answer.content.decode()


@pytest.mark.parametrize(("query", "titles"), [("", ["f"]), ("?state=resolved", ["r"]), ("?state=all", ["f", "r"])])
def test_the_list_shows_one_state_and_firing_first(query: str, titles: list[str], as_user, carol) -> None:
    now, route = timezone.now(), build.route()
    build.group(route, key="1", title="f", last_seen_at=now)
    build.group(route, key="2", title="r", state=AlertGroup.State.RESOLVED, last_seen_at=now - timedelta(hours=1))
    page = Page(as_user(carol).get(f"/groups/{query}").content.decode())
    links = [a.text for a in page.all("a") if a.attributes.get("href", "").startswith("/groups/") and "th" in a.inside]
    assert links == titles


def test_a_viewer_sees_no_buttons(as_user, carol, world: SimpleNamespace) -> None:
    page = Page(as_user(carol).get(f"/groups/{world.group.pk}/").content.decode())
    assert "Acknowledge" not in [button.text for button in page.all("button")]


def test_the_list_and_the_page_say_at_once_who_silences_a_group(as_user, bob) -> None:
    now = timezone.now()
    group = build.group(build.route(), first_seen_at=now, last_seen_at=now)
    GroupedAlert.objects.create(group=group, alert=build.alert(time=now), routed_at=now, route_version=1)
    client = as_user(bob)
    assert "silenced until" not in client.get("/groups/").content.decode()
    silences.create("alert.hostname = node-1", now + timedelta(hours=1), bob, "patch day", now)
    assert "silenced until" in client.get("/groups/").content.decode()
    assert "Silenced by bob" in client.get(f"/groups/{group.pk}/").content.decode()


def test_a_group_of_a_muted_route_says_what_mutes_it(as_user, carol) -> None:
    route = build.route()
    weekdays = ["monday:sunday"]
    route.mute_in.add(TimeInterval.objects.create(name="always", spec=[{"weekdays": weekdays}]))
    group = build.group(route)
    assert "Not told yet: muted by always" in as_user(carol).get(f"/groups/{group.pk}/").content.decode()


def test_a_group_says_whom_it_tells_next_and_when(as_user, carol) -> None:
    route = build.route()
    for after, name in ((900, "Chat"), (3600, "Pager")):
        EscalationStep.objects.create(route=route, after=after).sinks.add(build.sink(name=name))
    soon = timezone.now() + timedelta(minutes=7, seconds=30)
    group = build.group(route, next_step_at=soon, escalated_to=900)
    client = as_user(carol)
    text = client.get(f"/groups/{group.pk}/").content.decode()
    assert "Tells Pager" in text
    assert "in 7 min" in text
    AlertGroup.objects.filter(pk=group.pk).update(next_step_at=timezone.now() - timedelta(seconds=2))
    assert "Tells Pager now, unless" in client.get(f"/groups/{group.pk}/").content.decode()
    AlertGroup.objects.filter(pk=group.pk).update(next_step_at=None)
    assert "Tells Pager" not in client.get(f"/groups/{group.pk}/").content.decode()


def listed(client, query: str) -> list[str]:
    """The titles of the groups on a list."""
    page = Page(client.get(f"/groups/{query}").content.decode())
    return [a.text for a in page.all("a") if a.attributes.get("href", "").startswith("/groups/") and "th" in a.inside]


def test_mine_are_those_that_i_acknowledged_or_was_given_until_they_are_resolved(as_user, bob, erin) -> None:
    route, now = build.route(), timezone.now()
    for name, fields in {"acked": {}, "given": {}, "erin's": {}, "over": {"state": "resolved"}}.items():
        build.group(route, key=name, title=name, fingerprint=name, **fields)
    for name, user in (("acked", bob), ("erin's", erin), ("over", bob)):
        Acknowledgement.objects.create(fingerprint=name, user=user, at=now)
    Assignment.objects.create(fingerprint="given", user=bob, by="erin", at=now)
    client = as_user(bob)
    assert sorted(listed(client, "?state=mine")) == ["acked", "given"]
    assert 'Mine <span class="count">2<' in client.get("/groups/").content.decode()


def test_what_was_acknowledged_longest_comes_first_where_one_asks_for_it(as_user, carol, bob) -> None:
    route, now = build.route(), timezone.now()
    for days in (1, 3, 2):
        name = f"for {days} d"
        seen = now - timedelta(minutes=days)
        build.group(route, key=name, title=name, fingerprint=name, state="acknowledged", last_seen_at=seen)
        Acknowledgement.objects.create(fingerprint=name, user=bob, at=now - timedelta(days=days))
    client = as_user(carol)
    assert listed(client, "?state=acknowledged") == ["for 1 d", "for 2 d", "for 3 d"]
    assert listed(client, "?state=acknowledged&order=longest") == ["for 3 d", "for 2 d", "for 1 d"]
    assert "acknowledged <time" in client.get("/groups/?state=acknowledged").content.decode()


def test_the_groups_of_one_route_alone(as_user, carol) -> None:
    one, other = build.route(name="one"), build.route(name="other")
    build.group(one, title="its own")
    build.group(other, title="another's")
    client = as_user(carol)
    assert listed(client, f"?route={one.pk}") == ["its own"]
    assert f"?state=all&amp;route={one.pk}" in client.get(f"/groups/?route={one.pk}").content.decode()
    assert client.get("/groups/?route=999").status_code == 404


def test_a_group_is_assigned_with_every_fingerprint_in_it(as_user, bob, erin, carol) -> None:
    group = build.group(build.route(), fingerprint="b" * 64)
    for fingerprint in ("a" * 64, "b" * 64):
        joined(group, build.alert(fingerprint=fingerprint))
    client, path = as_user(bob), f"/groups/{group.pk}/"
    client.post(f"{path}assign/", {"to": erin.pk})
    assert set(Assignment.objects.values_list("fingerprint", "user")) == {("a" * 64, erin.pk), ("b" * 64, erin.pk)}
    client.post(f"{path}assign/", {"to": erin.pk, "take": "1"})
    assert set(Assignment.objects.values_list("user", flat=True)) == {bob.pk}
    client.post(f"{path}unassign/")
    assert not Assignment.objects.exists()
    assert "assigned to nobody" in client.post(f"{path}unassign/", follow=True).content.decode()


@pytest.mark.parametrize("to", ["", "x", "999", "carol"])
def test_nothing_is_assigned_to_nobody_or_to_who_may_do_nothing(to: str, as_user, bob, carol) -> None:
    group = build.group(build.route())
    chosen = carol.pk if to == "carol" else to
    assert as_user(bob).post(f"/groups/{group.pk}/assign/", {"to": chosen}).status_code == 404
    assert not Assignment.objects.exists()


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ({"alert.rule": "R", "proc.name": ""}, "?q=alert.rule%20%3D%20R%20and%20not%20proc.name%20%21%3D%20%22%22"),
        ({"alert.uuid": "x"}, "alert.uuid is not a field of alerts"),
    ],
)
def test_a_group_links_to_its_alerts_or_says_why_it_cannot(labels: dict[str, str], shown: str, as_user, carol) -> None:
    group = build.group(build.route(), labels=labels)
    assert shown in as_user(carol).get(f"/groups/{group.pk}/").content.decode()
