"""Metric families: what a scrape shows, before it is written as text. Pure.

Names have neither the prefix `signalpost_` nor the suffix `_total`. See docs/why/0038-one-rendering-for-all-scrapes.md.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper limits in seconds, for work."""
LONG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Upper limits in seconds, for waits for a destination or a feed."""
OTHER = "other"
"""The label that all names without their own label share."""
MOST_LABELS = 100
"""The most destinations, or feeds, with their own label."""


class Kind(StrEnum):
    """The kinds of metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Buckets(NamedTuple):
    """The state of a histogram."""

    limits: tuple[float, ...]
    counts: tuple[int, ...]
    """The number of durations up to each limit, then of all durations."""
    total: float
    """The sum of all durations, in seconds."""


class Family(NamedTuple):
    """One metric. Each sample has the values of the labels, and its own value."""

    name: str
    kind: Kind
    text: str
    """The help text in a scrape."""
    labels: tuple[str, ...]
    samples: Collection[tuple[tuple[str, ...], float | Buckets]]


class Histogram:
    """Counts durations by upper limits."""

    __slots__ = ("_counts", "_limits", "_total")

    def __init__(self, limits: tuple[float, ...]) -> None:
        self._limits = limits
        self._counts = [0] * (len(limits) + 1)
        self._total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration. A negative one, between two clocks, counts as 0."""
        seconds = seconds if seconds > 0 else 0.0
        self._counts[bisect_left(self._limits, seconds)] += 1
        self._total += seconds

    def buckets(self) -> Buckets:
        """The present state."""
        return Buckets(self._limits, tuple(accumulate(self._counts)), self._total)


class Labels:
    """The values that a label may have: the first 100 known names. Every other name becomes `other`."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.names = tuple(dict.fromkeys(known))[:MOST_LABELS]
        self._known = frozenset(self.names)

    def of(self, name: str) -> str:
        """The label of a name."""
        return name if name in self._known else OTHER


class Histograms:
    """Histograms of one metric, one for each value of a label."""

    def __init__(self, labels: Labels, limits: tuple[float, ...]) -> None:
        self._limits = limits
        self._by_label = {name: Histogram(limits) for name in labels.names}

    def observe(self, name: str, seconds: float) -> None:
        """Count one duration under the label of `name`."""
        if (histogram := self._by_label.get(name)) is None:
            histogram = self._by_label.setdefault(OTHER, Histogram(self._limits))
        histogram.observe(seconds)

    def samples(self) -> list[tuple[tuple[str], Buckets]]:
        """The present state of each."""
        return [((label,), each.buckets()) for label, each in self._by_label.items()]


def of_state(name: str, text: str, label: str, present: str, every: Iterable[str]) -> Family:
    """A gauge for each of the values that a state can have: 1 for the present one, 0 for the others."""
    return Family(name, Kind.GAUGE, text, (label,), [((each,), each == present) for each in every])
