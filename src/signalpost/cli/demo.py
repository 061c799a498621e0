"""`signalpost demo`: the main job on the bundled candles, delivered to a local Discord."""

from typing import TYPE_CHECKING

import click

from signalpost.cli.number_range import NumberRange
from signalpost.cli.output import json_option, say, say_json

if TYPE_CHECKING:
    from asyncio import Event

    from signalpost.cli.bundled_market import BundledMarket
    from signalpost.cli.live_replay import LiveReplay, Stopwatch
    from signalpost.service import AsyncNotificationService

_DAYS_A_SECOND = 16.0
_SECONDS_A_DAY = 86_400
_LAST = 10


@click.command(
    short_help="The main job on real candles, delivered to a local Discord.",
    epilog="""
    \b
    Examples:
      signalpost demo                 look at the page that it names; Ctrl-C ends it
      signalpost demo --exit          end by itself, once everything is delivered
      signalpost demo --speed 2       two days of the market a second
      signalpost demo --exit --json   the figures for a program
    """,
)
@click.option("--exit", "ends", is_flag=True, help="End when all is delivered, instead of keeping the page up.")
@click.option(
    "--speed",
    type=NumberRange(min=0, min_open=True),
    default=_DAYS_A_SECOND,
    show_default=True,
    help="Days of the market a second.",
)
@click.option("--port", type=click.IntRange(0, 65_535), help="The page's port.  [default: 8751, or any that is free]")
@click.option("--to-discord", is_flag=True, help="Send this history to the environment's webhooks instead.")
@json_option("Print what came of it as one line of JSON, and no tables.")
def demo(ends: bool, speed: float, port: int | None, to_discord: bool, as_json: bool) -> None:
    """Run every bundled strategy over its real candles, and deliver the signals.

    The candles are those of seven currency pairs, H4 from January 2020 to March 2022, and the days made of them. The
    messages go to a local Discord, whatever webhooks the environment names, and a page shows them as they appear. It
    needs no account, no network and no configuration.
    """
    from signalpost.cli.loop import run

    _end(run(_demo(ends=ends, speed=speed * _SECONDS_A_DAY, port=port, to_discord=to_discord, as_json=as_json)))


def _end(is_well: bool) -> None:
    if not is_well:
        raise SystemExit(1)


async def _demo(*, ends: bool, speed: float, port: int | None, to_discord: bool, as_json: bool) -> bool:
    """Whether every signal was delivered, or a person ended it before."""
    from signalpost.cli.bundled_market import BundledMarket
    from signalpost.cli.delivery_tables import summary
    from signalpost.cli.demo_place import place
    from signalpost.cli.live_replay import LiveReplay, ReplayClock, Stopwatch, installed
    from signalpost.cli.loop import StopSignal
    from signalpost.service import AsyncNotificationService

    market = BundledMarket()
    stopwatch = Stopwatch()
    async with StopSignal() as stopped, place(port, to_discord=to_discord) as config:
        with installed(ReplayClock(market.first_close)) as clock:
            service = AsyncNotificationService(config, listeners=[stopwatch])
            async with service:
                replay = LiveReplay(service, clock, market.streams, stopwatch)
                ended = await _played(replay, service, market, speed, stopped)
                if as_json:
                    say_json(summary(replay, stopwatch, is_whole=ended))
                else:
                    _tell(market, replay, stopwatch)
                if not ends and ended:
                    say("The page stays up until Ctrl-C.", err=True)
                    await stopped.wait()
    return not ended or stopwatch.is_all_delivered(replay.signals)


async def _played(
    replay: "LiveReplay", service: "AsyncNotificationService", market: "BundledMarket", speed: float, stopped: "Event"
) -> bool:
    """Replay and deliver everything, with a progress bar. Whether it was played to its end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    await _greet(service, market)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,} candles"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=market.candles)
        async for at in replay.run(speed):
            progress.update(task, completed=replay.candles, description=f"{at:%Y-%m-%d}, {replay.signals:>3} signals")
            if stopped.is_set():
                return False
    await _take_leave(service, replay)
    return True


async def _greet(service: "AsyncNotificationService", market: "BundledMarket") -> None:
    from signalpost.domain.alert import Alert
    from signalpost.domain.system_status import SystemStatus

    facts = {"strategies": len(market.streams), "candles": market.candles}
    await service.queue_notification(SystemStatus(status="replay started", metrics=facts))
    await service.queue_notification(
        Alert(
            alert_type="example",
            severity="critical",
            title="This is what a critical alert looks like",
            message="Nothing is wrong. A real one would say what failed, since when, and what to do.",
            source="signalpost demo",
        )
    )
    await service.drain()


async def _take_leave(service: "AsyncNotificationService", replay: "LiveReplay") -> None:
    from signalpost.domain.system_status import SystemStatus

    facts = {"candles": replay.candles, "signals": replay.signals}
    await service.queue_notification(SystemStatus(status="replay finished", metrics=facts))
    await service.drain()


def _tell(market: "BundledMarket", replay: "LiveReplay", stopwatch: "Stopwatch") -> None:
    from signalpost.cli.bundled_market import signals_of
    from signalpost.cli.delivery_tables import deliveries_table, seconds_table
    from signalpost.cli.tables import console, replays_table, signals_table

    replays = market.replayed()
    signals = signals_of(replays)
    screen = console()
    screen.print(signals_table(signals[-_LAST:], f"The last {_LAST} of {len(signals):,} signals"))
    screen.print(replays_table(replays))
    screen.print(f"No bundled candles for {', '.join(market.left_out)}.")
    weeks = market.straddling_weeks
    screen.print(
        f"Daily candles are cut at 17:00 New York time. In {len(weeks)} weeks the broker's H4 grid lies across it, and "
        f"a candle counts to the day it opened in: the weeks from {', '.join(map(str, weeks))}."
    )
    screen.print(deliveries_table(replay, stopwatch))
    screen.print(seconds_table(list(stopwatch.times_by_sequence.values())))
    for reason in sorted(set(replay.refused)):
        say(f"Refused: {reason}")
