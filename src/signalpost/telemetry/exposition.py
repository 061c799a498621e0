"""Writes metric families as text: in Prometheus' own format, or in OpenMetrics."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from signalpost.telemetry.families import Buckets, Family, Kind

PREFIX = "signalpost_"
OPENMETRICS = "application/openmetrics-text"


class _Collected:
    """The families, and what the system knows of this process."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        yield from map(_converted, self._families)
        yield from ProcessCollector(namespace="signalpost", registry=None).collect()


def rendered(families: Sequence[Family], *, is_openmetrics: bool) -> tuple[bytes, str]:
    """The text of a scrape, and its content type. It takes some milliseconds and reads /proc: call it in a thread."""
    registry = CollectorRegistry()
    registry.register(_Collected(families))
    encode, content_type = choose_encoder(OPENMETRICS if is_openmetrics else "")
    return encode(registry), content_type


def _converted(family: Family) -> Metric:
    name = PREFIX + family.name
    if family.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(name, family.text, labels=family.labels)
        for values, sample in family.samples:
            assert isinstance(sample, Buckets)  # noqa: S101  # for mypy: a histogram has no other samples
            limits = (*map(str, sample.limits), "+Inf")
            histogram.add_metric(values, list(zip(limits, sample.counts, strict=True)), sample.total)
        return histogram
    made = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    plain = made(name, family.text, labels=family.labels)
    for values, sample in family.samples:
        assert not isinstance(sample, Buckets)  # noqa: S101  # for mypy, as above
        plain.add_metric(values, sample)
    return plain
