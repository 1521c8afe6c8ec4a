"""The compiler's process: what is said where it cannot do its work."""

import sys
from pathlib import Path

import pytest

from sensor.probes.compiling import compile_apart
from sensor.probes.errors import ProbeError


def test_a_python_that_may_not_be_run_is_a_probe_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("not executable")
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(ProbeError, match=f"cannot be started: {python}: Permission denied"):
        compile_apart(tmp_path / "common.h", [], {})
