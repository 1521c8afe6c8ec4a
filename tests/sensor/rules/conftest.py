"""Says at the end how many conformance vectors of each file passed."""

import pytest

from tests.sensor.rules import vectors


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each file of vectors; nothing where the vectors were not run in this process."""
    for name, number in sorted(vectors.PASSED.items()):
        terminalreporter.write_line(f"conformance {name}: {number} passed")
