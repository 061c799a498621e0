"""Histograms count like a plain list would, and labels are bounded."""

from hypothesis import given
from hypothesis import strategies as st

from signalpost.telemetry.families import LONG, MOST_LABELS, OTHER, SHORT, Histogram, Histograms, Labels, of_state

durations = st.lists(st.one_of(st.floats(-1, 4_000), st.sampled_from((*SHORT, *LONG))), max_size=40)


@given(durations=durations, limits=st.sampled_from((SHORT, LONG)))
def test_a_histogram_counts_the_durations_up_to_each_limit(durations: list[float], limits: tuple[float, ...]) -> None:
    histogram = Histogram(limits)
    for each in durations:
        histogram.observe(each)
    limited, counts, total = histogram.buckets()
    assert limited == limits
    assert counts == (*(sum(each <= limit for each in durations) for limit in limits), len(durations))
    assert abs(total - sum(max(0.0, each) for each in durations)) < 1e-6


@given(known=st.lists(st.text(), max_size=2 * MOST_LABELS), name=st.text())
def test_only_the_first_known_names_are_labels(known: list[str], name: str) -> None:
    labels = Labels(known)
    first = list(dict.fromkeys(known))[:MOST_LABELS]
    assert list(labels.names) == first
    assert labels.of(name) == (name if name in first else OTHER)


def test_each_known_name_has_a_histogram_and_all_others_share_one() -> None:
    histograms = Histograms(Labels(["a", "b"]), SHORT)
    for name in ("a", "x", "y"):
        histograms.observe(name, 0.5)
    assert {label: buckets.counts[-1] for (label,), buckets in histograms.samples()} == {"a": 1, "b": 0, OTHER: 2}


def test_a_state_is_1_and_the_others_are_0() -> None:
    family = of_state("role", "TEXT", "role", "owner", ("owner", "producer"))
    assert list(family.samples) == [(("owner",), 1), (("producer",), 0)]
    assert sum(value for _, value in of_state("r", "T", "r", "None", ("owner",)).samples) == 0  # type: ignore[misc]
