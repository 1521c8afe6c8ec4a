"""Groups, deliveries and runs are kept for longer than the alerts they are about."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from routing import messages, resending
from routing.models import ActionRun, Alert, Delivery, GroupedAlert
from routing.sinks import base
from tests.routing.views.conftest import Page
from tests.routing.views.test_every_page import PAGES, address

GONE = ["alert"]
ABOUT_THEM = [
    "group-acknowledge",
    "group-withdraw",
    "group-comment",
    "run-deny",
    "delivery-retry",
    "delivery-discard",
    "delivery-try",
]


@pytest.fixture
def emptied(world: SimpleNamespace) -> SimpleNamespace:
    """The world after its day was dropped."""
    GroupedAlert.objects.all().delete()
    rows = Alert.objects.all()
    rows._raw_delete(rows.db)
    return world


@pytest.mark.parametrize("name", sorted(set(PAGES) - set(GONE)))
@pytest.mark.parametrize("state", ["awaiting_approval", "succeeded"])
def test_every_page_is_shown_without_the_alerts(
    name: str, state: str, as_user, alice, emptied: SimpleNamespace
) -> None:
    ActionRun.objects.update(state=state)
    answer = as_user(alice).get(address(name, emptied))
    assert answer.status_code == 200
    assert Page(answer.content.decode()).mismatched == []


@pytest.mark.parametrize("name", GONE)
def test_what_is_gone_is_not_found(name: str, as_user, alice, emptied: SimpleNamespace) -> None:
    assert as_user(alice).get(address(name, emptied)).status_code == 404


def test_a_run_says_that_its_alert_is_no_longer_kept(as_user, carol, emptied: SimpleNamespace) -> None:
    html = as_user(carol).get(f"/runs/{emptied.run.uuid}/").content.decode()
    assert "is no longer kept" in html
    assert f"/alerts/{emptied.alert.uuid}/" not in html
    assert "Kill pid 4242 (cat) on node-1" in html


def test_a_run_that_waits_is_listed_without_its_alert(as_user, carol, emptied: SimpleNamespace) -> None:
    assert "Kill pid 4242 (cat) on node-1" in as_user(carol).get("/runs/").content.decode()


@pytest.mark.parametrize("name", ABOUT_THEM)
def test_people_can_still_act_on_what_is_left(name: str, as_user, alice, emptied: SimpleNamespace) -> None:
    answer = as_user(alice).post(address(name, emptied), {"comment": "Late"}, follow=True)
    assert answer.status_code == 200


def test_a_run_can_still_be_approved(as_user, bob, emptied: SimpleNamespace) -> None:
    as_user(bob).post(f"/runs/{emptied.run.uuid}/approve/", follow=True)
    assert ActionRun.objects.get().state == "approved"


def test_a_message_sent_again_says_that_its_alerts_are_no_longer_kept(emptied: SimpleNamespace, alice) -> None:
    delivery = Delivery.objects.select_related("group", "route", "sink").get()
    assert resending.retry(delivery, alice, timezone.now() + timedelta(days=40))
    message = messages.message_for(delivery, messages.alerts_of([delivery]))
    assert isinstance(message, base.Message)
    assert "no longer kept" in message.alerts[0].output
