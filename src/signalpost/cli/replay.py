"""`signalpost replay`: runs a strategy, or a file of strategies, on candle files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from signalpost.cli.output import json_option, say
from signalpost.cli.tables import HYPOTHETICAL, console, last_signals_table, replays_table, results_table, signals_of
from signalpost.delivery.outbox.book import BookEntry
from signalpost.delivery.trade_object import described
from signalpost.domain.instant import iso
from signalpost.domain.trade import Trade
from signalpost.trading.feeds.candle_file import CandleFile, read_candle_file
from signalpost.trading.lives import lived
from signalpost.trading.replay import Replay
from signalpost.trading.replay import replay as run
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy
from signalpost.trading.strategies.ma_unified_config import MAUnifiedConfig
from signalpost.trading.strategies_file import read_strategies

_ONE_STRATEGY = ("pair", "timeframe", "fast", "slow")
_FOLLOWED = ("state", "fill", "closed", "result", "flags")
"""The fields of `signals show --json` that belong to the trade, not to the signal."""


class _Run(NamedTuple):
    """A strategy over the candles of one file."""

    replay: Replay
    trades: list[Trade] | None
    """The trades of its signals, in the same order; None if they were not followed."""


@click.command(
    epilog="""
    \b
    Examples:
      signalpost replay EUR_USD_H4.csv.gz --pair EUR_USD --timeframe H4 --fast 40 --slow 140
      signalpost replay candles.csv --pair BTC/USDT --timeframe 5m --fast 20 --slow 50 --atr wilder --json
      signalpost replay --strategies strategies.toml --data candles/ --json | jq .entry_price

    \b
    A candle file is CSV, plain or gzipped: time,open,high,low,close[,volume], oldest first. time is the
    open of the candle in ISO 8601 with its zone (2025-08-20T01:00:00Z).
    """,
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--pair", help="The instrument: EUR_USD, EUR/USD, EURUSD ...")
@click.option("--timeframe", help="The length of a candle: M5, H4, D, 4h, 240 ...")
@click.option("--fast", type=int, help="Candles in the fast moving average.")
@click.option("--slow", type=int, help="Candles in the slow moving average.")
@click.option("--key", help="The strategy's name.  [default: PAIR_TIMEFRAME]")
@click.option("--atr-period", type=int, help="Candles in the average true range.  [default: 14]")
@click.option(
    "--atr", type=click.Choice(["simple", "wilder"]), help="How the true range is averaged.  [default: simple]"
)
@click.option("--sl-mult", help="Distance of the stop from the entry, in ATR.  [default: 2]")
@click.option("--tp-mult", help="Distance of the target from the entry, in ATR.  [default: 3]")
@click.option("--min-atr", help="No signal if the ATR, in price, is below this.  [default: 0]")
@click.option("--min-rr", help="No signal if target : stop is below this.  [default: 0]")
@click.option("--inverted", is_flag=True, help="Allow a fast average that is longer than the slow one.")
@click.option("--places", type=int, help="Decimals of a price.  [default: the pair's, or the file's if more]")
@click.option("--strategies", type=click.Path(path_type=Path), help="A TOML file with strategies, instead of FILE.")
@click.option("--data", type=click.Path(path_type=Path), help="The folder with their candle files.  [default: .]")
@click.option("--follow", is_flag=True, help="Follow each signal to its end, and show the results.")
@json_option("Print one line of JSON for each accepted signal, and no tables.")
def replay(
    file: Path | None, strategies: Path | None, data: Path | None, follow: bool, as_json: bool, **settings: Any
) -> None:
    """Run a strategy on past candles and show its signals.

    Give FILE and the settings of the strategy, or --strategies and --data for several strategies.
    """
    given = {name: value for name, value in settings.items() if value is not None and value is not False}
    if strategies is None:
        runs = dict([_replay_one(file, data, given, follow=follow)])
    else:
        runs = dict(_replay_all(strategies, data, file, given, follow=follow))
    if as_json:
        for key, made in runs.items():
            for line in _json_lines(key, made):
                click.echo(line)
    else:
        _show(runs)


def _replay_one(file: Path | None, data: Path | None, given: dict[str, Any], *, follow: bool) -> tuple[str, _Run]:
    missing = [f"--{name}" for name in _ONE_STRATEGY if name not in given]
    if file is None:
        raise click.UsageError("Give a candle FILE, or --strategies with a file of strategies.")
    if missing:
        raise click.UsageError(f"Missing {', '.join(missing)}, required with FILE.")
    if data is not None:
        raise click.UsageError("--data only works with --strategies; FILE is a complete path.")
    return _replay_file(MAUnifiedConfig(**given), file, given.get("places"), follow=follow)


def _replay_all(
    strategies: Path, data: Path | None, file: Path | None, given: dict[str, Any], *, follow: bool
) -> Iterator[tuple[str, _Run]]:
    beside = [*(["FILE"] if file else []), *(f"--{name.replace('_', '-')}" for name in given)]
    if beside:
        raise click.UsageError(
            f"Omit {', '.join(beside)}: --strategies already names the candle files and contains all settings."
        )
    for configured in read_strategies(strategies):
        config = configured.config
        places = None if config.places == config.pair.places else config.places
        yield _replay_file(config, (data or Path()) / configured.data, places, follow=follow)


def _replay_file(config: MAUnifiedConfig, path: Path, places: int | None, *, follow: bool) -> tuple[str, _Run]:
    """Replay the candles of a file, with prices of `places` decimals; None for the pair's, or the file's if more."""
    file = read_candle_file(path, timeframe=config.timeframe, pair=config.pair, places=places)
    _report_corrections(path, file)
    strategy = MAUnifiedStrategy(msgspec.structs.replace(config, places=file.places))
    made = run(strategy, file.candles)
    return config.key, _Run(made, lived(made.signals, file.candles, config.timeframe) if follow else None)


def _report_corrections(path: Path, file: CandleFile) -> None:
    if file.duplicates:
        say(f"{path}: repeated rows skipped: {file.duplicates}", err=True)
    if file.rounded:
        say(f"{path}: prices rounded to {file.places} decimals: {file.rounded}", err=True)


def _json_lines(key: str, made: _Run) -> Iterator[str]:
    for number, signal in enumerate(made.replay.signals):
        line = {
            "key": key,
            "pair": signal.pair,
            "timeframe": signal.timeframe,
            "time": iso(signal.timestamp),
            "known_at": iso(signal.known_at),
            "signal_type": signal.signal_type,
            "entry_price": signal.entry_price,
            "stop_loss": signal.stop_loss,
            "take_profit": signal.take_profit,
            "risk_reward_ratio": signal.risk_reward_ratio,
            "atr": signal.atr_value,
            "fast_ma": signal.fast_ma,
            "slow_ma": signal.slow_ma,
        }
        if made.trades is not None:
            line |= _end_of(made.trades[number])
        yield json.dumps(line, default="{:f}".format)


def _end_of(trade: Trade) -> dict[str, Any]:
    facts = described(BookEntry(trade, None, ()))
    return {name: facts[name] for name in _FOLLOWED}


def _show(runs: dict[str, _Run]) -> None:
    replays = {key: made.replay for key, made in runs.items()}
    screen = console()
    screen.print(replays_table(replays))
    signals = signals_of(replays.values())
    screen.print(last_signals_table(signals) if signals else "No signals.")
    followed = {key: made.trades for key, made in runs.items() if made.trades is not None}
    if followed:
        screen.print(results_table(followed))
        screen.print(HYPOTHETICAL)
