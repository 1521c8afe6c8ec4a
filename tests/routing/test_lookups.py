from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from routing import approvals, finding, lookups, matching, messages, pipeline, preview, routes, silences
from routing.faults import Fault
from routing.lookups import LookupTableError, Tables, parse
from routing.models import Alert, AlertGroup, Delivery, Lookup
from routing.searching import search
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

TEAMS = """k8s.ns.name,team,channel
shop,payments,#shop
blog,"web, and more",
"""
SHOP = {"k8s.ns.name": "shop"}


def stored(name: str = "teams", text: str = TEAMS) -> Lookup:
    return Lookup.objects.update_or_create(name=name, defaults={"text": text, "digest": lookups.digest_of(text)})[0]


def enriched(**fields: Any) -> Alert:
    alert = build.alert(**fields)
    Tables().enrich([alert])
    return alert


def test_a_table_adds_its_columns_by_the_value_of_a_field() -> None:
    stored()
    assert enriched(output_fields=SHOP).lookups == {"teams.team": "payments", "teams.channel": "#shop"}
    assert enriched(output_fields={"k8s.ns.name": "blog"}).lookups == {"teams.team": "web, and more"}
    assert enriched(output_fields={"k8s.ns.name": "other"}).lookups == {}
    assert enriched(output_fields={}).lookups == {}


def test_several_tables_add_to_one_alert() -> None:
    stored()
    stored("hosts", "alert.hostname,rack\nnode-1,r7\n")
    assert enriched(output_fields=SHOP).lookups["hosts.rack"] == "r7"
    assert enriched(output_fields=SHOP).lookups["teams.team"] == "payments"


def test_conditions_read_what_was_found() -> None:
    stored()
    alert = enriched(output_fields=SHOP)
    assert matching.compile("alert.lookup[teams.team] = payments")(alert)
    assert not matching.compile("alert.lookup[teams.team] = web")(alert)
    assert not matching.compile("alert.lookup[teams.nothing] exists")(alert)
    assert not matching.compile("alert.lookup[teams.team] exists")(build.alert())


@pytest.mark.parametrize("argument", ["teams", "teams.", ".team"])
def test_a_condition_names_a_table_and_a_column(argument: str) -> None:
    error = matching.problem(f"alert.lookup[{argument}] = x")
    assert error is not None
    assert "alert.lookup[teams.channel]" in error.message


def test_routes_groups_and_messages_see_it() -> None:
    stored()
    route = build.route(condition="alert.lookup[teams.team] = payments", group_by=["alert.lookup[teams.channel]"])
    route.sinks.add(build.sink())
    build.alert(output_fields=SHOP)
    build.alert(output_fields={})
    pipeline.route_pending(NOW)
    assert AlertGroup.objects.get().labels == {"alert.lookup[teams.channel]": "#shop"}
    delivery = Delivery.objects.get()
    message = messages.message_for(delivery, messages.alerts_of([delivery]))
    assert message.alerts[0].output_fields == {**SHOP, "teams.team": "payments", "teams.channel": "#shop"}


def test_a_table_does_not_speak_for_the_sensor() -> None:
    stored()
    route = build.route()
    route.sinks.add(build.sink())
    build.alert(output_fields={**SHOP, "teams.team": "as the sensor says"})
    pipeline.route_pending(NOW)
    delivery = Delivery.objects.get()
    message = messages.message_for(delivery, messages.alerts_of([delivery]))
    assert message.alerts[0].output_fields["teams.team"] == "as the sensor says"


def test_silences_see_it_when_they_are_tried_and_when_they_hold(bob: User) -> None:
    stored()
    route = build.route()
    route.sinks.add(build.sink())
    alert = build.alert(output_fields=SHOP)
    condition = "alert.lookup[teams.team] = payments"
    assert preview.preview(condition, NOW).matched == 1
    silences.create(condition, NOW.replace(hour=13), bob, "known", NOW)
    assert silences.holding(alert, NOW) is not None
    pipeline.route_pending(NOW)
    assert Delivery.objects.get().state == "suppressed"


def test_actions_and_searches_see_it() -> None:
    stored()
    build.sensor()
    condition = "alert.lookup[teams.team] = payments"
    action = build.action(condition=condition)
    alert, other = build.alert(output_fields=SHOP), build.alert(output_fields={})
    assert approvals.request(action, alert, None, None, NOW) is not None
    assert approvals.request(action, other, None, None, NOW) is None
    found = finding.find(Alert.objects.all(), search(f"{condition} and alert.hostname = node-1"), None, 10)
    assert found.alerts == [alert]
    assert finding.find(Alert.objects.all(), search("not alert.lookup[teams.team] exists"), None, 10).alerts == [other]


