"""How the trades of strategies ended: counts and R, as a table and as JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, Self

from rich.table import Table
from rich.text import Text

from signalpost.cli.tables import table
from signalpost.domain.exact import fixed, rounded
from signalpost.domain.result import Verdict, result_of
from signalpost.domain.trade import Trade

HYPOTHETICAL = (
    "Results are hypothetical. They are computed from candles of mid prices, without costs, and every doubt counts "
    "against the trade."
)
_NUMBERS = ("signals", "wins", "losses", "break-even", "open", "not filled", "R")


class Results(NamedTuple):
    """Of some trades."""

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
    """The results of each strategy, and under None those of all if there are several."""
    by_key: dict[str | None, Results] = {key: Results.of(trades) for key, trades in trades_by_key.items()}
    if len(by_key) > 1:
        by_key[None] = Results.of(trade for trades in trades_by_key.values() for trade in trades)
    return by_key


def _r(exact: Fraction) -> Text:
    shown = Decimal(fixed(rounded(exact), 2))
    return Text(f"{shown:+}", style="green" if shown > 0 else "red" if shown < 0 else "")
