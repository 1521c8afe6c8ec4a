"""Half a minute of what `make chaos` does for five."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.stack import ROOT


@pytest.mark.product
@pytest.mark.timeout(900)
def test_kill_9_of_any_part_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seconds", "30", "--keep", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert ended.returncode == 0, ended.stdout
