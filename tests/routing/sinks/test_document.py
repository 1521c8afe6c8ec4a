import json

import pytest

from routing.sinks import document
from tests.routing.sinks import samples


def test_it_is_the_body_of_the_webhook() -> None:
    golden = samples.golden("webhook", "firing")
    assert json.loads(document.fitted(samples.message(), 100_000)) == golden


@pytest.mark.parametrize("most", [20_000, 60_000, 250_000])
def test_it_gets_no_longer_than_asked_for(most: int) -> None:
    assert len(document.fitted(samples.enormous(), most)) <= most


def test_the_newest_alert_is_the_last_to_go() -> None:
    alerts = [samples.alert(rule=f"rule {number}") for number in range(50)]
    told = json.loads(document.fitted(samples.message("firing", *alerts), 6000))["data"]["alerts"]
    assert 1 < len(told) < 50
    assert told[-1]["rule"] == "rule 49"
    assert told[-1]["output_fields"] == dict(alerts[-1].output_fields)


def test_only_as_many_fields_go_as_must() -> None:
    alert = samples.alert(output_fields={"large": "x" * 5000, "larger": "y" * 6000, "small": "z"})
    told = json.loads(document.thinned(document.of_alert(alert), 6000))
    assert set(told["output_fields"]) == {"large", "small"}


def test_a_text_is_cut_where_leaving_out_fields_does_not_do() -> None:
    alert = samples.alert(output="😀" * 8000)
    assert len(document.thinned(document.of_alert(alert), 4000)) <= 4000
