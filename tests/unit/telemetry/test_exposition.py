"""A scrape can be read by Prometheus' own parsers, whatever the labels are."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from signalpost.telemetry.exposition import rendered
from signalpost.telemetry.families import SHORT, Family, Histogram, Kind

PARSERS = {False: plain, True: openmetrics}
labels = st.text(st.characters(codec="utf-8"))


def read(families: Iterable[Family], *, is_openmetrics: bool) -> dict[str, Metric]:
    text, _ = rendered(list(families), is_openmetrics=is_openmetrics)
    return {metric.name: metric for metric in PARSERS[is_openmetrics](text.decode())}


@given(
    values=st.dictionaries(st.tuples(labels, labels), st.integers(0, 10**9), max_size=5),
    text=labels,
    is_openmetrics=st.booleans(),
)
def test_labels_and_values_are_read_back(
    values: dict[tuple[str, str], int], text: str, *, is_openmetrics: bool
) -> None:
    families = [
        Family("sent", Kind.COUNTER, text, ("destination", "outcome"), values.items()),
        Family("depth", Kind.GAUGE, text, ("destination", "outcome"), values.items()),
    ]
    found = read(families, is_openmetrics=is_openmetrics)
    for name, kind in (("signalpost_sent", "counter"), ("signalpost_depth", "gauge")):
        assert found[name].type == kind
        samples = {(each.labels["destination"], each.labels["outcome"]): each.value for each in found[name].samples}
        assert samples == values
    assert {each.name for each in found["signalpost_sent"].samples} <= {"signalpost_sent_total"}


@pytest.mark.parametrize("is_openmetrics", [False, True])
def test_a_histogram_has_its_buckets_count_and_sum(*, is_openmetrics: bool) -> None:
    histogram = Histogram(SHORT)
    for each in (0.002, 0.2, 60):
        histogram.observe(each)
    family = Family("send_seconds", Kind.HISTOGRAM, "TEXT", ("destination",), [(("a",), histogram.buckets())])
    samples = read([family], is_openmetrics=is_openmetrics)["signalpost_send_seconds"].samples
    by_limit = {each.labels["le"]: each.value for each in samples if "le" in each.labels}
    assert (by_limit["0.0025"], by_limit["0.25"], by_limit["10.0"], by_limit["+Inf"]) == (1, 2, 2, 3)
    rest = {
        each.name.removeprefix("signalpost_send_seconds"): each.value for each in samples if "le" not in each.labels
    }
    assert rest == {"_count": 3, "_sum": 60.202}


def test_the_process_is_described_and_the_content_type_names_the_format() -> None:
    found = read([], is_openmetrics=False)
    assert {f"signalpost_process_{name}" for name in ("resident_memory_bytes", "cpu_seconds", "open_fds")} <= set(found)
    assert rendered([], is_openmetrics=False)[1].startswith("text/plain; version=0.0.4")
    assert rendered([], is_openmetrics=True)[1].startswith("application/openmetrics-text; version=1.0.0")
