"""Tables for people: what a replay made of its candles, and the signals it ended with."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.table import Table

from signalpost.domain.exact import fixed
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.trading.replay import Replay

_COLOUR_BY_SIDE = {SignalType.BUY: "green", SignalType.SELL: "red"}
_WIDTH_OF_A_FILE = 130


def console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for every table where there is none."""
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=_WIDTH_OF_A_FILE)


def replays_table(replay_by_key: dict[str, Replay]) -> Table:
    """A row a strategy: candles, crosses, accepted, filtered and why, microseconds a candle."""
    table = Table(title="Strategies", title_justify="left", title_style="bold")
    table.add_column("strategy", no_wrap=True)
    for name in ("candles", "crosses", "accepted"):
        table.add_column(name, justify="right")
    table.add_column("filtered")
    table.add_column("µs a candle", justify="right")
    for key, replay in replay_by_key.items():
        table.add_row(
            key,
            f"{replay.candles:,}",
            str(replay.crosses),
            f"[bold]{len(replay.signals)}[/]",
            ", ".join(f"{count} {name}" for name, count in replay.count_by_filter.most_common()) or "[dim]-[/]",
            f"{replay.microseconds_a_candle:.1f}",
        )
    if len(replay_by_key) > 1:
        table.add_section()
        _add_total(table, list(replay_by_key.values()))
    return table


def _add_total(table: Table, replays: list[Replay]) -> None:
    candles = sum(replay.candles for replay in replays)
    seconds = sum(replay.seconds for replay in replays)
    table.add_row(
        f"all {len(replays)}",
        f"{candles:,}",
        str(sum(replay.crosses for replay in replays)),
        f"[bold]{sum(len(replay.signals) for replay in replays)}[/]",
        str(sum(len(replay.filtered) for replay in replays)),
        f"{seconds / candles * 1e6:.1f}",
    )


def signals_table(signals: Iterable[Signal], title: str) -> Table:
    """A row a signal: prices at the pair's precision, distances in pips."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("known at (UTC)", "pair", "timeframe", "side"):
        table.add_column(name, no_wrap=True)
    for name in ("entry", "stop", "target", "stop pips", "target pips", "R:R"):
        table.add_column(name, justify="right", no_wrap=True)
    for signal in signals:
        table.add_row(
            _minute(signal.known_at),
            signal.pair,
            signal.timeframe,
            f"[{_COLOUR_BY_SIDE[signal.signal_type]}]{signal.signal_type}[/]",
            *(
                "" if price is None else fixed(price, signal.price_places)
                for price in (signal.entry_price, signal.stop_loss, signal.take_profit)
            ),
            *("" if pips is None else fixed(pips, 1) for pips in (signal.stop_pips, signal.target_pips)),
            "" if signal.risk_reward_ratio is None else fixed(signal.risk_reward_ratio, 2),
        )
    return table


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"
