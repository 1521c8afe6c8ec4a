from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from routing.api.alerts import Asked, wanted
from routing.models import Alert
from tests import build

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("that_day")]
PATH = "/api/v1/alerts"


@pytest.fixture(autouse=True)
def viewer() -> None:
    build.token("viewer", "sa_viewer")


def ask(client: Client, token: str = "sa_viewer", **query: object):
    return client.get(PATH, query, headers={"Authorization": f"Bearer {token}"})


def rules(client: Client, **query: object) -> list[str]:
    answer = ask(client, **query)
    assert answer.status_code == 200, answer.content
    return [item["rule"] for item in answer.json()["items"]]


def refusal(client: Client, **query: object) -> str:
    answer = ask(client, **query)
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    return str(answer.json()["detail"])


def test_an_alert_has_exactly_the_promised_members(client):
    alert = build.alert("critical", time_ns=1_795_437_296_123_456_789)
    assert ask(client).json() == {
        "items": [
            {
                "uuid": str(alert.uuid),
                "time": "2026-11-23T12:34:56.123456789Z",
                "received_at": "2026-11-23T12:00:00Z",
                "rule": "Read sensitive file",
                "priority": "Critical",
                "source": "syscall",
                "hostname": "node-1",
                "output": "Sensitive file read (file=/etc/shadow)",
                "output_fields": alert.output_fields,
                "tags": ["T1003"],
            }
        ],
        "next": None,
        "read_to": None,
    }


def test_pages_are_newest_first_and_lose_nothing_between_them(client):
    for number in range(10):  # Three of each time, so that pages end among equals.
        build.alert(rule=f"rule {number}", time=build.NOW + timedelta(seconds=number // 3))
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = ask(client, limit=4, cursor=cursor).json()
        seen += [item["rule"] for item in page["items"]]
        cursor = page["next"]
        build.alert(rule="newer", time=build.NOW + timedelta(hours=1))
    assert seen == [f"rule {number}" for number in range(9, -1, -1)]


def test_a_last_page_that_is_full_says_that_it_is_the_last(client):
    build.alert()
    build.alert()
    assert ask(client, limit=2).json()["next"] is None
    assert ask(client, limit=1).json()["next"] is not None


def test_filters_hold_together(client):
    build.alert("critical", rule="a", time=build.NOW)
    build.alert("warning", rule="a", time=build.NOW + timedelta(hours=1))
    build.alert("warning", rule="b", time=build.NOW + timedelta(hours=2))
    assert rules(client, rule="a") == ["a", "a"]
    assert rules(client, rule="a", priority="Warning") == ["a"]
    assert rules(client, priority="warning,critical") == ["b", "a", "a"]
    assert rules(client, at_least="warning") == ["b", "a", "a"]
    assert rules(client, at_least="Error", hostname="node-1") == ["a"]
    assert rules(client, hostname="node-2") == []
    assert rules(client, since="2026-11-23T13:00:00Z") == ["b", "a"]
    assert rules(client, since="2026-11-23T13:00:00Z", until="2026-11-23T14:00:00+00:00") == ["a"]
    assert rules(client, until="2026-11-23T13:00:00+01:00") == []


def test_a_plus_that_the_url_turned_into_a_blank_is_still_a_zone(client):
    build.alert()
    headers = {"Authorization": "Bearer sa_viewer"}
    answer = client.get(f"{PATH}?since=2026-11-23T13:00:00+01:00", headers=headers)
    assert (answer.status_code, len(answer.json()["items"])) == (200, 1)


def test_q_is_a_condition_or_else_words(client):
    build.alert("critical", rule="one", output="cat read /etc/shadow")
    build.alert("notice", rule="two", output="nc spoke", output_fields={"proc.name": "nc"}, hostname="db-7")
    assert rules(client, q="alert.priority >= critical") == ["one"]
    assert rules(client, q="proc.name = nc and alert.rule = two") == ["two"]
    assert rules(client, q="SHADOW") == ["one"]
    assert rules(client, q="db-7") == ["two"]
    assert rules(client, q="nothing like it") == []
    assert rules(client, q="\0shadow") == ["one"]


def test_what_no_database_can_decide_is_found_all_the_same(client):
    build.alert(rule="one", output_fields={"proc.name": "apt-get"})
    build.alert(rule="two", output_fields={"proc.name": "cat"})
    assert rules(client, q="proc.name glob a*") == ["one"]


def test_without_a_beginning_it_is_the_last_day(client):
    build.alert(rule="old", time=build.NOW - timedelta(hours=25))
    build.alert(rule="new")
    assert rules(client) == ["new"]
    assert rules(client, since="2d") == ["new", "old"]
    assert rules(client, until="24h", since="") == ["old"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"priority": "loud"}, "not a priority"),
        ({"since": "whenever"}, "not a time"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "9" * 18}, "cursor"),
        ({"limit": "many"}, "does not say"),
    ],
)
def test_a_wrong_question_is_422_and_says_what_is_wrong(client, query, said):
    assert said in refusal(client, **query)


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("responder", 200), ("viewer", 200), ("sensor", 403)])
def test_people_may_look_and_sensors_may_not(client, role, status):
    build.token(role, "sa_other")
    assert ask(client, "sa_other").status_code == status


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer sa_wrong"}, {"Authorization": "Basic c2E6eA=="}])
def test_without_a_valid_token_it_is_401(client, headers):
    answer = client.get(PATH, headers=headers)
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_revoked_token_is_refused_at_once(client):
    build.token("viewer", "sa_gone", revoked_at=build.NOW)
    assert ask(client, "sa_gone").status_code == 401


