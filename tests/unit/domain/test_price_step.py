"""How far a price moves from one price note to the next."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.distance import pip_of
from signalpost.domain.instrument import Instrument
from signalpost.domain.price_step import USUAL_STEP, PriceStep, StepUnit
from signalpost.domain.trade import Filled, Trade
from signalpost.errors import InvalidValue
from tests.unit.trading.outcomes.lives import START, trade


@pytest.mark.parametrize(
    ("text", "amount", "unit", "shown"),
    [
        ("0.5R", "0.5", "R", "0.5R"),
        (" .25 r ", "0.25", "R", "0.25R"),
        ("20pips", "20", "pips", "20 pips"),
        ("7.5 PIPS", "7.5", "pips", "7.5 pips"),
        ("1%", "1", "%", "1%"),
    ],
)
def test_a_step_is_read_with_its_unit(text: str, amount: str, unit: str, shown: str) -> None:
    step = PriceStep.of(text)
    assert (step.amount, step.unit.value, str(step)) == (Decimal(amount), unit, shown)
    assert PriceStep.of(str(step)) == step
    assert str(USUAL_STEP) == "0.5R"


@given(st.decimals("0.001", "9999", places=3), st.sampled_from(StepUnit))
def test_each_step_is_read_as_it_is_written(amount: Decimal, unit: StepUnit) -> None:
    step = PriceStep(amount, unit)
    assert PriceStep.of(str(step)) == step


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0.5", "invalid-step"),
        ("", "invalid-step"),
        ("R", "invalid-step"),
        ("1e3R", "invalid-step"),
        ("-1R", "invalid-step"),
        ("5 points", "invalid-step"),
        ("0R", "out-of-range"),
        ("1.2.3%", "not-a-number"),
    ],
)
def test_anything_else_is_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidValue) as error:
        PriceStep.of(text)
    (fault,) = error.value.errors
    assert (fault.field, fault.code) == ("price_notes", code)


def size(step: str, of: Trade) -> Decimal | None:
    return PriceStep.of(step).size(of)


def test_its_size_in_price_is_exact() -> None:
    euro = trade("SELL", "1.1000", "1.1033")
    assert [size(step, euro) for step in ("0.5R", "20 pips", "1%")] == list(
        map(Decimal, ("0.00165", "0.0020", "0.011"))
    )
    assert size("1R", trade("BUY", "1.1")) is None
    assert size("10 pips", trade("BUY", "60000", pair="BTC/USDT")) is None
    at_zero = trade("BUY", "1").but(fill=Filled(Decimal(0), START))
    assert size("1%", at_zero) is None


def test_metals_have_pips_only_if_the_operator_sets_them() -> None:
    gold = Instrument("XAU/USD")
    assert (pip_of(gold), pip_of(Instrument("EUR/USD")), pip_of(Instrument("USD/JPY"))) == (
        None,
        Decimal("0.0001"),
        Decimal("0.01"),
    )
    assert pip_of(Instrument("XAG_CHF").quoted(places=2, pip="0.1")) == Decimal("0.1")
