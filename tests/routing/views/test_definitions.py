"""The pages of windows, inhibitions, time intervals and lookup tables."""

from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from routing.lookups import digest_of
from routing.models import AuditEntry, Inhibition, Lookup, MaintenanceWindow, TimeInterval
from tests import build
from tests.routing.views.conftest import Page

VALID: dict[str, dict[str, Any]] = {
    "windows": {"name": "move", "condition": "alert.hostname = db-1", "ends_at": "2h", "enabled": "on"},
    "inhibitions": {"name": "lost", "source": "alert.rule = Lost", "target": "alert.priority > error", "enabled": "on"},
    "intervals": {"name": "nights", "weekdays": ["monday"], "times": "22:00-06:00", "location": "Europe/Berlin"},
    "lookups": {"name": "teams", "text": "k8s.ns.name,team\nshop,payments\n"},
}
MODELS = {"windows": MaintenanceWindow, "inhibitions": Inhibition, "intervals": TimeInterval, "lookups": Lookup}


def said(answer) -> str:
    """The page without its frame, as one line of text."""
    return " ".join(Page(answer.content.decode()).all("main")[0].text.split())


@pytest.mark.parametrize("family", VALID)
def test_one_is_made_changed_and_deleted_and_all_of_it_is_remembered(family: str, as_user, erin) -> None:
    client, model = as_user(erin), MODELS[family]
    assert client.post(f"/{family}/new/", VALID[family]).url == f"/{family}/"
    row = model._default_manager.get()
    assert VALID[family]["name"] in said(client.get(f"/{family}/"))
    client.post(f"/{family}/{row.pk}/", {**VALID[family], "name": "renamed"})
    row.refresh_from_db()
    assert str(row) == "renamed"
    client.post(f"/{family}/{row.pk}/delete/")
    assert not model._default_manager.exists()
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True)) == ["create", "edit", "delete"]


