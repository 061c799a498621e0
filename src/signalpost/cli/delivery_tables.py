"""Tables for people: what became of a replay's deliveries, and how long they took."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table

from signalpost.cli.live_replay import LiveReplay, SignalTimes, Stopwatch
from signalpost.cli.tables import table


class _Bound(NamedTuple):
    what: str
    most: float
    """Seconds."""


_GENERATED = _Bound("candle -> signal generated", 0.5)
_QUEUED = _Bound("signal -> accepted (on disk)", 0.1)
_PROCESSED = _Bound("signal -> sending begins", 1.0)
_ON_THE_CHANNEL = _Bound("signal -> on the channel", 5.0)


def deliveries_table(replay: LiveReplay, stopwatch: Stopwatch) -> Table:
    """A row for each destination and how its deliveries ended."""
    title = f"{replay.candles:,} candles, {replay.signals:,} signals, {stopwatch.ended.total():,} deliveries"
    made = table(title, "destination", "ended as", "deliveries", right=("deliveries",))
    for (destination, state), count in sorted(stopwatch.ended.items()):
        colour = "green" if state == "delivered" else "red"
        made.add_row(destination, f"[{colour}]{state}[/]", f"{count:,}")
    return made


def seconds_table(times: Sequence[SignalTimes]) -> Table:
    """How long signals took: the median, the 99th of 100, the longest, and whether users would be content."""
    numbers = ("p50", "p99", "longest", "at most")
    made = table("How long a signal took", "from -> to", *numbers, "", right=numbers)
    rows = (
        (_GENERATED, [each.generated for each in times]),
        (_QUEUED, [each.accepted - each.generated for each in times if each.accepted is not None]),
        (_PROCESSED, [each.begun - each.generated for each in times if each.begun is not None]),
        (_ON_THE_CHANNEL, [each.delivered - each.generated for each in times if each.delivered is not None]),
    )
    for bound, seconds in rows:
        if seconds:
            ordered = sorted(seconds)
            figures = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
            verdict = "[green]pass[/]" if ordered[-1] < bound.most else "[red]fail[/]"
            made.add_row(
                bound.what, *(f"{each * 1e3:,.1f} ms" for each in figures), f"{bound.most * 1e3:,.0f} ms", verdict
            )
    return made
