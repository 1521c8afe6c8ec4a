"""Somebody adds a sink by doing what docs/sinks.md says, word by word, in a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8").partition("## Add a sink in one file\n")[2]
SOURCE = re.search(r"^```python\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
AS_TEXT = re.search(r"^ +```python\n +(.*?)\n +```", GUIDE, re.DOTALL | re.MULTILINE)
GOLDEN = re.search(r"^ +```json\n +(.*?)\n +```", GUIDE, re.DOTALL | re.MULTILINE)
CASES = 46
"""That the suites have for a kind that speaks HTTP, at least."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project with the page's example in it, and a second one that sends text."""
    assert SOURCE
    assert AS_TEXT
    assert GOLDEN
    here = tmp_path / "project"
    here.mkdir()
    for folder in ("docs", "routing", "sensor", "sensorapp", "templates", "tests"):
        shutil.copytree(ROOT / folder, here / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("manage.py", "pyproject.toml"):
        shutil.copy(ROOT / file, here)
    as_text = re.sub(r"return self\.post\(.*", AS_TEXT[1], SOURCE[1])
    ntfy = as_text.replace("example", "ntfy").replace("Example", "Ntfy")
    for name, source in (("example", SOURCE[1]), ("ntfy", ntfy)):
        (here / "routing" / "sinks" / f"{name}.py").write_text(source, encoding="utf-8")
        (here / "tests" / "fixtures" / "sinks" / f"{name}.json").write_text(GOLDEN[1], encoding="utf-8")
    return here


def run(folder: Path, *arguments: str) -> str:
    # Of the pytest around this one the one inside must not know.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def suite(folder: Path, *arguments: str) -> int:
    """How many tests passed."""
    said = run(folder, "pytest", "-q", "tests/routing/sinks", "tests/contract", *arguments)
    passed = re.search(r"(\d+) passed", said)
    return int(passed[1]) if passed else 0


@pytest.mark.slow
def test_one_file_and_one_golden_file_make_a_sink_that_every_suite_tries(copy: Path) -> None:
    wrote = run(copy, "tests.contract")
    page = (copy / "docs" / "sinks.md").read_text(encoding="utf-8")
    for name, label in (("example", "Example"), ("ntfy", "Ntfy")):
        assert f"{name}.json: wrote firing, resolved, test" in wrote
        assert f"## {label}\n\nPosts a line of text.\n\n<!-- options: {name} -->\n| option |" in page
    line = "!Warning: Read sensitive file on node-7 (and 1 more)"
    golden = {
        name: json.loads((copy / f"tests/fixtures/sinks/{name}.json").read_text()) for name in ("example", "ntfy")
    }
    assert (golden["example"]["firing"], golden["ntfy"]["firing"]) == ({"text": line}, line)
    assert suite(copy, "-k", "example or ntfy or pages") >= 2 * CASES
