"""The frame around pages: the theme, and the banner that says what is wrong."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from routing import auditor, signs
from routing.models import Delivery
from routing.signs import Part
from tests import build
from tests.routing.views.conftest import Page


@pytest.fixture
def worker(db: None):
    """Beat and a worker that were heard a moment ago."""
    cache.clear()
    for part in Part:
        signs.leave(part, timezone.now())
    yield
    cache.clear()


def banners(client) -> list[str]:
    return [banner.text for banner in client.get("/sensors/").context["frame"]["banners"]]


@pytest.mark.usefixtures("worker")
def test_a_healthy_product_has_no_banner(as_user, carol) -> None:
    assert banners(as_user(carol)) == []


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("part", "seconds", "said"),
    [
        (Part.WORKER, 61, "No worker was heard"),
        (Part.BEAT, 61, "Beat was not heard"),
        (Part.AUDITOR, 181, "The auditor was not heard"),
    ],
)
def test_a_part_that_is_silent_is_said(part: Part, seconds: int, said: str, as_user, carol) -> None:
    signs.leave(part, timezone.now() - timedelta(seconds=seconds))
    (banner,) = banners(as_user(carol))
    assert said in banner


def test_parts_that_were_never_heard_are_said(as_user, carol) -> None:
    cache.clear()
    assert "Beat was not heard" in banners(as_user(carol))[0]


def test_a_broker_that_is_away_is_said(as_user, carol, settings, tmp_path) -> None:
    location = f"unix://{tmp_path}/nothing.sock"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}}
    assert "Redis cannot be reached" in banners(as_user(carol))[0]


@pytest.mark.usefixtures("worker")
def test_what_the_auditor_found_stuck_is_said(as_user, carol) -> None:
    group = build.group(build.route(), next_flush_at=timezone.now() - timedelta(minutes=5))
    auditor.keep(auditor.look(timezone.now()))
    assert "overdue to be told: 1 of them" in banners(as_user(carol))[0]
    group.delete()
    auditor.keep(auditor.look(timezone.now()))
    assert banners(as_user(carol)) == []


@pytest.mark.usefixtures("worker")
def test_alerts_that_wait_to_be_routed_are_said(as_user, carol) -> None:
    build.alert(received_at=timezone.now() - timedelta(minutes=5))
    assert "waited 5" in banners(as_user(carol))[0].replace("\xa0", " ")


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("fields", "overdue"), [({}, True), ({"enabled": False}, False)])
def test_overdue_deliveries_are_said_unless_their_sink_is_paused(fields, overdue: bool, as_user, carol) -> None:
    then = timezone.now() - timedelta(minutes=5)
    Delivery.objects.create(sink=build.sink(**fields), reason="r", next_attempt_at=then, created_at=then)
    assert bool(banners(as_user(carol))) is overdue


@pytest.mark.usefixtures("worker")
def test_sinks_in_trouble_are_said(as_user, carol) -> None:
    build.sink(name="Shut", open_until=timezone.now() + timedelta(minutes=5))
    build.sink(name="Stopped", disabled_reason="the receiver is gone", enabled=False)
    said = " ".join(banners(as_user(carol)))
    assert "Shut keeps failing" in said
    assert "Stopped was switched off" in said


@pytest.mark.parametrize(("cookie", "theme"), [("", "auto"), ("dark", "dark"), ('"><script>', "auto")])
def test_the_theme_is_painted_by_the_server(cookie: str, theme: str, as_user, carol) -> None:
    client = as_user(carol)
    client.cookies["theme"] = cookie
    html = Page(client.get("/").content.decode()).all("html")[0]
    assert html.attributes["data-theme"] == theme


def test_only_administrators_see_their_section(as_user, carol, alice) -> None:
    def titles(client) -> list[str]:
        return [section.title for section in client.get("/").context["frame"]["sections"]]

    assert "Administer" not in titles(as_user(carol))
    assert "Administer" in titles(as_user(alice))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "overview"),
        ("/sinks/new/slack/", "sinks"),
        ("/runs/", "runs"),
        ("/rules/sets/1/", "rules"),
        ("/deliveries/1/", "deliveries"),
    ],
)
def test_the_navigation_marks_where_one_is(path: str, name: str, as_user, erin, world) -> None:
    path = path.replace("/deliveries/1/", f"/deliveries/{world.delivery.pk}/")
    sections = as_user(erin).get(path).context["frame"]["sections"]
    assert [link.name for section in sections for link in section.links if link.current] == [name]
