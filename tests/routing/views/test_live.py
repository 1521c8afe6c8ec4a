"""The stream of alerts, as its script asks for it."""

from routing.models import Alert
from routing.views import live
from tests import build
from tests.routing.views.conftest import Page


def body(answer):
    return next(each for each in Page(answer.content.decode()).all("tbody"))


def rows(answer) -> list[str]:
    return [th.text for th in Page(answer.content.decode()).all("th") if th.attributes.get("scope") == "row"]


def test_only_what_came_since_is_given_newest_first(as_user, carol) -> None:
    client = as_user(carol)
    seen = build.alert(rule="seen")
    assert body(client.get("/live/")).attributes["data-newest"] == str(seen.pk)
    for rule in ("one", "two"):
        build.alert(rule=rule)
    answer = client.get(f"/live/?after={seen.pk}", HTTP_HX_REQUEST="true")
    assert rows(answer) == ["two", "one"]
    assert body(answer).attributes["data-newest"] == str(Alert.objects.latest("pk").pk)


def test_nothing_new_leaves_the_mark_where_it_is(as_user, carol) -> None:
    seen = build.alert()
    answer = as_user(carol).get(f"/live/?after={seen.pk}", HTTP_HX_REQUEST="true")
    assert (rows(answer), body(answer).attributes["data-newest"]) == ([], str(seen.pk))


def test_a_flood_is_counted_not_shown(as_user, carol) -> None:
    seen = build.alert()
    for number in range(live.AT_ONCE + 40):
        build.alert(rule=str(number))
    answer = as_user(carol).get(f"/live/?after={seen.pk}", HTTP_HX_REQUEST="true")
    assert len(rows(answer)) == live.AT_ONCE
    assert body(answer).attributes["data-more"] == "40"


def test_the_stream_is_filtered_like_the_list(as_user, carol) -> None:
    build.alert("critical", rule="loud")
    build.alert("debug", rule="quiet")
    client = as_user(carol)
    assert rows(client.get("/live/?at_least=error")) == ["loud"]
    assert "^^^" in client.get("/live/?q=alert.rul%3Dx").content.decode()
