"""The asset class of an instrument decides the unit of its distances, and whether sessions are shown."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain import precision
from signalpost.domain.asset_class import AssetClass
from signalpost.domain.distance import distance_of
from signalpost.domain.instrument import Instrument
from tests.unit.domain.conftest import Hostile

SYMBOLS: dict[AssetClass | None, str] = {
    AssetClass.FX: "EURUSD EUR/USD OANDA:EURUSD USD_JPY EURUSD=X usdmxn",
    AssetClass.METAL: "XAUUSD XAG/EUR OANDA:XAUUSD EUR_XAU GOLD SILVER GOLD.r",
    AssetClass.INDEX: (
        "SPX500_USD NAS100_USD OANDA:NAS100USD US30_USD DE30_EUR JP225Y_JPY HK33_HKD TVC:DEU40 FOREXCOM:SPXUSD "
        "NASDAQ:NDX US500.cash USTECm GER40.r JPN225 AUS200.spot [SP500] ^GSPC .DJI #US30 $SPX CME_MINI:ES1! MNQZ2026 "
        "ESZ6 ES=F /ES /MNQZ26 US500 NAS100"
    ),
    AssetClass.STOCK: "AAPL NASDAQ:AAPL BRK.B VOD.L 7203.T ES BRK-B SOL",
    AssetClass.CRYPTO: (
        "BTC/USDT BTCUSDT BINANCE:BTCUSDT.P BTC/USDT:USDT BTC/USD:BTC-260327 COINBASE:BTCUSD SOLUSD SOL_EUR BTC XBTUSD "
        "ETHBTC 1000SHIBUSDT BTC-PERP BTCPERP BTCUSDTPERP PEPE_USDC USDT_TRY"
    ),
    None: "CL1!-CL2! WTICO_USD US500_X ZB1! NATGAS_USD X_EXAMPLE",
}


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [(symbol, kind) for kind, names in SYMBOLS.items() for symbol in names.split()] + [("ES 12-26", AssetClass.INDEX)],
)
def test_the_class_of_a_symbol(symbol: str, kind: AssetClass | None) -> None:
    assert Instrument(symbol).asset_class is kind


def test_only_currencies_and_metals_have_sessions() -> None:
    assert [kind for kind in AssetClass if kind.has_sessions] == [AssetClass.FX, AssetClass.METAL]


@pytest.mark.parametrize(
    ("pair", "entry", "exit_price", "amount", "unit", "places"),
    [
        ("USD_JPY", "150.000", "149.250", "-75", "pips", 1),
        ("EUR_USD", "1.08524", "1.08700", "17.6", "pips", 1),
        ("XAU_USD", "2350", "2362", "12", "USD", 2),
        ("XAG_EUR", "30", "30.5", "0.5", "EUR", 2),
        ("GOLD", "2350", "2362.50", "12.5", "USD", 2),
        ("NAS100", "18000", "17950", "-50", "points", 1),
        ("BTC/USDT", "60000", "61500", "2.5", "%", 2),
        ("AAPL", "200", "205", "2.5", "%", 2),
        ("WTICO_USD", "-2", "-1", "50", "%", 2),
        ("CL1!-CL2!", "0", "-0.25", "-0.25", "points", 1),
        ("AAPL", "3", "5", "66.666666666666666667", "%", 2),
    ],
)
def test_a_distance_is_in_the_unit_of_its_class(
    pair: str, entry: str, exit_price: str, amount: str, unit: str, places: int, hostile: Hostile
) -> None:
    distance = Decimal(exit_price) - Decimal(entry)
    with hostile():
        found = distance_of(Instrument(pair), distance, Decimal(entry))
    assert (str(found.amount), found.unit, found.places) == (amount, unit, places)


def test_gold_has_pips_once_the_operator_sets_one() -> None:
    gold = Instrument("XAU_CHF").quoted(pip="0.1", places=2)
    found = distance_of(gold, Decimal(12), Decimal(2350))
    precision.forget_override(gold.symbol)
    assert (found.amount, found.unit) == (120, "pips")
    assert distance_of(gold, Decimal(12), Decimal(2350)).unit == "CHF"


@given(
    st.sampled_from(["EUR_USD", "XAU_USD", "US30", "AAPL", "BTC_USDT", "CL1!"]),
    st.integers(-(10**11), 10**11),
    st.integers(100, 10**11),
)
def test_a_gain_and_the_same_loss_differ_only_in_sign(pair: str, moved: int, price: int) -> None:
    distance, entry = (Decimal(each).scaleb(-5) for each in (moved, price))
    gain, loss = (distance_of(Instrument(pair), each, entry) for each in (distance, distance.copy_negate()))
    assert (gain.amount, gain.unit) == (loss.amount.copy_negate(), loss.unit)
    if gain.unit == "%":
        assert abs(Fraction(gain.amount) - Fraction(distance) * 100 / Fraction(entry)) <= Fraction(1, 2 * 10**18)
