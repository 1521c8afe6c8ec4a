"""The command line as a person or a supervisor meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sensor.cli import USAGE, found_commands, main

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "sensor" / "demo" / "events.jsonl"
RULE = """
- rule: Secret opened
  desc: A test.
  condition: evt.type = openat and fd.name = /secret
  output: opened (file=%fd.name)
  priority: WARNING
"""
EVENT = {"evt.type": "openat", "evt.time": 1795435200000000001, "fd.name": "/secret", "proc.pid": 7}


@pytest.fixture
def rules(tmp_path: Path) -> str:
    file = tmp_path / "rules.yaml"
    file.write_text(RULE)
    return str(file)


@pytest.fixture
def events(tmp_path: Path) -> str:
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(EVENT) + "\n")
    return str(file)


def sensor(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sensor", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_command_explains_itself() -> None:
    assert {"run", "check", "replay", "doctor", "probes", "fields"} <= set(found_commands())
    for module in found_commands().values():
        assert module.__doc__


def test_check_accepts_right_rules(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", rules]) == 0
    assert "Ok" in capsys.readouterr().out


def test_check_shows_where_a_rule_is_wrong(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(rules).write_text(RULE.replace("fd.name =", "fd.nmae ="))
    assert main(["check", rules]) == 1
    shown = capsys.readouterr().out
    assert "rules.yaml:4:36" in shown
    assert "^^^^^^^" in shown
    assert "fd.name" in shown


def test_check_prints_the_result_as_json(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", rules]) == 0
    assert json.loads(capsys.readouterr().out)["falco_load_results"][0]["successful"] is True


def test_check_judges_a_single_condition(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--condition", "evt.type = open"]) == 0
    assert main(["check", "--condition", "evt.typ = open"]) == 1
    assert "did you mean evt.type?" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["check"], ["check", "/nowhere.yaml"], ["fields", "--source", "x"], ["replay", "/nowhere.jsonl"]]
)
def test_what_cannot_be_used_is_said_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == USAGE
    assert capsys.readouterr().err.startswith("sensor: ")


def test_replay_prints_alerts_as_text_and_as_json(rules: str, events: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", events, "--rules", rules]) == 0
    assert capsys.readouterr().out == "12:00:00.000000001: Warning opened (file=/secret)\n"
    assert main(["replay", events, "--rules", rules, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rule"] == "Secret opened"


def test_fields_lists_names_types_and_meanings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fields", "proc.name"]) == 0
    assert "proc.name" in capsys.readouterr().out


def test_probes_lists_what_each_reports(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probes", "--json"]) == 0
    assert "openat" in json.loads(capsys.readouterr().out)["open"]


def test_run_without_a_server_says_what_to_set() -> None:
    ended = sensor("run", "--replay", str(DEMO))
    _, errors = ended.communicate(timeout=30)
    assert ended.returncode == USAGE
    assert "server.url is not set" in errors


def test_run_with_wrong_rules_says_where_they_are_wrong(rules: str) -> None:
    Path(rules).write_text(RULE.replace("fd.name =", "fd.nmae ="))
    ended = sensor("run", "--stdout", "--rules", rules, "--replay", str(DEMO))
    _, errors = ended.communicate(timeout=30)
    assert ended.returncode == USAGE
    assert "did you mean fd.name?" in errors


def test_run_prints_falcos_json_and_ends_with_the_recording(rules: str, events: str) -> None:
    ended = sensor("run", "--stdout", "--rules", rules, "--replay", events)
    output, errors = ended.communicate(timeout=30)
    assert ended.returncode == 0
    assert "ready" in errors.splitlines()
    alert = json.loads(output)
    assert list(alert) == ["hostname", "output", "output_fields", "priority", "rule", "source", "tags", "time"]
    assert alert["output"].endswith(": Warning opened (file=/secret)")
    assert alert["tags"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_stops_cleanly_and_soon_on_a_signal(rules: str, number: signal.Signals) -> None:
    running = sensor("run", "--stdout", "--rules", rules, "--replay", str(DEMO), "--loop")
    assert running.stderr is not None
    while running.stderr.readline().strip() != "ready":
        assert running.poll() is None
    began = time.monotonic()
    running.send_signal(number)
    running.communicate(timeout=30)
    assert running.returncode == 0
    assert time.monotonic() - began < 2.0


def test_run_ends_quietly_when_nobody_reads_any_more(rules: str, tmp_path: Path) -> None:
    many = tmp_path / "many.jsonl"
    many.write_text("".join(json.dumps({**EVENT, "evt.time": at * 1_000_000}) + "\n" for at in range(3000)))
    running = sensor("run", "--stdout", "--rules", rules, "--replay", str(many))
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    errors = running.stderr.read()
    running.stderr.close()
    assert running.wait(30) == 0
    assert "Traceback" not in errors
