import re

import pytest

from routing.sinks.cef import line
from sensor.alert import Priority
from tests.routing.sinks import samples

PAIR = re.compile(r"(\w+)=((?:[^\\=]|\\.)*?)(?= \w+=|$)")


def test_a_rule_cannot_add_a_header_field() -> None:
    found = line(samples.alert(rule="a|b\\c\nd"), 8000)
    assert found.startswith("CEF:0|sensorapp|sensorapp|1|a\\|b\\\\c d|a\\|b\\\\c d|5|")


def test_a_value_cannot_add_a_pair_or_a_line() -> None:
    alert = samples.alert(output="x suser=admin\r\nCEF:0|\\", output_fields={"user.name": "carol"})
    found = line(alert, 8000)
    assert "\n" not in found
    pairs = dict(PAIR.findall(found.split("|5|")[1]))
    assert pairs["suser"] == "carol"
    assert pairs["msg"] == "x suser\\=admin\\r\\nCEF:0|\\\\"


def test_every_custom_field_has_its_label() -> None:
    found = line(samples.alert(), 8000)
    pairs = dict(PAIR.findall(found.split("|5|")[1]))
    assert {pairs[f"cs{n}Label"]: pairs[f"cs{n}"] for n in (1, 2, 3, 4)} == {
        "Container": "shop",
        "Namespace": "prod",
        "Pod": "shop-5d8",
        "CommandLine": "cat /etc/shadow",
    }


@pytest.mark.parametrize("most", [1300, 2000, 8000])
def test_a_line_stays_below_its_limit_and_whole(most: int) -> None:
    found = line(samples.enormous().newest, most)
    assert len(found.encode()) <= most
    assert found.count("cs4Label=") == found.count("cs4=")


def test_what_is_not_known_is_left_out() -> None:
    found = line(samples.alert(output_fields={"proc.name": "<NA>", "fd.name": None}, hostname=""), 8000)
    assert "<NA>" not in found
    assert "filePath" not in found
    assert "dvchost" not in found


@pytest.mark.parametrize("priority", Priority)
def test_severity_is_between_one_and_ten(priority: Priority) -> None:
    assert 1 <= int(line(samples.alert(priority=priority), 8000).split("|")[6]) <= 10
