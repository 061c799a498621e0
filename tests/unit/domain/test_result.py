"""Results count from the fill and the first stop, weighted by shares, exact to the last digit."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.change import Close, Fill, Update
from signalpost.domain.exact import rounded
from signalpost.domain.life import after
from signalpost.domain.trade import Result, Trade, Verdict, r_of, result_of
from tests.unit.domain.trades import MINUTE, START, trade

D = Decimal


def result(made: Trade) -> Result:
    found = result_of(made)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("pair", "side", "entry", "stop", "end", "amount", "unit", "percent", "r"),
    [
        ("XAU_USD", "BUY", "2350", "2340", "2362", "12", "USD", "0.51", "1.20"),
        ("USD_JPY", "SELL", "150.000", "150.500", "149.250", "75.0", "pips", "0.50", "1.50"),
        ("BTC/USDT", "BUY", "60000", "58800", "61500", "2.50", "%", "2.50", "1.25"),
        ("AAPL", "SELL", "200", "204", "205", "-2.50", "%", "-2.50", "-1.25"),
        ("NAS100", "BUY", "18000", "17900", "17950", "-50.0", "points", "-0.28", "-0.50"),
    ],
)
def test_each_class_has_its_own_unit(
    pair: str, side: str, entry: str, stop: str, end: str, amount: str, unit: str, percent: str, r: str
) -> None:
    made = trade(Close(price=end), pair=pair, signal_type=side, entry_price=entry, stop_loss=stop, targets=())
    found = result(made)
    assert (found.distance.amount, found.distance.unit) == (D(amount), unit)
    assert found.percent is not None
    assert (round(found.percent, 2), found.r) == (D(percent), D(r))
    assert found.pips == (D(amount) if unit == "pips" else None)


def test_equal_shares_are_exact_thirds() -> None:
    made = trade(
        Fill(price="1.3367"),
        Update(target_hit=2),
        Close(reason="stop"),
        signal_type="SELL",
        entry_price="1.3367",
        stop_loss="1.3405",
        targets=["1.3337", "1.3307", "1.3257"],
    )
    found = result(made)
    assert found.r == rounded((Fraction(30) + 60 - 38) / 38 / 3)
    assert (round(found.distance.amount, 1), found.verdict) == (D("17.3"), Verdict.WIN)


def test_r_counts_from_the_fill_and_the_first_stop() -> None:
    made = trade(Fill(price="1.1010"), Update(stop_loss="1.1020"), Close(reason="stop"))
    assert result(made).r == rounded(Fraction(10, 60))
    assert r_of(made, D("1.0950")) == -1


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        ("1.10025", "win"),
        ("1.1002499", "break-even"),
        ("1.1000", "break-even"),
        ("1.0997501", "break-even"),
        ("1.09975", "loss"),
    ],
)
def test_a_win_begins_at_a_twentieth_of_r(end: str, verdict: str) -> None:
    assert result(trade(Close(price=end))).verdict == verdict


@pytest.mark.parametrize(("end", "verdict"), [("1.1001", "win"), ("1.1000", "break-even"), ("1.0999", "loss")])
def test_without_a_stop_the_sign_decides(end: str, verdict: str) -> None:
    found = result(trade(Close(price=end), stop_loss=None))
    assert (found.r, found.verdict) == (None, verdict)
    assert r_of(trade(stop_loss=None), D("1.2")) is None


def test_a_trade_whose_stop_did_not_lie_on_the_losing_side_has_no_r() -> None:
    """As a program of another version may have stored it."""
    assert result(trade(Close(price="1.11")).but(first_stop=D("1.1"))).r is None


def test_an_entry_at_zero_or_below_has_no_per_cent() -> None:
    oil: dict[str, Any] = {"pair": "CL1!", "entry_price": "-1", "stop_loss": "-2", "targets": ["1"]}
    found = result(trade(Close(price="0"), **oil))
    assert (found.percent, found.r) == (None, 1)


def test_there_is_no_result_before_the_end() -> None:
    assert result_of(trade(Update(target_hit=1))) is None
    assert result_of(trade(Close(reason="time", from_feed=True))) is None


prices = st.decimals("1.05", "1.15", places=5)


@given(
    fill=st.decimals("1.0960", "1.1040", places=5),
    shares=st.lists(st.decimals(1, 33, places=2), min_size=3, max_size=3) | st.none(),
    part=st.decimals(1, 20, places=2),
    part_at=prices,
    hits=st.integers(0, 2),
    end=prices,
    is_short=st.booleans(),
)
def test_the_result_equals_a_computation_in_fractions(
    fill: Decimal, shares: Any, part: Decimal, part_at: Decimal, hits: int, end: Decimal, *, is_short: bool
) -> None:
    sign = -1 if is_short else 1
    levels = [D("1.1") + sign * each for each in (D("0.005"), D("0.010"), D("0.015"))]
    given_shares = list(zip(levels, shares, strict=True)) if shares else levels
    side = {"signal_type": "SELL" if is_short else "BUY", "stop_loss": D("1.1") - sign * D("0.005")}
    made = trade(Fill(price=fill), Update(close_part=part, price=part_at), targets=given_shares, **side)
    if hits:
        made = after(made, Update(target_hit=hits), START + 5 * MINUTE)
    made = after(made, Close(price=end), START + 6 * MINUTE)
    planned = [Fraction(each) for each in shares] if shares else [Fraction(100, 3)] * 3
    left = (100 - Fraction(part)) / 100
    closed = [(Fraction(part), Fraction(part_at))]
    closed += [(planned[n] * left, Fraction(levels[n])) for n in range(hits)]
    closed.append((100 - sum(share for share, _ in closed), Fraction(end)))
    gain = sum(share * sign * (price - Fraction(fill)) for share, price in closed) / 100
    risk = abs(Fraction(fill) - Fraction(side["stop_loss"]))
    found = result(made)
    assert found.r == rounded(gain / risk)
    assert found.pips == rounded(gain * 10_000)
    assert found.percent == rounded(gain * 100 / Fraction(fill))
