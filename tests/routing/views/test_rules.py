"""Rule files: errors where they are, drafts, and publishing."""

from types import SimpleNamespace

import pytest

from routing.models import RuleFile, Ruleset
from tests import build
from tests.routing.views.conftest import Page

GOOD = """\
- rule: Read it
  desc: d
  condition: evt.type in (open, openat) and proc.name = cat
  output: read %proc.name
  priority: WARNING
"""
BAD = GOOD.replace("proc.name = cat", "proc.nmae = cat")


def test_a_good_file_is_saved_and_published(as_user, erin) -> None:
    client = as_user(erin)
    client.post("/rules/files/new/", {"name": "own.yaml", "text": GOOD})
    assert RuleFile.objects.get().updated_by == erin
    assert "The draft is not published yet" in client.get("/rules/").content.decode()
    client.post("/rules/publish/", {"comment": "First"})
    ruleset = Ruleset.objects.get()
    assert (ruleset.number, ruleset.rule_count, ruleset.comment) == (1, 1, "First")
    assert "Publish" not in [b.text for b in Page(client.get("/rules/").content.decode()).all("button")]
    assert "Nothing to publish" in client.post("/rules/publish/", follow=True).content.decode()


def test_a_check_points_at_the_mistake_and_saves_nothing(as_user, erin) -> None:
    answer = as_user(erin).post(
        "/rules/files/new/", {"name": "own.yaml", "text": BAD, "check": "1"}, HTTP_HX_REQUEST="true"
    )
    text = answer.content.decode()
    caret = Page(text).all("pre")[0].text
    assert "own.yaml:3:43" in text or "own.yaml:3:" in text
    assert "proc.nmae = cat" in caret
    assert "^^^^^^^^^" in caret
    assert "proc.name" in caret
    assert not RuleFile.objects.exists()


def test_a_file_with_an_error_is_a_draft_that_cannot_be_published(as_user, erin) -> None:
    client = as_user(erin)
    answer = client.post("/rules/files/new/", {"name": "own.yaml", "text": BAD}, follow=True)
    assert "saved as a draft" in answer.content.decode()
    assert "1 error" in client.get("/rules/").content.decode()
    assert "Not published" in client.post("/rules/publish/", follow=True).content.decode()
    assert not Ruleset.objects.exists()


def test_who_saves_second_is_told_and_loses_no_text(as_user, erin, alice, world: SimpleNamespace) -> None:
    address = f"/rules/files/{world.file.pk}/"
    opened = as_user(erin).get(address).context["form"].initial["based_on"]
    as_user(alice).post(address, {"text": GOOD, "based_on": opened})
    answer = as_user(erin).post(address, {"text": GOOD.replace("Read it", "Mine"), "based_on": opened})
    assert "alice saved this file since you opened it" in answer.content.decode()
    assert "rule: Mine" in answer.content.decode()
    world.file.refresh_from_db()
    assert world.file.text == GOOD


def test_a_second_file_of_the_same_name_is_refused(as_user, erin, world: SimpleNamespace) -> None:
    answer = as_user(erin).post("/rules/files/new/", {"name": "own.yaml", "text": GOOD})
    assert "A file of this name exists already" in answer.content.decode()
    world.file.refresh_from_db()
    assert world.file.text != GOOD


def test_a_file_left_out_is_not_published(as_user, erin, world: SimpleNamespace) -> None:
    client = as_user(erin)
    client.post(f"/rules/files/{world.file.pk}/enable/", {"enabled": "no"})
    world.file.refresh_from_db()
    assert world.file.enabled is False
    client.post(f"/rules/files/{world.file.pk}/enable/", {"enabled": "yes"})
    world.file.refresh_from_db()
    assert world.file.enabled is True


def test_a_viewer_reads_a_file_but_cannot_save_it(as_user, carol, world: SimpleNamespace) -> None:
    client, address = as_user(carol), f"/rules/files/{world.file.pk}/"
    assert Page(client.get(address).content.decode()).all("textarea") == []
    assert client.post(address, {"text": GOOD}).status_code == 403


@pytest.mark.usefixtures("world")
def test_a_ruleset_says_which_sensors_run_it(as_user, carol) -> None:
    build.sensor(name="web-1", hostname="web-1", ruleset=1)
    client = as_user(carol)
    assert client.get("/rules/").context["rulesets"][0]["sensors"] == 1
    assert "web-1" in client.get("/rules/sets/1/").content.decode()
