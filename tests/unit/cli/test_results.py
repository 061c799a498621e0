"""The results of strategies, counted and summed."""

import re
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from signalpost.cli.tables import Results, results_json, results_table
from signalpost.domain.change import CancelOrder, Close, ExpireOrder, Fill
from signalpost.domain.life import after
from signalpost.domain.trade import Trade
from tests.unit.trading.outcomes.lives import START, trade

NOW = START + timedelta(hours=1)


def closed(at: str, stop: str | None = "95") -> Trade:
    """A BUY at 100 that was closed at this price."""
    return after(trade("BUY", "100", stop), Close(price=at), NOW)


WIN, LOSS, EVEN, NO_RISK = closed("103"), closed("93"), closed("100.1"), closed("101", None)
OPEN = after(trade("BUY", "100", "95"), Fill(price="100"), NOW)
CANCELLED = after(trade("BUY", "100", "95", order="limit"), CancelOrder(), NOW)
EXPIRED = after(trade("BUY", "100", "95", order="limit"), ExpireOrder(), NOW)
EVERYTHING = [WIN, LOSS, EVEN, NO_RISK, OPEN, CANCELLED, EXPIRED]


def test_each_trade_counts_once() -> None:
    results = Results.of(EVERYTHING)
    assert results == (7, 2, 1, 1, 1, 2, Fraction(3, 5) - Fraction(7, 5) + Fraction(1, 50))
    assert sum(results[1:6]) == results.signals


@given(st.lists(st.integers(9_000, 11_000), max_size=12))
def test_r_is_summed_exactly(cents: list[int]) -> None:
    """Thirds of a risk would be lost in decimals."""
    prices = [Decimal(each) / 100 for each in cents]
    expected = sum(((Fraction(price) - 100) / 3 for price in prices), Fraction(0))
    assert Results.of(closed(str(price), "97") for price in prices).r == expected


def rows(trades_by_key: dict[str, list[Trade]]) -> list[list[str]]:
    text = StringIO()
    Console(file=text, width=120).print(results_table(trades_by_key))
    return [row.split() for row in text.getvalue().splitlines() if re.search(r"\d$", row.rstrip())]


def test_the_table_has_a_row_for_each_strategy_and_one_for_all() -> None:
    assert rows({"A": EVERYTHING, "B": [WIN], "C": []}) == [
        ["A", "7", "2", "1", "1", "1", "2", "-0.78"],
        ["B", "1", "1", "0", "0", "0", "0", "+0.60"],
        ["C", "0", "0", "0", "0", "0", "0", "+0.00"],
        ["all", "3", "8", "3", "1", "1", "1", "2", "-0.18"],
    ]
    assert rows({"B": [WIN]}) == [["B", "1", "1", "0", "0", "0", "0", "+0.60"]]


def test_json_has_the_same_rows_with_r_to_18_decimals() -> None:
    first, second, total = results_json({"A": [closed("101", "97")], "B": [closed("101", "94")]})
    assert first == {
        "strategy": "A", "signals": 1, "wins": 1, "losses": 0, "break_even": 0, "open": 0, "not_filled": 0,
        "r": "0.333333333333333333",
    }  # fmt: skip
    assert (second["r"], total["strategy"], total["r"]) == ("0.166666666666666667", None, "0.5")
    assert len(results_json({"A": EVERYTHING})) == 1
