import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.sinks import document
from routing.sinks.base import AlertFacts, Message
from tests.routing.sinks import samples

# What takes most bytes in JSON: control characters six, quotes two, an emoji four, half of one six.
LETTERS = st.sampled_from('x\x01\x00"\\漢😀\ud83d\u2028é')


@st.composite
def hostile_texts(draw: st.DrawFn, most: int) -> str:
    """As long as it may be, more often than not."""
    length = draw(st.sampled_from((most, most, most // 2, 1, 0)))
    return (draw(st.text(LETTERS, min_size=1, max_size=4)) * length)[:length]


@st.composite
def hostile_alerts(draw: st.DrawFn) -> AlertFacts:
    """The columns' limits are those of `Alert`."""
    return samples.alert(
        rule=draw(hostile_texts(255)),
        source=draw(hostile_texts(64)),
        hostname=draw(hostile_texts(255)),
        output=draw(hostile_texts(9000)),
        output_fields={f"{draw(hostile_texts(100))}{number}": draw(hostile_texts(9000)) for number in range(3)},
        tags=tuple(draw(hostile_texts(300)) for _ in range(draw(st.sampled_from((0, 1, 50))))),
    )


@st.composite
def hostile_messages(draw: st.DrawFn) -> Message:
    one = draw(hostile_alerts())
    message = samples.message("firing", *[one] * draw(st.sampled_from((1, 3))), reason=draw(hostile_texts(64)))
    labels = {f"{draw(hostile_texts(200))}{number}": draw(hostile_texts(20_000)) for number in range(9)}
    return replace(
        message,
        route=draw(hostile_texts(100)),
        group=replace(message.group, title=draw(hostile_texts(255)), labels=labels),
    )


@settings(deadline=None)
@given(hostile_messages(), st.sampled_from((16_000, 60_000)))
def test_no_message_is_longer_than_asked_for(message: Message, most: int) -> None:
    told = document.fitted(message, most)
    assert len(told) <= most
    assert json.loads(told)["data"]["alerts"][-1]["uuid"] == str(message.newest.uuid)


@settings(deadline=None)
@given(hostile_alerts(), st.sampled_from((1700, 8000)))
def test_no_alert_is_longer_than_asked_for(alert: AlertFacts, most: int) -> None:
    body = document.thinned(document.of_alert(alert), most)
    assert len(body) <= most
    assert json.loads(body)["uuid"] == str(alert.uuid)


def test_texts_are_cut_after_the_fields_and_no_more_than_must_be() -> None:
    alert = samples.alert(output="x" * 5000, rule="r" * 255, tags=("a" * 300, "b" * 300))
    told = json.loads(document.thinned(document.of_alert(alert), 4000))
    assert told["output_fields"] == {}
    assert 2000 < len(told["output"]) < 2600
    assert (told["rule"], told["tags"]) == (alert.rule, list(alert.tags))
    told = json.loads(document.thinned(document.of_alert(alert), 800))
    assert len(told["output"]) < 200
    assert (told["rule"], told["tags"]) == (alert.rule, [])


def test_labels_of_a_group_are_cut_before_they_go() -> None:
    message = samples.message()
    labels = {"long": "x" * 9000, "short": "y"}
    told = json.loads(document.fitted(replace(message, group=replace(message.group, labels=labels)), 5000))
    assert 2000 < len(told["data"]["group"]["labels"]["long"]) < 5000
    assert told["data"]["group"]["labels"]["short"] == "y"


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
