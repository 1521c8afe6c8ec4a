"""The stream of alerts, as its script asks for it."""

from datetime import timedelta

import pytest

from routing.views import live
from tests import build
from tests.build import NOW
from tests.routing.views.conftest import Page

pytestmark = pytest.mark.usefixtures("that_day")


def body(answer):
    return next(each for each in Page(answer.content.decode()).all("tbody"))


def rows(answer) -> list[str]:
    return [th.text for th in Page(answer.content.decode()).all("th") if th.attributes.get("scope") == "row"]


def since(client, seen: str):
    return client.get("/live/", {"after": seen}, HTTP_HX_REQUEST="true")


def test_what_arrived_since_is_given_newest_first_with_a_little_of_before(as_user, carol) -> None:
    client = as_user(carol)
    build.alert(rule="seen", time=NOW - timedelta(minutes=1))
    seen = body(client.get("/live/")).attributes["data-newest"]
    assert seen == (NOW - timedelta(minutes=1)).isoformat()
    for rule in ("one", "two"):
        build.alert(rule=rule)
    answer = since(client, seen)
    assert rows(answer) == ["two", "one", "seen"]
    assert body(answer).attributes["data-newest"] == NOW.isoformat()


def test_what_happened_earlier_and_arrived_later_is_given(as_user, carol) -> None:
    build.alert(rule="late", time=NOW - timedelta(minutes=5), received_at=NOW)
    build.alert(rule="too late", time=NOW - timedelta(minutes=15), received_at=NOW)
    assert rows(since(as_user(carol), (NOW - timedelta(minutes=1)).isoformat())) == ["late"]


def test_rows_are_named_so_that_the_page_leaves_out_what_it_has(as_user, carol) -> None:
    alert = build.alert()
    answer = since(as_user(carol), NOW.isoformat())
    shown = [row for row in Page(answer.content.decode()).all("tr") if "data-alert" in row.attributes]
    assert [row.attributes["data-alert"] for row in shown] == [str(alert.pk)]


def test_a_flood_is_counted_not_shown(as_user, carol) -> None:
    for number in range(live.AT_ONCE + 40):
        build.alert(rule=str(number))
    answer = since(as_user(carol), (NOW - timedelta(minutes=1)).isoformat())
    assert len(rows(answer)) == live.AT_ONCE
    assert body(answer).attributes["data-more"] == "40"


def test_the_stream_is_filtered_like_the_list(as_user, carol) -> None:
    build.alert("critical", rule="loud")
    build.alert("debug", rule="quiet")
    client = as_user(carol)
    assert rows(client.get("/live/?at_least=error")) == ["loud"]
    assert "^^^" in client.get("/live/?q=alert.rul%3Dx").content.decode()
