from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied

from routing import rulesets
from routing.models import AuditEntry, RuleFile, Ruleset
from routing.rulesets import RulesetError
from tests.build import NOW

pytestmark = pytest.mark.django_db

GOOD = """\
- rule: Shell
  desc: A shell.
  condition: evt.type = execve and proc.name = bash
  output: Shell (user=%user.name)
  priority: NOTICE
"""
TYPO = GOOD.replace("proc.name = bash", "proc.nmae = bash")
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The product's own rules, two files."""
    (tmp_path / "10-base.yaml").write_text(GOOD)
    (tmp_path / "20-more.yaml").write_text(GOOD.replace("rule: Shell", "rule: Another shell"))
    return tmp_path


def test_a_typo_is_shown_with_its_place_a_caret_and_a_guess():
    report = rulesets.check([("custom.yaml", TYPO)])
    [error] = report.errors
    assert not report.ok
    assert (error.file, error.line, error.column) == ("custom.yaml", 3, TYPO.splitlines()[2].index("proc.nmae") + 1)
    line, caret = error.snippet.splitlines()
    assert "proc.nmae = bash" in line
    assert line[caret.index("^") : caret.rindex("^") + 1] == "proc.nmae"
    assert "proc.name" in error.hint
    assert report.as_json()["errors"][0]["line"] == 3


def test_a_file_with_a_typo_is_kept_as_a_draft_and_not_published(erin):
    rulesets.save("custom.yaml", GOOD, erin, NOW)
    first = rulesets.publish(erin, NOW, "first")
    rulesets.save("custom.yaml", TYPO, erin, LATER)
    with pytest.raises(RulesetError, match=r"1 error.*custom\.yaml at 3:") as caught:
        rulesets.publish(erin, LATER)
    assert caught.value.report.errors[0].hint
    assert rulesets.latest() == first
    assert RuleFile.objects.get().text == TYPO


def test_publishing_numbers_the_enabled_files_in_order_and_never_changes_them(erin):
    rulesets.save("b.yaml", GOOD, erin, NOW)
    rulesets.save("a.yaml", GOOD.replace("Shell", "Another"), erin, NOW)
    rulesets.save("off.yaml", TYPO, erin, NOW)
    rulesets.enable(RuleFile.objects.get(name="off.yaml"), False, erin, NOW)
    first = rulesets.publish(erin, NOW, "first")
    assert (first.number, first.rule_count, first.published_by, first.comment) == (1, 2, erin, "first")
    assert [file["name"] for file in first.files] == ["b.yaml", "a.yaml"]
    rulesets.save("b.yaml", GOOD.replace("NOTICE", "ERROR"), erin, LATER)
    assert rulesets.publish(erin, LATER).number == 2
    first.refresh_from_db()
    assert first.files[0]["text"] == GOOD


def test_the_same_files_are_not_published_twice(erin):
    rulesets.save("a.yaml", GOOD, erin, NOW)
    rulesets.publish(erin, NOW)
    with pytest.raises(RulesetError, match="ruleset 1 is the same"):
        rulesets.publish(erin, LATER)


def test_a_sensor_gets_only_what_it_does_not_have(erin):
    assert rulesets.latest() is None
    rulesets.save("a.yaml", GOOD, erin, NOW)
    published = rulesets.publish(erin, NOW)
    assert rulesets.latest(have=0) == published
    assert rulesets.latest(have=1) is None


def test_saving_over_somebody_elses_save_is_refused(erin, alice):
    seen = rulesets.save("a.yaml", GOOD, erin, NOW).updated_at
    rulesets.save("a.yaml", GOOD + "\n", alice, LATER, based_on=seen)
    with pytest.raises(RulesetError, match="alice saved this file since"):
        rulesets.save("a.yaml", TYPO, erin, LATER, based_on=seen)
    assert RuleFile.objects.get().text == GOOD + "\n"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [("", GOOD, "name"), ("x/y.yaml", GOOD, "slash"), ("a.yaml", "x" * (rulesets.LONGEST_FILE + 1), "Split it")],
)
def test_a_file_that_cannot_be_kept_is_refused(erin, name, text, why):
    with pytest.raises(RulesetError, match=why):
        rulesets.save(name, text, erin, NOW)


def test_a_responder_changes_no_rules(bob, erin):
    file = rulesets.save("a.yaml", GOOD, erin, NOW)
    for attempt in (
        lambda: rulesets.save("a.yaml", TYPO, bob, NOW),
        lambda: rulesets.enable(file, False, bob, NOW),
        lambda: rulesets.publish(bob, NOW),
    ):
        with pytest.raises(PermissionDenied, match="Editor"):
            attempt()


def test_every_change_is_remembered(erin):
    file = rulesets.save("a.yaml", GOOD, erin, NOW, ip="10.0.0.9")
    rulesets.enable(file, False, erin, NOW)
    rulesets.enable(file, False, erin, NOW)
    rulesets.enable(file, True, erin, NOW)
    rulesets.publish(erin, NOW, "why not")
    entries = AuditEntry.objects.order_by("id")
    assert [entry.verb for entry in entries] == ["edit", "disable", "enable", "publish"]
    assert entries[0].after == {"text": GOOD}
    assert entries[0].address == "10.0.0.9"


def test_checking_one_file_sees_it_among_the_others(erin):
    rulesets.save("macros.yaml", "- macro: is_bash\n  condition: proc.name = bash\n", erin, NOW)
    using = GOOD.replace("proc.name = bash", "is_bash")
    assert rulesets.check_with("rules.yaml", using).ok
    rulesets.save("rules.yaml", using, erin, NOW)
    assert not rulesets.check_with("macros.yaml", "- macro: is_bash\n  condition: proc.nmae = bash\n").ok


def test_the_products_own_rules_are_published_once(shipped):
    first = rulesets.install_defaults(NOW, shipped)
    assert (first.number, first.rule_count, first.published_by) == (1, 2, None)
    assert rulesets.install_defaults(LATER, shipped) is None
    assert Ruleset.objects.count() == 1


def test_an_upgrade_replaces_what_nobody_edited_and_keeps_what_somebody_did(shipped, erin):
    rulesets.install_defaults(NOW, shipped)
    mine = GOOD.replace("bash", "zsh")
    rulesets.save("10-base.yaml", mine, erin, NOW)
    rulesets.publish(erin, NOW)
    for path in shipped.iterdir():
        path.write_text(path.read_text().replace("NOTICE", "ERROR"))
    upgraded = rulesets.install_defaults(LATER, shipped)
    assert upgraded.number == 3
    texts = {file["name"]: file["text"] for file in upgraded.files}
    assert texts["10-base.yaml"] == mine
    assert "ERROR" in texts["20-more.yaml"]


def test_an_upgrade_does_not_publish_somebodys_draft(shipped, erin):
    rulesets.install_defaults(NOW, shipped)
    rulesets.save("10-base.yaml", TYPO, erin, NOW)
    (shipped / "30-new.yaml").write_text(GOOD.replace("rule: Shell", "rule: Third"))
    assert rulesets.install_defaults(LATER, shipped) is None
    assert rulesets.latest().number == 1
    assert RuleFile.objects.filter(name="30-new.yaml").exists()


def test_the_rules_that_are_shipped_have_no_errors():
    files = [(path.name, path.read_text()) for path in sorted(rulesets.DEFAULTS.glob("*.yaml"))]
    report = rulesets.check(files)
    assert report.errors == ()
    assert report.rule_count > 0
