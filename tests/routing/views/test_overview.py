"""The first page."""

from datetime import timedelta
from types import SimpleNamespace

from django.utils import timezone

from routing.models import Delivery
from sensor.alert import new_uuid
from tests import build
from tests.routing.views.conftest import Page


def test_a_new_installation_shows_its_first_steps(as_user, carol) -> None:
    page = Page(as_user(carol).get("/").content.decode())
    steps = [li for li in page.all("li") if "ol" in li.inside]
    assert len(steps) == 5
    assert not [step for step in steps if step.attributes.get("class") == "done"]


def test_steps_are_ticked_as_they_are_done_and_go_when_all_are(as_user, carol, world: SimpleNamespace) -> None:
    client = as_user(carol)
    assert client.get("/").context["steps"] == [
        ("sensor", True),
        ("alert", True),
        ("sink", True),
        ("route", True),
        ("sent", False),
    ]
    Delivery.objects.update(state="sent")
    assert client.get("/").context["steps"] == []


def test_figures_count_the_chosen_span(as_user, carol) -> None:
    now = timezone.now()
    for age in (1, 30, 60 * 5):
        build.alert("critical", time=now - timedelta(minutes=age))
    client = as_user(carol)
    assert client.get("/").context["chart"].total == 2
    assert client.get("/?span=6h").context["chart"].total == 3
    assert client.get("/?span=nonsense").context["span"] == "1h"


def test_the_chart_says_the_same_in_words_and_numbers(as_user, carol) -> None:
    build.alert("critical", time=timezone.now())
    page = Page(as_user(carol).get("/").content.decode())
    chart = next(svg for svg in page.all("svg") if svg.attributes.get("role") == "img")
    assert chart.attributes["aria-label"].startswith("1 alert in the last hour")
    assert [rect for rect in page.all("rect") if rect.attributes.get("class") == "fill-severe" and "a" in rect.inside]


def test_htmx_gets_the_figures_without_the_frame(as_user, carol) -> None:
    text = as_user(carol).get("/", HTTP_HX_REQUEST="true").content.decode()
    assert "<nav" not in text
    assert "Firing groups" in text


def test_rankings_lead_to_the_filtered_list(as_user, carol) -> None:
    build.alert(rule="Read & write", time=timezone.now())
    assert "/alerts/?rule=Read%20%26%20write&amp;since=1h" in as_user(carol).get("/").content.decode()


def test_everything_that_awaits_approval_is_counted(as_user, carol, world: SimpleNamespace) -> None:
    for number in range(6):
        world.run.pk, world.run.uuid, world.run.digest = None, new_uuid(), f"{number}" * 64
        world.run.save(force_insert=True)
    assert "<b>7</b>" in as_user(carol).get("/").content.decode()
