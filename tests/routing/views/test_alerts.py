"""The list of alerts: filters in the URL, pages by key, acknowledging and answering."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.http import QueryDict
from django.utils import timezone

from routing.models import Acknowledgement, ActionRun, Assignment, GroupedAlert, MaintenanceWindow, TimeInterval
from routing.views import arrivals
from routing.views.alert_filter import AlertFilter
from tests import build
from tests.routing.views.conftest import Page

HTMX = {"HTTP_HX_REQUEST": "true"}


def rules(answer) -> list[str]:
    """The rules of the alerts that a page lists."""
    return [
        element.text for element in Page(answer.content.decode()).all("th") if element.attributes.get("scope") == "row"
    ]


@pytest.fixture
def three(db: None) -> None:
    now = timezone.now()
    build.alert("warning", rule="Read", time=now - timedelta(minutes=1), output_fields={"proc.name": "cat"})
    build.alert("critical", rule="Shell", time=now - timedelta(minutes=2), hostname="node-2", output_fields={})
    build.alert("notice", rule="Old", time=now - timedelta(hours=20), output_fields={"proc.name": "vim"})


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Read", "Shell", "Old"]),
        ("q=proc.name = cat", ["Read"]),
        ("q=alert.priority >= warning and alert.hostname = node-2", ["Shell"]),
        ("rule=Old", ["Old"]),
        ("at_least=warning", ["Read", "Shell"]),
        ("priority=warning", ["Read"]),
        ("hostname=node-2", ["Shell"]),
        ("since=1h", ["Read", "Shell"]),
        ("until=1h", ["Old"]),
        ("since=1h&priority=critical", ["Shell"]),
        ("rule=Nothing", []),
    ],
)
def test_every_filter_narrows_the_list(query: str, expected: list[str], as_user, carol) -> None:
    assert rules(as_user(carol).get(f"/alerts/?{query.replace('>', '%3E')}")) == expected


def test_without_a_beginning_the_list_is_the_last_day(as_user, carol, three) -> None:
    build.alert(rule="Older", time=timezone.now() - timedelta(hours=25))
    client = as_user(carol)
    assert rules(client.get("/alerts/")) == ["Read", "Shell", "Old"]
    assert rules(client.get("/alerts/?since=7d")) == ["Read", "Shell", "Old", "Older"]


@pytest.mark.usefixtures("three")
def test_a_condition_with_a_mistake_points_at_it_and_lists_nothing(as_user, carol) -> None:
    answer = as_user(carol).get("/alerts/", {"q": "proc.nmae = cat"})
    text = next(pre.text for pre in Page(answer.content.decode()).all("pre"))
    assert "proc.name" in text
    assert text.splitlines()[-2:] == ["proc.nmae = cat", "^^^^^^^^^"]
    assert rules(answer) == []


@pytest.mark.parametrize(
    "query", ["since=yesterday", "since=2026-13-40", "until=99999999999h", "priority=loud", "at_least=loud"]
)
def test_a_filter_that_makes_no_sense_is_an_error_on_the_page(query: str, as_user, carol) -> None:
    answer = as_user(carol).get(f"/alerts/?{query}")
    assert answer.status_code == 200
    assert "is not understood" in answer.content.decode()


def main(answer) -> str:
    """The page without its frame, as one line of text."""
    return " ".join(Page(answer.content.decode()).all("main")[0].text.split())


def test_the_list_says_which_time_it_is_about_and_offers_more(as_user, carol) -> None:
    build.alert(time=timezone.now() - timedelta(days=3), rule="Old")
    client = as_user(carol)
    answer = client.get("/alerts/?rule=Old")
    assert "Of the last 24 h. Show 7 d · 30 d" in main(answer)
    assert "The newest alert of all was received 3 d ago" in main(answer)
    links = [a.attributes["href"] for a in Page(answer.content.decode()).all("a") if a.text == "7 d"]
    assert links == ["/alerts/?rule=Old&since=7d"]
    week = client.get(links[0])
    assert rules(week) == ["Old"]
    assert "Show 24 h · 30 d" in main(week)
    assert "No alert in 24 h" in main(client.get("/alerts/"))


def test_before_the_first_alert_the_list_says_what_is_missing(as_user, carol) -> None:
    assert "Nothing has been reported so far" in main(as_user(carol).get("/alerts/"))


def test_a_search_that_ran_out_of_time_says_how_far_it_got_and_continues(as_user, carol, monkeypatch) -> None:
    for number in range(6):
        build.alert(rule=f"r{number}", time=timezone.now() - timedelta(minutes=number), output="something")
    monkeypatch.setattr("routing.finding.SECONDS", 0)
    monkeypatch.setattr("routing.finding.FIRST", 2)
    answer = as_user(carol).get("/alerts/", {"q": "alert.output contains nothing"})
    assert "None so far. Read back to" in main(answer)
    following = next(a for a in Page(answer.content.decode()).all("a") if a.text.startswith("Continue before"))
    assert "before=" in following.attributes["href"]


def test_pages_follow_one_another_without_gaps(as_user, carol) -> None:
    now = timezone.now()
    for number in range(120):
        # Several alerts share a time, as they do when a sensor posts a batch.
        build.alert(rule=f"r{number}", time=now - timedelta(seconds=number // 7))
    client, seen, query = as_user(carol), [], ""
    while True:
        answer = client.get(f"/alerts/?{query}")
        seen += rules(answer)
        older = [a for a in Page(answer.content.decode()).all("a") if a.text == "Older alerts"]
        if not older:
            break
        query = older[0].attributes["href"].lstrip("?")
    assert len(seen) == len(set(seen)) == 120


def test_a_cursor_that_makes_no_sense_is_the_first_page(as_user, carol, three) -> None:
    client = as_user(carol)
    for cursor in ("x", "1", "9" * 400 + ".1", "1.x"):
        assert rules(client.get("/alerts/", {"before": cursor})) == ["Read", "Shell", "Old"]


def test_htmx_gets_the_rows_alone_and_a_clean_address(as_user, carol, three) -> None:
    answer = as_user(carol).get("/alerts/?q=&rule=Old&hostname=&since=", **HTMX)
    assert not answer.content.decode().lstrip().startswith("<!doctype")
    assert answer["HX-Push-Url"] == "/alerts/?rule=Old"
    assert "HX-Request" in answer["Vary"]
    assert rules(answer) == ["Old"]


def test_newer_alerts_are_counted_under_the_same_filters(as_user, carol, three) -> None:
    shown_at = timezone.now().isoformat()
    client = as_user(carol)
    assert "new alert" not in client.get("/alerts/newer/", {"after": shown_at}).content.decode()
    build.alert(rule="Read", time=timezone.now())
    build.alert(rule="Shell", time=timezone.now())
    assert "2 new alerts" in client.get("/alerts/newer/", {"after": shown_at}).content.decode()
    one = client.get("/alerts/newer/", {"after": shown_at, "rule": "Read"}).content.decode()
    assert "1 new alert<" in one
    assert "?rule=Read" in one


def test_selected_alerts_are_acknowledged_once_per_fingerprint(as_user, bob) -> None:
    same = [build.alert(fingerprint="a" * 64), build.alert(fingerprint="a" * 64)]
    other, left = build.alert(fingerprint="b" * 64), build.alert(fingerprint="c" * 64)
    over = build.alert(fingerprint="d" * 64)
    route = build.route()
    for letter, state in (("a", "firing"), ("b", "firing"), ("d", "resolved")):
        build.group(route, key=letter, fingerprint=letter * 64, state=state)
    chosen = [str(alert.uuid) for alert in (*same, other, over)]
    client = as_user(bob)
    answer = client.post(
        "/alerts/acknowledge/", {"alert": [*chosen, "not-a-uuid"], "comment": "Mine", "next": "/alerts/?rule=x"}
    )
    assert answer.url == "/alerts/?rule=x"
    taken = Acknowledgement.objects.filter(user=bob, comment="Mine")
    assert set(taken.values_list("fingerprint", flat=True)) == {"a" * 64, "b" * 64}
    assert left.fingerprint not in taken.values_list("fingerprint", flat=True)
    said = client.get("/alerts/").content.decode()
    assert "Acknowledged: 2 different, 4 selected" in said
    assert "Not acknowledged: 1 different" in said


def test_the_way_back_leads_nowhere_else(as_user, bob) -> None:
    alert = build.alert()
    answer = as_user(bob).post("/alerts/acknowledge/", {"alert": str(alert.uuid), "next": "https://evil.example/"})
    assert answer.url == "/alerts/"


def test_a_response_asked_for_by_hand_waits_for_somebody_else(as_user, bob) -> None:
    now = timezone.now()
    sensor = build.sensor(last_seen_at=now)
    alert = build.alert("critical", time=now, sensor=sensor, token=sensor.token, own_node=True)
    action = build.action()
    answer = as_user(bob).post(f"/alerts/{alert.uuid}/respond/", {"action": action.pk})
    run = ActionRun.objects.get()
    assert answer.url == run.get_absolute_url()
    assert (run.requested_by, run.state) == (bob, "awaiting_approval")
    assert "somebody else must approve" in as_user(bob).get(answer.url).content.decode()


def test_asking_for_an_action_that_is_not_there_is_a_404(as_user, bob, world: SimpleNamespace) -> None:
    client = as_user(bob)
    for action in ("", "x", "999"):
        assert client.post(f"/alerts/{world.alert.uuid}/respond/", {"action": action}).status_code == 404


def test_an_alert_that_no_route_took_says_so(as_user, carol) -> None:
    alert = build.alert(waits=False)
    assert "No route matched" in as_user(carol).get(f"/alerts/{alert.uuid}/").content.decode()
    end = build.alert(waits=False, source="alertmanager", output_fields={"alertmanager.status": "resolved"})
    page = as_user(carol).get(f"/alerts/{end.uuid}/").content.decode()
    assert "It says that an alert ended" in page
    assert "No route matched" not in page


def test_an_alert_is_assigned_and_commented_where_it_is_read(as_user, bob, erin) -> None:
    alert = build.alert(waits=False)
    client, path = as_user(bob), f"/alerts/{alert.uuid}/"
    assert client.post(f"{path}assign/", {"to": erin.pk}).url == path
    client.post(f"{path}comment/", {"comment": "Asked the web team"})
    text = client.get(path).content.decode()
    assert "erin" in text
    assert "Asked the web team" in text
    assert Assignment.objects.get(fingerprint=alert.fingerprint).user == erin
    client.post(f"{path}unassign/")
    assert not Assignment.objects.exists()
    assert "The comment is empty" in client.post(f"{path}comment/", {"comment": " "}, follow=True).content.decode()


def test_an_alert_says_why_it_is_not_told(as_user, carol) -> None:
    now, route = timezone.now(), build.route()
    alert, group = build.alert(time=now, waits=False), build.group(route)
    GroupedAlert.objects.create(group=group, alert=alert, routed_at=now, route_version=1)
    route.mute_in.add(TimeInterval.objects.create(name="always", spec=[{"weekdays": ["monday:sunday"]}]))
    client, path = as_user(carol), f"/alerts/{alert.uuid}/"
    assert "muted by always" in client.get(path).content.decode()
    ends = now + timedelta(hours=1)
    MaintenanceWindow.objects.create(name="move", condition="alert.hostname = node-1", ends_at=ends)
    assert "Not told, now or later: maintenance move" in client.get(path).content.decode()


def test_nothing_but_time_chooses_outside_of_the_search_whose_time_is_limited(three):
    form = AlertFilter(QueryDict("rule=Shell&hostname=node-2&priority=critical&at_least=error"))
    alerts, search = arrivals.since(form.alerts(), form.search(), timezone.now())
    assert form.alerts().count() == 3
    assert alerts.count() == 2  # Those that may have come late.
    assert (search.ordered, alerts.filter(search.query).count()) == (True, 0)
    assert [alert.rule for alert in alerts.filter(form.search().query)] == ["Shell"]
