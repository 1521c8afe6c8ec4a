from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from routing.models import Route

pytestmark = pytest.mark.django_db
ROUTE = "routes: [{name: a route, group_wait: 5}]\n"


def manage(*arguments: str) -> tuple[str, int]:
    """What it printed, and how it ended."""
    out = StringIO()
    try:
        call_command("apply", *arguments, stdout=out)
    except SystemExit as ended:
        return out.getvalue(), int(ended.code or 0)
    return out.getvalue(), 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text(ROUTE, encoding="utf-8")
    return path


def test_a_file_is_applied_once_and_shows_what_it_changes(file: Path) -> None:
    printed, code = manage(str(file))
    assert printed.splitlines() == [
        "+ route a route",
        "    + name: a route",
        "    + position: 1",
        "    + group_wait: 5",
        "1 added, 0 changed, 0 deleted",
    ]
    assert (code, Route.objects.get().group_wait) == (0, 5)
    assert manage(str(file)) == ("nothing to change\n", 0)


def test_a_dry_run_changes_nothing_and_says_by_its_end_whether_there_would_be_a_change(file: Path) -> None:
    printed, code = manage(str(file), "--dry-run")
    assert printed.endswith("1 added, 0 changed, 0 deleted (dry run: nothing was)\n")
    assert code == 2
    assert not Route.objects.exists()
    manage(str(file))
    assert manage(str(file), "--dry-run") == ("nothing to change\n", 0)


def test_pruning_is_asked_for(file: Path) -> None:
    manage(str(file))
    file.write_text("routes: []\n", encoding="utf-8")
    assert manage(str(file)) == ("nothing to change\n", 0)
    assert manage(str(file), "--prune") == ("- route a route\n0 added, 0 changed, 1 deleted\n", 0)
    assert not Route.objects.exists()


def test_a_bar_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(ROUTE.encode())))
    assert manage("-")[1] == 0
    assert Route.objects.get().name == "a route"
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"rules: []\n")))
    with pytest.raises(CommandError, match="<stdin>:1:1: There is no section rules"):
        manage("-")


def test_what_cannot_be_is_told_with_its_place(file: Path) -> None:
    file.write_text("routes:\n- name: a\n  sinks: [x]\n- name: b\n  condition: alert.rul = x\n", encoding="utf-8")
    with pytest.raises(CommandError) as error:
        manage(str(file))
    lines = str(error.value).splitlines()
    assert lines[1] == f"{file}:3:3: There is no sink called 'x'."
    assert lines[2].startswith(f"{file}:5:14: ")
    assert lines[4:] == ["                 ^^^^^^^^^", "    did you mean alert.rule?"]
    assert not Route.objects.exists()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"none\.yaml cannot be read: No such file"):
        manage(str(tmp_path / "none.yaml"))
