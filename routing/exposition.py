"""Numbers as Prometheus reads them: what was counted and what was read become one text."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from routing import metrics
from routing.readings import Reading
from routing.tallies import MOST_SERIES, SECONDS, Labels, Tally, Timing

Sums = Mapping[str, Mapping[Labels, Mapping[str, float]]]
BOUNDS = (*(str(bound) for bound in SECONDS), "+Inf")


def exposition(sums: Sums, readings: Iterable[Reading], accept: str) -> tuple[bytes, str]:
    """The text in the format that fits the Accept header, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(sums, list(readings)))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Told(Collector):
    """Every number there is, in the order of `routing.metrics`."""

    def __init__(self, sums: Sums, readings: list[Reading]) -> None:
        self._sums = sums
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        for tally in metrics.tallies():
            yield _counted(tally, self._sums.get(tally.name, {}))
        for gauge in metrics.gauges():
            kind = CounterMetricFamily if gauge.grows else GaugeMetricFamily
            family = kind(gauge.name, gauge.help, labels=gauge.labels)
            for which, labels, value in self._readings:
                if which is gauge:
                    family.add_metric(labels, value)
            yield family


def _counted(tally: Tally, series: Mapping[Labels, Mapping[str, float]]) -> Metric:
    if not tally.labels:
        # What has not happened yet is told as nothing, so that its first time is seen to be an increase.
        series = {(): {}, **series}
    # Processes that have ended had labels of their own.
    told = islice(sorted(series.items()), MOST_SERIES * 2)
    if isinstance(tally, Timing):
        timing = HistogramMetricFamily(tally.name, tally.help, labels=tally.labels)
        for labels, parts in told:
            timing.add_metric(labels, list(_cumulated(parts)), parts.get("sum", 0.0))
        return timing
    counter = CounterMetricFamily(tally.name, tally.help, labels=tally.labels)
    for labels, parts in told:
        counter.add_metric(labels, parts.get("", 0.0))
    return counter


def _cumulated(parts: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Each bound with how many were at most so long."""
    total = 0.0
    for bound in BOUNDS:
        total += parts.get(bound, 0.0)
        yield bound, total
