"""The words around an alert's text."""

import pytest

from sensor.alert import Priority, without_prefix
from sensor.wording import prefixed


@pytest.mark.parametrize("priority", Priority)
def test_the_prefix_a_sensor_adds_is_taken_off(priority: Priority) -> None:
    assert without_prefix(prefixed(1_795_479_552_492_978_636, priority, "A shell (user=root)")) == "A shell (user=root)"


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("2026-11-24T00:19:12.492978636+0000: Warning A shell", "A shell"),
        ("00:19:12.492978636: Warning 00:19:12.492978636: Warning twice", "00:19:12.492978636: Warning twice"),
        ("A shell at 00:19:12.492978636: Warning given", "A shell at 00:19:12.492978636: Warning given"),
        ("00:19:12.4929: Warning too short a time", "00:19:12.4929: Warning too short a time"),
        ("00:19:12.492978636: Severe no such priority", "00:19:12.492978636: Severe no such priority"),
        ("00:19:12.492978636: Notice line one\nline two", "line one\nline two"),
        ("", ""),
    ],
)
def test_only_a_whole_prefix_in_front_is_taken_off(output: str, text: str) -> None:
    assert without_prefix(output) == text
