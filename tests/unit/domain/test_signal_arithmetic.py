from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Context, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from signalpost import Signal, SignalType

Hostile = Callable[[], AbstractContextManager[Context]]
WIDE = Context(prec=60)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Decimal]:
    """Prices of a BUY that are a valid SELL when mirrored around the entry."""
    places = draw(st.integers(0, 12))
    entry = draw(st.integers(3, 10**12))
    risk, reward, move = (draw(st.integers(1, entry - 1)) for _ in range(3))
    ticks = {"entry": entry, "risk": risk, "reward": reward, "move": move}
    return {name: Decimal(number).scaleb(-places, WIDE) for name, number in ticks.items()}


def half_even(value: Fraction) -> Fraction:
    return Fraction(round(value * 10**18), 10**18)


@given(plans(), st.sampled_from(SignalType), st.sampled_from(["EUR_USD", "USD_JPY", "BTC_USDT"]))
def test_risk_pips_and_r_are_exact_in_any_decimal_context(
    hostile: Hostile, plan: dict[str, Decimal], side: SignalType, pair: str
) -> None:
    sign = side.sign
    prices = {
        "entry_price": plan["entry"],
        "stop_loss": WIDE.subtract(plan["entry"], plan["risk"] * sign),
        "take_profit": WIDE.add(plan["entry"], plan["reward"] * sign),
        "current_price": WIDE.add(plan["entry"], plan["move"] * sign),
    }
    with hostile():
        signal = Signal(pair=pair, timeframe="H4", signal_type=side, timestamp="2025-08-20T01:00:00Z", **prices)
        found = (signal.risk, signal.pnl, signal.stop_pips, signal.target_pips, signal.r_multiple(signal.current_price))
        ratio = signal.risk_reward_ratio
        pip = Fraction(signal.pip) if signal.pair.pip else None
    risk, reward, move = (Fraction(plan[name]) for name in ("risk", "reward", "move"))
    in_pips = (half_even(risk / pip), half_even(reward / pip)) if pip else (Fraction(), Fraction())  # None below
    expected = (risk, move, *in_pips, half_even(move / risk))
    assert tuple(Fraction(number or 0) for number in found) == expected
    assert Fraction(ratio or 0) == half_even(reward / risk)