def test_a_signed_in_person_without_a_token_is_refused(as_user, alice):
    assert as_user(alice).get(PATH).status_code == 401


def test_a_page_takes_as_many_queries_however_many_alerts(client):
    taken = []
    for count in (1, 50):
        Alert.objects.bulk_create(_copies(count))
        ask(client)
        with CaptureQueriesContext(connection) as queries:
            rules(client)
        taken.append(len(queries))
    assert taken[0] == taken[1] <= 5


def _copies(count: int) -> list[Alert]:
    alert = build.alert()
    alert.delete()
    fields = {field.attname: getattr(alert, field.attname) for field in Alert._meta.concrete_fields}
    return [Alert(**{**fields, "uuid": build.uuid_at(build.NOW)}) for _ in range(count)]


def test_nothing_but_time_chooses_outside_of_the_search_whose_time_is_limited():
    build.alert("critical", rule="Shell")
    build.alert("notice", rule="Read")
    asked = Asked(rule="Shell", hostname="node-1", priority="critical,alert", at_least="error")
    alerts, search, _ = wanted(asked, timezone.now())
    assert (alerts.count(), search.ordered) == (2, True)
    assert [alert.rule for alert in alerts.filter(search.query)] == ["Shell"]


@pytest.mark.parametrize(
    ("q", "column", "hint"),
    [
        ("alert.priorty >= error", 1, "did you mean alert.priority?"),
        ("proc.name = cat and hostname contains web", 30, ""),
        ("alert.rul exists", 1, "did you mean alert.rule?"),
        ("priority=error", 9, ""),
        ("rule in (a, b)", 6, ""),
    ],
)
def test_a_misspelt_condition_is_refused_with_its_place_and_is_not_words(client, q: str, column: int, hint: str):
    build.alert(rule=q)
    answer = ask(client, q=q)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["field"], error["line"], error["column"], error["hint"]) == ("q", 1, column, hint)


@pytest.mark.parametrize(
    "q", ["error in a file that exists", "db1.example.com", "a (b", 'say "no" and go', "not found"]
)
def test_what_can_only_be_words_is_searched_for_as_words(client, q: str):
    build.alert(rule="other")
    build.alert(rule=f"It is {q}.")
    assert rules(client, q=q) == [f"It is {q}."]
