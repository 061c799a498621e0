"""Tables for people: clean cells, one style, and the tables of replays, their signals and how those ended."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from signalpost.cli.output import clean
from signalpost.domain.exact import fixed, rounded
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.trade import Trade, Verdict, result_of
from signalpost.trading.replay import Replay

COLOUR_BY_SIDE = {SignalType.BUY: "green", SignalType.SELL: "red"}
_WIDTH_OF_A_FILE = 100
_LEAST_WIDTH = 80
_LAST = 10


class _CleanTable(Table):
    """A table that shows every cell as plain text, whatever it contains."""

    def add_row(self, *cells: Any, **settings: Any) -> None:
        """Add a row; texts are shown literally, without markup."""
        super().add_row(*map(_clean_cell, cells), **settings)


def _clean_cell(cell: str | Text) -> Text:
    if isinstance(cell, str):
        return Text(clean(cell))
    cell.plain = clean(cell.plain)
    return cell


def console() -> Console:
    """Standard output, as wide as the terminal, or wide enough for every table if it is not a terminal.

    A narrower terminal wraps the lines, so that text a person may have to copy is never cut off.
    """
    screen = Console(highlight=False)
    width = max(screen.width, _LEAST_WIDTH) if screen.is_terminal else _WIDTH_OF_A_FILE
    return Console(highlight=False, width=width)


def table(title: str, *columns: str, right: Collection[str] = (), wraps: str | None = None) -> Table:
    """An empty table that fits into 80 columns. Columns in `right` are right-aligned; `wraps` may wrap."""
    heading = Text(title, style="bold", no_wrap=True, overflow="ignore")
    made = _CleanTable(title=heading, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", no_wrap=name != wraps)
    return made


def replays_table(replay_by_key: dict[str, Replay]) -> Table:
    """One row per strategy: candles, crosses, accepted and filtered signals, microseconds per candle."""
    numbers = ("candles", "crosses", "accepted", "µs/candle")
    made = table("Strategies", "strategy", *numbers, "filtered", right=numbers, wraps="filtered")
    for key, replay in replay_by_key.items():
        made.add_row(
            key,
            f"{replay.candles:,}",
            str(replay.crosses),
            Text(str(len(replay.signals)), style="bold"),
            f"{replay.microseconds_a_candle:.1f}",
            ", ".join(f"{count} {name}" for name, count in replay.count_by_filter.most_common())
            or Text("-", style="dim"),
        )
    if len(replay_by_key) > 1:
        made.add_section()
        _add_total(made, list(replay_by_key.values()))
    return made


def _add_total(made: Table, replays: list[Replay]) -> None:
    candles = sum(replay.candles for replay in replays)
    seconds = sum(replay.seconds for replay in replays)
    made.add_row(
        f"all {len(replays)}",
        f"{candles:,}",
        str(sum(replay.crosses for replay in replays)),
        Text(str(sum(len(replay.signals) for replay in replays)), style="bold"),
        f"{seconds / candles * 1e6:.1f}",
        str(sum(len(replay.filtered) for replay in replays)),
    )


def signals_of(replays: Iterable[Replay]) -> list[Signal]:
    """The signals of all replays, in the order in which they were known."""
    return sorted((signal for each in replays for signal in each.signals), key=lambda signal: signal.known_at)


def last_signals_table(signals: Sequence[Signal]) -> Table:
    """The last signals, one per row: prices at the pair's precision, and distances in pips if the pair has pips."""
    title = f"The last {min(_LAST, len(signals))} of {len(signals):,} signals"
    numbers = ("entry", "stop", "target", "pips", "R:R")
    made = table(title, "known at (UTC)", "stream", "side", *numbers, right=numbers)
    for signal in signals[-_LAST:]:
        pips = (_fixed(each, 1) for each in (signal.stop_pips, signal.target_pips))
        prices = (signal.entry_price, signal.stop_loss, signal.take_profit)
        made.add_row(
            f"{signal.known_at:%Y-%m-%d %H:%M}",
            signal.stream,
            Text(signal.signal_type, style=COLOUR_BY_SIDE[signal.signal_type]),
            *("" if price is None else signal.price_text(price) for price in prices),
            " / ".join(pips) if signal.pair.pip else "",
            _fixed(signal.risk_reward_ratio, 2),
        )
    return made


def _fixed(number: Decimal | None, places: int) -> str:
    return "" if number is None else fixed(number, places)


HYPOTHETICAL = (
    "Results are hypothetical. They are computed from candles of mid prices, without costs. If a candle is "
    "ambiguous, the worse result counts."
)
_NUMBERS = ("signals", "wins", "losses", "break-even", "open", "not filled", "R")


class Results(NamedTuple):
    """The results of some trades."""

    signals: int
    wins: int
    losses: int
    break_even: int
    open: int
    """Still live at the end."""
    not_filled: int
    """Ended without a result: cancelled before the fill."""
    r: Fraction
    """The sum over all that were closed, exact."""

    @classmethod
    def of(cls, trades: Iterable[Trade]) -> Self:
        """The results of `trades`."""
        found = list(trades)
        results = [result_of(trade) for trade in found]
        verdicts = Counter(result.verdict for result in results if result is not None)
        live = sum(trade.state.is_live for trade in found)
        return cls(
            len(found),
            verdicts[Verdict.WIN],
            verdicts[Verdict.LOSS],
            verdicts[Verdict.BREAK_EVEN],
            live,
            len(found) - live - verdicts.total(),
            sum((result.exact_r or Fraction(0) for result in results if result is not None), Fraction(0)),
        )


def results_table(trades_by_key: Mapping[str, Sequence[Trade]]) -> Table:
    """One row per strategy, and one for all if there are several."""
    made = table("How the signals ended", "strategy", *_NUMBERS, right=_NUMBERS)
    for key, results in _by_key(trades_by_key).items():
        if key is None:
            made.add_section()
        made.add_row(key or f"all {len(trades_by_key)}", *(f"{count:,}" for count in results[:-1]), _r(results.r))
    return made


def results_json(trades_by_key: Mapping[str, Sequence[Trade]]) -> list[dict[str, Any]]:
    """The rows of the table. R is text, rounded to 18 decimals; `strategy` is None in the row for all."""
    return [
        {"strategy": key, **results._asdict(), "r": f"{rounded(results.r):f}"}
        for key, results in _by_key(trades_by_key).items()
    ]


def _by_key(trades_by_key: Mapping[str, Sequence[Trade]]) -> dict[str | None, Results]:
    """The results of each strategy. If there are several, None has those of all together."""
    by_key: dict[str | None, Results] = {key: Results.of(trades) for key, trades in trades_by_key.items()}
    if len(by_key) > 1:
        by_key[None] = Results.of(trade for trades in trades_by_key.values() for trade in trades)
    return by_key


def _r(exact: Fraction) -> Text:
    shown = Decimal(fixed(rounded(exact), 2))
    return Text(f"{shown:+}", style="green" if shown > 0 else "red" if shown < 0 else "")
