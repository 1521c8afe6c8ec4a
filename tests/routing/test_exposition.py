from prometheus_client.parser import text_string_to_metric_families

from routing import metrics
from routing.exposition import Sums, exposition
from routing.readings import Reading


def samples(sums: Sums, readings: list[Reading]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus would read."""
    text, _ = exposition(sums, readings, "")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_what_never_happened_is_told_as_nothing() -> None:
    told = samples({}, [])
    assert told["sensorapp_commit_failures_total", ()] == 0
    assert told["sensorapp_routing_seconds_count", ()] == 0


def test_counts_are_told_by_their_labels() -> None:
    sums = {metrics.ALERTS.name: {("accepted", ""): {"": 5.0}, ("rejected", "priority"): {"": 2.0}}}
    told = samples(sums, [])
    assert told["sensorapp_alerts_total", (("outcome", "accepted"), ("reason", ""))] == 5
    assert told["sensorapp_alerts_total", (("outcome", "rejected"), ("reason", "priority"))] == 2


def test_durations_are_told_as_a_histogram() -> None:
    sums = {metrics.ATTEMPT.name: {("Slack",): {"0.1": 2.0, "30.0": 1.0, "+Inf": 1.0, "sum": 4000.5}}}
    told = samples(sums, [])
    bucket = {
        dict(labels)["le"]: value
        for (name, labels), value in told.items()
        if name == "sensorapp_attempt_seconds_bucket"
    }
    assert (bucket["0.05"], bucket["0.1"], bucket["10.0"], bucket["30.0"], bucket["+Inf"]) == (0, 2, 2, 3, 4)
    assert told["sensorapp_attempt_seconds_count", (("sink", "Slack"),)] == 4
    assert told["sensorapp_attempt_seconds_sum", (("sink", "Slack"),)] == 4000.5


def test_readings_are_told_whatever_their_labels_hold() -> None:
    name = 'Slack "#sec"\n\\'
    told = samples({}, [(metrics.SINK_FAILURES, (name,), 3), (metrics.SENSOR_LOST, ("node-1",), 7)])
    assert told["sensorapp_sink_failures", (("sink", name),)] == 3
    assert told["sensorapp_sensor_lost_events_total", (("sensor", "node-1"),)] == 7


def test_the_format_is_the_one_that_is_asked_for() -> None:
    _, plain = exposition({}, [], "text/plain")
    body, modern = exposition({}, [], "application/openmetrics-text; version=1.0.0")
    assert plain.startswith("text/plain")
    assert modern.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_sums_of_what_is_gone_do_not_grow_the_answer_without_end() -> None:
    sums = {metrics.ROUTE_MATCHES.name: {(f"route {number}",): {"": 1.0} for number in range(1000)}}
    told = [name for name, _ in samples(sums, []) if name == "sensorapp_route_matches_total"]
    assert len(told) == 400
