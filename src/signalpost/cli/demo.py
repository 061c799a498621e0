"""`signalpost demo`: the bundled strategies over the bundled candles, delivered to a local Discord."""

from asyncio import Event
from typing import TYPE_CHECKING

import click

from signalpost.cli.live_replay import LiveReplay, ReplayClock, Stopwatch, installed
from signalpost.cli.loop import StopSignal, run
from signalpost.cli.options import NumberRange
from signalpost.cli.output import examples, json_option, say, say_json
from signalpost.cli.tables import HYPOTHETICAL, console, last_signals_table, replays_table, results_table, signals_of
from signalpost.domain.reports import Alert, SystemStatus
from signalpost.domain.trade import Trade
from signalpost.service import AsyncNotificationService

if TYPE_CHECKING:
    from signalpost.cli.demo_setup import BundledMarket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from signalpost.cli.live_replay import SignalTimes
from signalpost.cli.tables import results_json, table

Trades = Mapping[str, Sequence[Trade]]
"""The trades of each strategy, by its key."""
_DAYS_A_SECOND = 16.0
_SECONDS_A_DAY = 86_400


@examples(
    "signalpost demo                 then open the page it prints; Ctrl-C ends it",
    "signalpost demo --exit          end once everything is delivered",
    "signalpost demo --speed 2       replay two days per second",
    "signalpost demo --exit --json   print the figures as JSON",
)
@click.command()
@click.option("--exit", "ends", is_flag=True, help="End once everything is delivered, instead of keeping the page up.")
@click.option(
    "--speed",
    type=NumberRange(min=0, min_open=True),
    default=_DAYS_A_SECOND,
    show_default=True,
    help="Days of the market replayed per second.",
)
@click.option("--port", type=click.IntRange(0, 65_535), help="The page's port.  [default: 8751, or a free one]")
@click.option("--to-discord", is_flag=True, help="Send to the webhooks in your environment instead.")
@json_option("Print the results as one line of JSON, and no tables.")
def demo(ends: bool, speed: float, port: int | None, to_discord: bool, as_json: bool) -> None:
    """Run every bundled strategy on real candles, deliver the signals, and follow each to its end.

    The candles cover seven currency pairs from January 2020 to March 2022: H4, and daily ones made from them. The
    messages go to a local Discord, even if your environment has webhooks, and a page shows them as they arrive. You
    need no account, network or configuration.
    """
    if not run(_demo(ends=ends, speed=speed * _SECONDS_A_DAY, port=port, to_discord=to_discord, as_json=as_json)):
        raise SystemExit(1)


async def _demo(*, ends: bool, speed: float, port: int | None, to_discord: bool, as_json: bool) -> bool:
    """True if every signal and every change was delivered, or a person ended the demo early."""
    from signalpost.cli.demo_setup import BundledMarket, demo_config

    market = BundledMarket()
    async with StopSignal() as stopped, demo_config(market, port, to_discord=to_discord) as config:
        with installed(ReplayClock(market.begins_at)) as clock:
            stopwatch = Stopwatch(clock)
            service = AsyncNotificationService(
                config,
                listeners=[stopwatch],
                candles=lambda signal: replay.history(signal),  # noqa: PLW0108  # it is made below
            )
            async with service:
                replay = LiveReplay(service, clock, market.candles_by_key, stopwatch)
                ended = await _play(replay, service, market, speed, stopped)
                trades = await replay.trades()
                if as_json:
                    say_json(summary(replay, trades, is_whole=ended))
                else:
                    _show(market, replay, trades)
                if not ends and ended:
                    say("The page stays up until Ctrl-C.", err=True)
                    await stopped.wait()
    return not ended or stopwatch.is_all_delivered


async def _play(
    replay: LiveReplay, service: AsyncNotificationService, market: "BundledMarket", speed: float, stopped: Event
) -> bool:
    """Replay and deliver everything, with a progress bar. False if it was stopped before the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    await _send_examples(service, market)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,} candles"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=market.candles)
        async for at in replay.run(speed, stopped):
            signals = len(replay.stopwatch.times_by_sequence)
            progress.update(
                task, completed=replay.stopwatch.candles, description=f"{at:%Y-%m-%d}, {signals:>3} signals"
            )
    if stopped.is_set():
        return False
    await _report_end(service, replay)
    return True


async def _send_examples(service: AsyncNotificationService, market: "BundledMarket") -> None:
    facts = {"strategies": len(market.strategies), "candles": market.candles}
    await service.queue_notification(SystemStatus(status="replay started", metrics=facts))
    await service.queue_notification(
        Alert(
            alert_type="example",
            severity="critical",
            title="Example alert",
            message="The demo is running. A real alert says what failed, since when, and what to do.",
            source="signalpost demo",
        )
    )
    await service.drain()


async def _report_end(service: AsyncNotificationService, replay: LiveReplay) -> None:
    facts = {"candles": replay.stopwatch.candles, "signals": len(replay.stopwatch.times_by_sequence)}
    await service.queue_notification(SystemStatus(status="replay finished", metrics=facts))
    await service.drain()


def _show(market: "BundledMarket", replay: LiveReplay, trades: Trades) -> None:
    replays = market.replayed()
    screen = console()
    screen.print(last_signals_table(signals_of(replays.values())))
    screen.print(replays_table(replays))
    screen.print(f"No bundled candles for {', '.join(market.without_candles)}.")
    weeks = market.straddling_weeks
    screen.print(
        f"Daily candles end at 17:00 New York time. In {len(weeks)} weeks that falls within an H4 candle, which then "
        f"counts towards the day in which it opened: the weeks from {', '.join(map(str, weeks))}."
    )
    screen.print(deliveries_table(replay.stopwatch))
    screen.print(seconds_table(list(replay.stopwatch.times_by_sequence.values())))
    screen.print(results_table(trades))
    screen.print(HYPOTHETICAL)
    for reason in sorted(set(replay.stopwatch.refused)):
        say(f"Refused: {reason}")


class _Bound(NamedTuple):
    """A limit in seconds on one part of a signal's way."""

    name: str
    most: float


_GENERATED = _Bound("candle -> signal generated", 0.5)
_QUEUED = _Bound("signal -> accepted (on disk)", 0.1)
_PROCESSED = _Bound("signal -> sending begins", 1.0)
_ON_THE_CHANNEL = _Bound("signal -> on the channel", 5.0)
_COUNTS = ("deliveries", "edits", "companions")


def deliveries_table(stopwatch: Stopwatch) -> Table:
    """One row per destination and final state. Edits and companions have columns of their own."""
    signals = len(stopwatch.times_by_sequence)
    title = f"{stopwatch.candles:,} candles, {signals:,} signals, {stopwatch.ended.total():,} deliveries"
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


def summary(replay: LiveReplay, trades: Trades, *, is_whole: bool) -> dict[str, Any]:
    """The results as JSON; times are in seconds."""
    stopwatch = replay.stopwatch
    return {
        "is_whole": is_whole,
        "candles": replay.stopwatch.candles,
        "signals": len(stopwatch.times_by_sequence),
        "all_delivered": stopwatch.is_all_delivered,
        "refused": sorted(set(stopwatch.refused)),
        "deliveries": [
            {"destination": destination, "state": state, "count": new, "edits": edits, "companions": companions}
            for destination, state, new, edits, companions in _ended(stopwatch)
        ],
        "seconds": {
            bound.name: {**dict(zip(("p50", "p99", "longest"), figures, strict=True)), "at_most": bound.most}
            for bound, figures in _measured(list(stopwatch.times_by_sequence.values()))
        },
        "results": results_json(trades),
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
