"""Silences: their form, the preview, and ending them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from routing.models import GroupedAlert, Silence
from tests import build

NEW = {"condition": "alert.rule = Read", "comment": "Rebuild", "starts_at": "", "lasts": "2h"}


def test_a_silence_is_stored_with_its_author_and_reason(as_user, bob) -> None:
    assert as_user(bob).post("/silences/new/", NEW).url == "/silences/"
    silence = Silence.objects.get()
    assert (silence.author, silence.comment) == (bob, "Rebuild")
    assert silence.ends_at - silence.starts_at == timedelta(hours=2)


def test_a_preview_counts_and_stores_nothing(as_user, bob) -> None:
    now = timezone.now()
    group = build.group(build.route())
    for rule in ("Read", "Read", "Shell"):
        GroupedAlert.objects.create(group=group, alert=build.alert(rule=rule, time=now), routed_at=now, route_version=1)
    build.alert(rule="Read", time=now - timedelta(days=2))
    answer = as_user(bob).post("/silences/new/", {**NEW, "preview": "1"}, HTTP_HX_REQUEST="true")
    text = " ".join(answer.content.decode().split())
    assert "<strong>2</strong> of the 3 alerts of the last 24 h" in text
    assert "<strong>0</strong> groups firing now" in text
    assert not Silence.objects.exists()


def test_a_preview_warns_where_everything_would_be_hidden(as_user, bob) -> None:
    build.alert(rule="Read", time=timezone.now())
    answer = as_user(bob).post("/silences/new/", {**NEW, "preview": "1"}, HTTP_HX_REQUEST="true")
    assert "That is every alert" in answer.content.decode()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"condition": "alert.rul = x"}, "did you mean alert.rule?"),
        ({"condition": ""}, "This field is required"),
        ({"comment": ""}, "This field is required"),
        ({"lasts": "forever"}, "is not a length of time"),
        ({"lasts": "100d"}, "At most 90 days"),
        ({"starts_at": "2020-01-01"}, "must end after it starts"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_stored(changed: dict[str, str], said: str, as_user, bob) -> None:
    answer = as_user(bob).post("/silences/new/", {**NEW, **changed})
    assert said in answer.content.decode()
    assert not Silence.objects.exists()


def test_a_silence_can_start_later(as_user, bob) -> None:
    as_user(bob).post("/silences/new/", {**NEW, "starts_at": "3h"})
    assert Silence.objects.get().starts_at > timezone.now() + timedelta(hours=2)
    assert "Rebuild" in as_user(bob).get("/silences/?state=scheduled").content.decode()


def test_extending_and_ending(as_user, bob) -> None:
    client = as_user(bob)
    client.post("/silences/new/", NEW)
    silence = Silence.objects.get()
    before = silence.ends_at
    client.post(f"/silences/{silence.pk}/extend/", {"hours": "4"})
    silence.refresh_from_db()
    assert silence.ends_at - before == timedelta(hours=4)
    client.post(f"/silences/{silence.pk}/end/")
    answer = client.post(f"/silences/{silence.pk}/end/", follow=True)
    assert "has ended already" in answer.content.decode()
    assert "Rebuild" in client.get("/silences/?state=expired").content.decode()


def test_the_filters_of_the_list_become_the_condition(as_user, bob) -> None:
    query = {"q": "proc.name = a or proc.name = b", "rule": "Read it", "hostname": "node-1", "at_least": "error"}
    form = as_user(bob).get("/silences/new/", query).context["form"]
    assert form.initial["condition"] == (
        '(proc.name = a or proc.name = b) and alert.rule = "Read it" and alert.hostname = node-1 '
        "and alert.priority >= error"
    )


def test_another_silence_starts_from_all_that_an_earlier_one_said(as_user, bob) -> None:
    client = as_user(bob)
    client.post("/silences/new/", NEW)
    silence = Silence.objects.get()
    assert f"/silences/new/?silence={silence.pk}" in client.get("/silences/").content.decode()
    form = client.get(f"/silences/new/?silence={silence.pk}").context["form"]
    assert form.initial == {"condition": "alert.rule = Read", "comment": "Rebuild", "lasts": 7200}
    assert client.get("/silences/new/?silence=999").status_code == 404


def test_a_silence_that_ends_soon_is_pointed_out(as_user, bob) -> None:
    client = as_user(bob)
    client.post("/silences/new/", {**NEW, "lasts": "2h"})
    assert "ends soon" not in client.get("/silences/").content.decode()
    client.post("/silences/new/", {**NEW, "lasts": "59min"})
    assert "ends soon" in client.get("/silences/").content.decode()


@pytest.mark.parametrize(("condition", "held"), [("alert.rule = Noisy", True), ("alert.rule = Other", False)])
def test_an_alert_and_its_group_say_who_silences_them_and_why(condition: str, held: bool, as_user, bob, carol) -> None:
    alert, group = build.alert(rule="Noisy"), build.group(build.route())
    GroupedAlert.objects.create(group=group, alert=alert, routed_at=build.NOW, route_version=1)
    now = timezone.now()
    times = {"starts_at": now, "created_at": now, "ends_at": now + timedelta(hours=4)}
    Silence.objects.create(condition=condition, author=bob, comment="known deploy", **times)
    for path in (f"/alerts/{alert.uuid}/", f"/groups/{group.pk}/"):
        text = as_user(carol).get(path).content.decode()
        assert ("Silenced by bob until" in text) is held
        assert ("known deploy" in text) is held


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        # Without brackets the host would hold for the last part only.
        ("q=proc.name=a or(proc.name=b)&hostname=n1", "(proc.name=a or(proc.name=b)) and alert.hostname = n1"),
        ("q=proc.name=a", "(proc.name=a)"),
        ("rule=A b&at_least=error", 'alert.rule = "A b" and alert.priority >= error'),
        ("priority=error", "alert.priority = error"),
        ("", ""),
    ],
)
def test_a_silence_of_a_filtered_list_is_as_narrow_as_the_list(query: str, condition: str, as_user, bob) -> None:
    answer = as_user(bob).get(f"/silences/new/?{query}")
    assert answer.context["form"].initial["condition"] == condition
    assert "No condition is suggested" not in answer.content.decode()


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (
            "q=proc.name = a) or (proc.pid = 1&hostname=n1",
            "The condition of the list cannot be read. Line 1, column 14",
        ),
        ("q=proc.nmae = a&hostname=n1", "did you mean proc.name?"),
        ("priority=loud&hostname=n1", "A condition cannot say this"),
    ],
)
def test_where_a_filter_cannot_be_said_no_condition_is_suggested(query: str, why: str, as_user, bob) -> None:
    answer = as_user(bob).get(f"/silences/new/?{query}")
    assert answer.context["form"].initial["condition"] == ""
    assert "No condition is suggested" in answer.content.decode()
    assert why in answer.content.decode()
