"""What every sender gets from its base."""

import dataclasses

import pytest

from routing.sinks.base import MOST_RECEIPT, Message, Outcome, Sender, Verdict
from tests.routing.sinks import samples


class Pigeon(Sender):
    kind = "pigeon"
    label = "Pigeon"

    def send(self, message: Message) -> Outcome:
        return Outcome(Verdict.SENT, response="coo")


class Carrier(Pigeon):
    package = "pigeon-feed"


def test_a_kind_without_its_package_says_what_to_install_and_sends_nothing() -> None:
    outcome = Carrier({}).deliver(samples.message())
    assert outcome.error == Carrier.missing()
    assert "Pigeon needs the Python package pigeon-feed" in outcome.error
    assert "pip install pigeon-feed" in outcome.error
    # Tried again slowly, with a warning on the sink.
    assert outcome.verdict is Verdict.CREDENTIALS
    assert (Pigeon.missing(), Pigeon({}).deliver(samples.message()).response) == ("", "coo")


@pytest.mark.parametrize("package", ["typing-extensions", "PyYAML", "python-dateutil"])
def test_a_package_that_is_there_is_not_missing_whatever_its_module_is_called(package: str) -> None:
    assert type("Fed", (Pigeon,), {"package": package}).missing() == ""


def test_a_receipt_is_passed_on_as_text_that_can_be_stored() -> None:
    class Receipts(Pigeon):
        def send(self, message: Message) -> Outcome:
            return Outcome(Verdict.SENT, receipt={"ts": "1\x00" + "2" * 999})

    receipt = Receipts({}).deliver(samples.message()).receipt
    assert receipt is not None
    assert len(receipt["ts"]) == MOST_RECEIPT
    assert "\x00" not in receipt["ts"]
    assert Pigeon({}).deliver(samples.message()).receipt is None


def test_what_an_outcome_says_is_passed_on_whole() -> None:
    said = Outcome(Verdict.RETRY, "e", status=429, retry_after=7.0, arrived=True, request="q", response="r")

    class Echo(Pigeon):
        def send(self, message: Message) -> Outcome:
            return said

    assert dataclasses.asdict(Echo({}).deliver(samples.message())) == dataclasses.asdict(said)