@pytest.mark.parametrize(
    ("family", "changed", "words"),
    [
        ("windows", {"condition": "alert.rul = x"}, "did you mean alert.rule?"),
        ("windows", {"ends_at": ""}, "A window needs an end, or an interval"),
        ("windows", {"starts_at": "3h"}, "must end after it starts"),
        ("inhibitions", {"target": ""}, "This field is required"),
        ("inhibitions", {"equal": "alert.hostnam"}, "alert.hostnam is not a field"),
        ("intervals", {"weekdays": [], "times": "", "location": ""}, "Say when it holds"),
        ("intervals", {"times": "9-17"}, "is not a time from 00:00 to 24:00"),
        ("intervals", {"location": "Mars"}, "'Mars' is not a zone"),
        ("intervals", {"spec": "{"}, "This is not JSON"),
        ("lookups", {"text": "k8s.ns.name,team\nshop\nblog,web,more\n"}, "Line 2: 1 cells"),
        ("lookups", {"name": "Teams!"}, "is not a name"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_entered_is_lost(
    family: str, changed: dict[str, Any], words: str, as_user, erin
) -> None:
    answer = as_user(erin).post(f"/{family}/new/", {**VALID[family], **changed})
    assert words in unescape(answer.content.decode())
    assert not MODELS[family]._default_manager.exists()
    form = answer.context["form"]
    for name, value in {**VALID[family], **changed}.items():
        assert form[name].value() == (True if value == "on" else value)


def test_every_wrong_line_of_a_table_is_said(as_user, erin) -> None:
    answer = as_user(erin).post("/lookups/new/", {**VALID["lookups"], "text": "k8s.ns.name,team\na\nb,c\nb,d\n"})
    text = said(answer)
    assert "Line 2: 1 cells" in text
    assert "Line 4: 'b' was there before" in text


def test_a_table_is_uploaded_and_a_wrong_one_stays_in_the_form(as_user, erin) -> None:
    client = as_user(erin)
    wrong = SimpleUploadedFile("t.csv", b"\xef\xbb\xbfk8s.ns.name,team\nshop\n")
    answer = client.post("/lookups/new/", {"name": "teams", "file": wrong})
    assert "Line 2" in said(answer)
    assert "shop" in Page(answer.content.decode()).all("textarea")[0].text
    client.post("/lookups/new/", {"name": "teams", "file": SimpleUploadedFile("t.csv", b"k8s.ns.name,team\na,b\n")})
    assert Lookup.objects.get().text == "k8s.ns.name,team\na,b\n"
    for content, words in ((b"\xff\xfe", "no text in UTF-8"), (b"x" * (1024 * 1024 + 1), "larger than 1024 KiB")):
        answer = client.post("/lookups/new/", {"name": "other", "file": SimpleUploadedFile("t.csv", content)})
        assert words in said(answer)


def test_what_is_still_used_is_not_deleted(as_user, erin) -> None:
    nights = TimeInterval.objects.create(name="nights", spec=[{"weekdays": ["monday"]}])
    build.route(name="Mail").mute_in.add(nights)
    text = VALID["lookups"]["text"]
    table = Lookup.objects.create(name="teams", text=text, digest=digest_of(text))
    build.route(name="Shop", condition="alert.lookup[teams.team] = x")
    client = as_user(erin)
    for path, user in ((f"/intervals/{nights.pk}/", "the route Mail"), (f"/lookups/{table.pk}/", "the route Shop")):
        assert f"still used by {user}" in said(client.get(path))
        assert f"still used by {user}" in said(client.post(f"{path}delete/", follow=True))
    assert TimeInterval.objects.exists()
    assert Lookup.objects.exists()


@pytest.mark.parametrize(
    "spec",
    [
        [{"weekdays": ["monday", "tuesday"], "times": [{"start_time": "09:00", "end_time": "17:00"}]}],
        [{"days_of_month": ["1:7", "-1"], "months": ["january:march"], "years": ["2026"], "location": "Europe/Berlin"}],
        [{"weekdays": ["sunday"]}, {"weekdays": ["saturday"]}],
    ],
)
def test_a_stored_interval_is_stored_the_same_from_its_own_form(spec: list[dict[str, Any]], as_user, erin) -> None:
    row = TimeInterval.objects.create(name="i", spec=spec)
    client = as_user(erin)
    form = client.get(f"/intervals/{row.pk}/").context["form"]
    client.post(f"/intervals/{row.pk}/", {name: form[name].value() or "" for name in form.fields})
    row.refresh_from_db()
    assert row.spec == spec


def test_days_of_a_range_are_ticked_and_times_over_midnight_are_two(as_user, erin) -> None:
    client = as_user(erin)
    row = TimeInterval.objects.create(name="i", spec=[{"weekdays": ["monday:wednesday"]}])
    assert client.get(f"/intervals/{row.pk}/").context["form"]["weekdays"].value() == ["monday", "tuesday", "wednesday"]
    client.post("/intervals/new/", VALID["intervals"])
    (entry,) = TimeInterval.objects.get(name="nights").spec
    assert [(one["start_time"], one["end_time"]) for one in entry["times"]] == [("22:00", "24:00"), ("00:00", "06:00")]


def test_a_window_shows_what_it_would_hide_and_stores_nothing(as_user, erin) -> None:
    build.alert(hostname="db-1", time=timezone.now())
    client = as_user(erin)
    answer = client.post("/windows/new/", {**VALID["windows"], "preview": "1"}, HTTP_HX_REQUEST="true")
    assert "<strong>1</strong> of the 1 alerts of the last 24 h" in " ".join(answer.content.decode().split())
    assert not MaintenanceWindow.objects.exists()


def test_a_recurring_window_is_made_and_shown_as_it_was_entered(as_user, erin) -> None:
    nights = TimeInterval.objects.create(name="nights", spec=[{"weekdays": ["monday"]}])
    client = as_user(erin)
    client.post("/windows/new/", {**VALID["windows"], "interval": nights.pk, "ends_at": "2030-01-01 10:00"})
    window = MaintenanceWindow.objects.get()
    assert window.interval == nights
    form = client.get(f"/windows/{window.pk}/").context["form"]
    assert (form["interval"].value(), form["ends_at"].value()) == (nights.pk, "2030-01-01 10:00")
    assert "Whenever nights holds, until 2030-01-01 10:00 UTC" in said(client.get("/windows/"))


def test_a_viewer_sees_the_lists_without_a_way_to_change_them(as_user, carol, world) -> None:
    for family in VALID:
        hrefs = [
            a.attributes.get("href", "") for a in Page(as_user(carol).get(f"/{family}/").content.decode()).all("a")
        ]
        assert f"/{family}/new/" not in hrefs
        assert not [href for href in hrefs if href.startswith(f"/{family}/") and href != f"/{family}/"]
