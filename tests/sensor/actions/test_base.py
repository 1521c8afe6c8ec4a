"""Finding kinds, and letting only the allowed ones run."""

import pytest

from sensor.actions.base import allowed, found_kinds
from sensor.actions.guard import Guard
from sensor.actions.kill_process import KillProcess


def test_a_kind_is_a_file_found_by_scan() -> None:
    assert found_kinds() == {"kill_process": KillProcess}


def test_nothing_is_allowed_unless_named() -> None:
    assert allowed((), Guard()) == {}
    assert list(allowed(("kill_process",), Guard())) == ["kill_process"]


def test_an_unknown_kind_in_the_allow_list_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="kill_proces unknown; known are kill_process"):
        allowed(("kill_proces",), Guard())
