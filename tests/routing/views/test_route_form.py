"""What the form of a route makes of what is entered: inheriting, one group, and the steps of an escalation."""

import pytest

from routing.models import Route, TimeInterval
from tests import build
from tests.routing.views.conftest import Page
from tests.routing.views.test_routes import NEW


@pytest.mark.parametrize(
    ("entered", "stored"),
    [("", None), ("-", []), ("...", ["..."]), ("alert.rule , alert.source", ["alert.rule", "alert.source"])],
)
def test_group_by_is_fields_or_nothing_or_inherited(entered: str, stored: list[str] | None, as_user, erin) -> None:
    client = as_user(erin)
    client.post("/routes/new/", {**NEW, "group_by": entered})
    route = Route.objects.get()
    assert route.group_by == stored
    client.post(f"/routes/{route.pk}/", {**NEW, "group_by": shown(client, route, "group_by")})
    route.refresh_from_db()
    assert route.group_by == stored


def shown(client, route: Route, name: str) -> str:
    """What a field of the stored route's form shows."""
    fields = Page(client.get(f"/routes/{route.pk}/").content.decode()).all("input")
    return next(field.attributes.get("value", "") for field in fields if field.attributes.get("name") == name)


def test_steps_are_stored_by_their_time_and_shown_with_blank_ones(as_user, erin) -> None:
    client, sink = as_user(erin), build.sink()
    steps = {"step-0-after": "1h", "step-0-sinks": [sink.pk], "step-1-after": "15min", "step-1-sinks": [sink.pk]}
    client.post("/routes/new/", {**NEW, **steps})
    route = Route.objects.get()
    assert [step.after for step in route.steps.all()] == [900, 3600]
    assert [shown(client, route, f"step-{number}-after") for number in range(3)] == ["15min", "1h", ""]
    client.post(f"/routes/{route.pk}/", {**NEW, "step-0-after": "", "step-1-after": "1h", "step-1-sinks": [sink.pk]})
    assert [step.after for step in route.steps.all()] == [3600]


@pytest.mark.parametrize(
    ("after", "told", "said"),
    [
        ("15min", False, "Choose whom to tell"),
        ("", True, "Say after how long"),
        ("30s", True, "At least one minute"),
        ("soon", True, "is not a length of time"),
    ],
)
def test_half_a_step_is_refused_and_kept_in_the_form(after: str, told: bool, said: str, as_user, erin) -> None:
    sink = build.sink()
    answer = as_user(erin).post(
        "/routes/new/", {**NEW, "step-0-after": after, "step-0-sinks": [sink.pk] if told else []}
    )
    text = answer.content.decode()
    assert said in text
    box = next(field for field in Page(text).all("input") if field.attributes.get("name") == "step-0-sinks")
    assert ("checked" in box.attributes) is told
    assert not Route.objects.exists()


def test_intervals_and_dry_run_are_chosen_there(as_user, erin) -> None:
    nights = TimeInterval.objects.create(name="nights", spec=[{"weekdays": ["monday"]}])
    as_user(erin).post("/routes/new/", {**NEW, "mute_in": [nights.pk], "dry_run": "on"})
    route = Route.objects.get()
    assert list(route.mute_in.all()) == [nights]
    assert route.dry_run
