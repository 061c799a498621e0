"""`signalpost demo`: the bundled strategies over the bundled candles."""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from signalpost.trading.replay import Replay
    from signalpost.trading.strategies.ma_unified_config import MAUnifiedConfig

_LAST = 10


@click.command(short_help="Run all bundled strategies on real candles.")
def demo() -> None:
    """Run every bundled strategy that has bundled candles over them, and show what came of it.

    The candles are real ones of seven currency pairs, H4 from January 2020 to March 2022, and the days made of them.
    It needs no account, no network and no configuration.
    """
    from signalpost.cli.tables import console, replays_table, signals_table
    from signalpost.trading.feeds.bundled import bundled_pairs
    from signalpost.trading.strategies_file import bundled_strategies

    configs = [each.config for each in bundled_strategies()]
    runnable = [config for config in configs if config.pair in bundled_pairs()]
    replays, weeks = _replays(runnable)
    signals = sorted((signal for made in replays.values() for signal in made.signals), key=lambda each: each.known_at)
    screen = console()
    screen.print(signals_table(signals[-_LAST:], f"The last {_LAST} of {len(signals):,} signals"))
    screen.print(replays_table(replays))
    left_out = ", ".join(config.key for config in configs if config not in runnable)
    screen.print(f"No bundled candles for {left_out}.")
    screen.print(
        f"Daily candles are cut at 17:00 New York time. In {len(weeks)} weeks the broker's H4 grid lies across it, and "
        f"a candle counts to the day it opened in: the weeks from {', '.join(map(str, weeks))}."
    )


def _replays(configs: "Iterable[MAUnifiedConfig]") -> "tuple[dict[str, Replay], list[date]]":
    """A replay by strategy, and the weeks in which the days are not cut exactly."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from signalpost.trading.feeds.bundled import TIMEFRAME, bundled_candles, bundled_days
    from signalpost.trading.replay import replay
    from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy

    replays: dict[str, Replay] = {}
    weeks: set[date] = set()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for config in progress.track(list(configs), description="replaying"):
            candles = bundled_candles(config.pair)
            if config.timeframe != TIMEFRAME:
                candles, straddling = bundled_days(config.pair)
                weeks.update(straddling)
            replays[config.key] = replay(MAUnifiedStrategy(config), candles)
    return replays, sorted(weeks)
