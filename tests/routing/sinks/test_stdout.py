import json
import os

import pytest

from routing.sinks import stdout
from routing.sinks.base import Verdict
from routing.sinks.stdout import Stdout
from tests.routing.sinks import samples


@pytest.mark.parametrize("event", samples.EVENTS)
def test_a_message_is_the_line_in_the_fixture(capfd: pytest.CaptureFixture[str], event: str) -> None:
    assert Stdout({}).deliver(samples.message(event)).verdict is Verdict.SENT
    written = capfd.readouterr().out
    assert written.count("\n") == 1
    assert json.loads(written) == samples.golden("webhook", event)


def test_a_prefix_stays_on_the_line(capfd: pytest.CaptureFixture[str]) -> None:
    Stdout({"prefix": "\nalert: "}).deliver(samples.message())
    assert capfd.readouterr().out.startswith('alert: {"type":')


def test_the_longest_line_is_one_that_containers_keep_whole(capfd: pytest.CaptureFixture[str]) -> None:
    fields = {f"field.{number}": "\x01" for number in range(2000)}
    Stdout({"prefix": "漢" * 100}).deliver(samples.message("firing", samples.alert(output_fields=fields)))
    written = capfd.readouterr().out
    assert len(written.encode()) <= stdout.MOST_BYTES + 1
    assert json.loads(written.partition(" ")[2])


def test_an_output_that_is_closed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(stdout, "STDOUT", writing)
    try:
        outcome = Stdout({}).deliver(samples.message())
    finally:
        os.close(writing)
    assert outcome.verdict is Verdict.RETRY
    assert "cannot be written" in outcome.error
