"""The figures of the demo: how its deliveries ended and how long signals took, as tables; and all of it as JSON."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from signalpost.cli.live_replay import LiveReplay, SignalTimes, Stopwatch
from signalpost.cli.results import results_json
from signalpost.cli.tables import table


class _Bound(NamedTuple):
    """A limit in seconds on one part of a signal's way."""

    name: str
    most: float


_GENERATED = _Bound("candle -> signal generated", 0.5)
_QUEUED = _Bound("signal -> accepted (on disk)", 0.1)
_PROCESSED = _Bound("signal -> sending begins", 1.0)
_ON_THE_CHANNEL = _Bound("signal -> on the channel", 5.0)
_COUNTS = ("deliveries", "edits", "companions")


def deliveries_table(replay: LiveReplay, stopwatch: Stopwatch) -> Table:
    """One row per destination and final state. Edits and companions have columns of their own."""
    title = f"{replay.candles:,} candles, {replay.signals:,} signals, {stopwatch.ended.total():,} deliveries"
    made = table(title, "destination", "final state", *_COUNTS, right=_COUNTS)
    for destination, state, *counts in _ended(stopwatch):
        colour = "green" if state == "delivered" else "red"
        made.add_row(destination, Text(state, style=colour), *(f"{count:,}" if count else "" for count in counts))
    return made


def _ended(stopwatch: Stopwatch) -> Iterator[tuple[str, str, int, int, int]]:
    """Each destination and final state, with its new messages, edits and companions."""
    counters = stopwatch.ended, stopwatch.edits, stopwatch.companions
    for place in sorted(set().union(*counters)):
        new, edits, companions = (counter[place] for counter in counters)
        yield *place, new, edits, companions


def seconds_table(times: Sequence[SignalTimes]) -> Table:
    """How long signals took: the median, the 99th percentile, the maximum, and whether that is within the limit."""
    numbers = ("p50", "p99", "longest", "limit")
    made = table("How long a signal took", "step", *numbers, "", right=numbers)
    for bound, figures in _measured(times):
        verdict = Text("pass", style="green") if figures[-1] < bound.most else Text("fail", style="red")
        made.add_row(bound.name, *(f"{each * 1e3:,.1f} ms" for each in figures), f"{bound.most * 1e3:,.0f} ms", verdict)
    return made


def summary(replay: LiveReplay, stopwatch: Stopwatch, *, is_whole: bool) -> dict[str, Any]:
    """The results as JSON; times are in seconds."""
    return {
        "is_whole": is_whole,
        "candles": replay.candles,
        "signals": replay.signals,
        "all_delivered": replay.is_all_delivered,
        "refused": sorted(set(replay.refused)),
        "deliveries": [
            {"destination": destination, "state": state, "count": new, "edits": edits, "companions": companions}
            for destination, state, new, edits, companions in _ended(stopwatch)
        ],
        "seconds": {
            bound.name: {**dict(zip(("p50", "p99", "longest"), figures, strict=True)), "at_most": bound.most}
            for bound, figures in _measured(list(stopwatch.times_by_sequence.values()))
        },
        "results": results_json(replay.trades),
    }


def _measured(times: Sequence[SignalTimes]) -> Iterator[tuple[_Bound, tuple[float, float, float]]]:
    """Each limit with measurements: the median, the 99th percentile and the maximum, in seconds."""
    rows = (
        (_GENERATED, [each.generated for each in times]),
        (_QUEUED, [each.accepted - each.generated for each in times if each.accepted is not None]),
        (_PROCESSED, [each.begun - each.generated for each in times if each.begun is not None]),
        (_ON_THE_CHANNEL, [each.delivered - each.generated for each in times if each.delivered is not None]),
    )
    for bound, seconds in rows:
        if seconds:
            ordered = sorted(seconds)
            yield bound, (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
