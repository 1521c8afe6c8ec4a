"""Which rules are in force."""

from pathlib import Path
from typing import Any

import pytest

from sensor.config import ConfigError
from sensor.rulefeed import RuleFeed, RulesetRefused, compiled, read_files

RULE = """
- rule: {name}
  desc: A test.
  condition: evt.type = openat
  output: opened
  priority: WARNING
"""


def published(number: int, *names: str) -> dict[str, Any]:
    files = [{"name": f"{name}.yaml", "text": RULE.format(name=name)} for name in names]
    return {"number": number, "files": files}


@pytest.fixture
def feed(tmp_path: Path) -> RuleFeed:
    return RuleFeed(("pull",), tmp_path / "ruleset.json")


def test_a_directory_stands_for_its_yaml_files_in_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "notes.txt"):
        (tmp_path / name).write_text(RULE.format(name=name))
    assert [Path(file.name).name for file in read_files([str(tmp_path)])] == ["a.yml", "b.yaml"]


@pytest.mark.parametrize("name", ["missing.yaml", "empty"])
def test_files_that_are_not_there_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=name):
        read_files([str(tmp_path / name)])


def test_all_errors_are_told_but_not_a_screenful(tmp_path: Path) -> None:
    wrong = "".join(RULE.format(name=number).replace("evt.type", "evt.typo") for number in range(9))
    (tmp_path / "a.yaml").write_text(wrong)
    with pytest.raises(RulesetRefused) as refusal:
        compiled(read_files([str(tmp_path)]))
    assert str(refusal.value).count("nonexistent field") == 5
    assert "and 4 more" in str(refusal.value)


def test_before_the_first_pull_the_rules_that_come_with_the_sensor_are_used(feed: RuleFeed) -> None:
    assert feed.initial().rule("Read sensitive file")
    assert feed.number == 0
    assert feed.wants(1)


def test_a_good_ruleset_is_kept_for_the_next_start(feed: RuleFeed, tmp_path: Path) -> None:
    assert feed.accept(published(3, "mine")).rule("mine")
    again = RuleFeed(("pull",), tmp_path / "ruleset.json")
    assert again.initial().rule("mine")
    assert again.number == 3
    assert not again.wants(3)
    assert (tmp_path / "ruleset.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "document",
    [
        None,
        {"number": "four", "files": []},
        {"number": 4, "files": [{"name": "a.yaml", "text": RULE.format(name="x").replace("evt.type", "evt.typo")}]},
    ],
)
def test_a_bad_ruleset_changes_nothing(feed: RuleFeed, tmp_path: Path, document: object) -> None:
    feed.accept(published(3, "mine"))
    with pytest.raises(RulesetRefused):
        feed.accept(document)
    assert feed.number == 3
    again = RuleFeed(("pull",), tmp_path / "ruleset.json")
    assert again.initial().rule("mine")


def test_a_refused_number_is_not_asked_for_again_but_the_next_one_is(feed: RuleFeed) -> None:
    wrong = published(4, "mine")
    wrong["files"][0]["text"] = "- rule: incomplete"
    with pytest.raises(RulesetRefused):
        feed.accept(wrong)
    assert not feed.wants(4)
    assert feed.wants(5)


def test_a_saved_copy_that_is_damaged_is_not_used(feed: RuleFeed, tmp_path: Path) -> None:
    (tmp_path / "ruleset.json").write_text('{"number": 3, "fil')
    assert feed.initial().rule("Read sensitive file")
    assert feed.number == 0


def test_a_disk_that_cannot_keep_the_copy_does_not_stop_the_rules(tmp_path: Path) -> None:
    feed = RuleFeed(("pull",), tmp_path / "no-such-folder" / "ruleset.json")
    assert feed.accept(published(3, "mine")).rule("mine")
    assert feed.number == 3


def test_local_files_are_never_replaced_by_the_server(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(RULE.format(name="local"))
    feed = RuleFeed((str(tmp_path),), tmp_path / "ruleset.json")
    assert feed.initial().rule("local")
    assert not feed.wants(7)