def test_tables_are_read_again_only_when_they_have_changed() -> None:
    stored()
    Tables()
    with CaptureQueriesContext(connection) as captured:
        Tables()
    assert len(captured) == 1
    stored(text="k8s.ns.name,team\nshop,security\n")
    assert enriched(output_fields=SHOP).lookups == {"teams.team": "security"}
    Lookup.objects.all().delete()
    assert enriched(output_fields=SHOP).lookups == {}


def test_a_table_that_cannot_be_read_adds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stored(text="nonsense\n")
    assert enriched(output_fields=SHOP).lookups == {}
    assert "lookup_broken" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["The table is empty; its first line names a field and the columns, as k8s.ns.name,team."]),
        (
            "\n\nk8s.ns.nam,team\n",
            ["Line 3: k8s.ns.nam is not a field of alerts; did you mean k8s.ns.name?; the first"],
        ),
        ("alert.lookup[a.b],team\n", ["Line 1: a table cannot be asked by another one"]),
        ("k8s.ns.name\nshop\n", ["Line 1: there must be 1 to 20 columns"]),
        ("k8s.ns.name,team,team\n", ["Line 1: the column 'team' is there twice"]),
        ("k8s.ns.name,a team\n", ["Line 1: 'a team' is not a column's name"]),
        ("k8s.ns.name,team\nshop\nblog,a,b\n", ["Line 2: 1 cells, where the first line has 2", "Line 3: 3 cells"]),
        ("k8s.ns.name,team\nshop,a\n\nshop,b\n", ["Line 4: 'shop' was there before"]),
        ('k8s.ns.name,team\n"shop"x,a\n', ["Line 2: "]),
        ('k8s.ns.name,team\n"shop,a\n', ["Line 2: "]),
        ("k8s.ns.name,team\n" + "x\n" * 50, [f"Line {number}: 1 cells" for number in range(2, 22)]),
        ("k8s.ns.name,team\n" + "x" * 1024 * 1024, ["The table is larger than 1024 KiB"]),
        ("k8s.ns.name,team\n" + "".join(f"{n},x\n" for n in range(20_001)), ["Line 20002: more than 20000 rows"]),
    ],
)
def test_everything_that_is_wrong_is_said_with_its_line(text: str, said: list[str]) -> None:
    with pytest.raises(LookupTableError) as error:
        parse("teams", text)
    assert len(error.value.problems) == len(said) or said == ["Line 20002: more than 20000 rows"]
    assert all(problem.startswith(start) for problem, start in zip(error.value.problems, said, strict=False))


@pytest.mark.parametrize("name", ["", "Teams", "7teams", "te.ams", "te ams", "t" * 51])
def test_a_table_has_a_name_that_conditions_can_write(name: str) -> None:
    with pytest.raises(LookupTableError, match="is not a name"):
        parse(name, TEAMS)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("alert.rule = x", ""),
        ("alert.lookup[teams.team] = x or not (alert.lookup[teams.channel] exists)", ""),
        ('alert.rule = "alert.lookup[no.thing]"', ""),
        ("alert.lookup[teams.tem] = x", "column 'teams.tem'; did you mean alert.lookup[teams.team]?"),
        ("proc.name = a and alert.lookup[hosts.rack] in (a, b)", "no lookup table with a column 'hosts.rack'"),
        ("proc.name = val(alert.lookup[hosts.rack])", "'hosts.rack'"),
        ("tolower(alert.lookup[hosts.rack]) = x", "'hosts.rack'"),
    ],
)
def test_a_condition_that_names_what_is_not_there_is_found_out(condition: str, said: str) -> None:
    stored()
    assert matching.problem(condition) is None
    found = lookups.problem_in(condition)
    assert said in found if said else not found


def test_routes_and_silences_that_name_what_is_not_there_are_refused(bob: User, erin: User) -> None:
    with pytest.raises(silences.SilenceError, match="no lookup table"):
        silences.create("alert.lookup[teams.team] = x", NOW.replace(hour=13), bob, "", NOW)
    for changes in ({"condition": "alert.lookup[teams.team] = x"}, {"group_by": ["alert.lookup[teams.team]"]}):
        with pytest.raises(Fault, match="no lookup table") as error:
            routes.save(None, {"name": "a route", **changes}, erin, NOW)
        assert error.value.field in changes
