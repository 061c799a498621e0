from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from signalpost import InvalidConfiguration, MAUnifiedConfig
from signalpost.domain.text import LONGEST_ID
from signalpost.trading.strategies.atr_config import LONGEST_KEY
from tests.surface.errors import Facts, facts_of


def config(**other: Any) -> MAUnifiedConfig:
    return MAUnifiedConfig(**{"pair": "EUR/USD", "timeframe": "4h", "fast": 10, "slow": 20, **other})


def test_defaults_are_those_of_the_earlier_system() -> None:
    plain = config()
    assert (plain.pair, plain.timeframe, plain.key, plain.places) == ("EUR_USD", "H4", "EUR_USD_H4", 5)
    assert (plain.atr, plain.atr_period, plain.sl_mult, plain.tp_mult) == ("simple", 14, 2, 3)
    assert (plain.min_atr, plain.min_rr, plain.confidence, plain.inverted) == (0, 0, None, False)


def test_numbers_become_exact_decimals() -> None:
    made = config(sl_mult=1.5, tp_mult="2.25", min_atr=0.0002, confidence=0.85)
    assert (made.sl_mult, made.tp_mult, made.min_atr) == (Decimal("1.5"), Decimal("2.25"), Decimal("0.0002"))
    assert made.confidence == Decimal("0.85")


def test_decimals_are_given_or_the_instruments_or_not_known() -> None:
    assert config(pair="USD_JPY").places == 3
    assert config(pair="USD_JPY", places=0).places == 0
    assert config(pair="BTC_PERP").places is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"fast": 20}, Facts("conflict", "slow", "20", "fast: 20")),
        ({"fast": 30}, Facts("conflict", "inverted", "False", "fast: 30, slow: 20")),
        ({"inverted": True}, Facts("conflict", "inverted", "True", "fast: 10, slow: 20")),
        ({"fast": 20, "inverted": True}, Facts("conflict", "slow", "20", "fast: 20")),
        ({"inverted": 1}, Facts("not-a-boolean", "inverted", "1")),
        ({"fast": 0}, Facts("out-of-range", "fast", "0", "1 to 100000")),
        ({"slow": 100_001}, Facts("out-of-range", "slow", "100001", "1 to 100000")),
        ({"slow": 20.0}, Facts("out-of-range", "slow", "20.0", "1 to 100000")),
        ({"atr_period": -1}, Facts("out-of-range", "atr_period", "-1", "1 to 100000")),
        ({"atr_period": True}, Facts("out-of-range", "atr_period", "True", "1 to 100000")),
        ({"atr": "ema"}, Facts("unknown-word", "atr", "'ema'", "simple, wilder")),
        ({"atr": ["simple"]}, Facts("unknown-word", "atr", "['simple']", "simple, wilder")),
        ({"sl_mult": 0}, Facts("out-of-range", "sl_mult", "0", "above 0")),
        ({"tp_mult": "-3"}, Facts("out-of-range", "tp_mult", "-3", "above 0")),
        ({"tp_mult": "nan"}, Facts("not-a-number", "tp_mult", "NaN")),
        ({"min_atr": -1}, Facts("out-of-range", "min_atr", "-1", "0 or more")),
        ({"min_rr": "many"}, Facts("not-a-number", "min_rr", "'many'")),
        ({"confidence": "1.01"}, Facts("out-of-range", "confidence", "1.01", "0 to 1")),
        ({"confidence": -0.1}, Facts("out-of-range", "confidence", "-0.1", "0 to 1")),
        ({"places": 19}, Facts("out-of-range", "places", "19", "0 to 18")),
        ({"places": True}, Facts("out-of-range", "places", "True", "0 to 18")),
        ({"pair": "€"}, Facts("invalid-symbol", "pair", "'€'", "64")),
        ({"timeframe": "1M"}, Facts("no-fixed-length", "timeframe", "'1M'", "52 weeks")),
        ({"key": " "}, Facts("missing", "key")),
        ({"key": "k" * 81}, Facts("too-long", "key", repr("k" * 40), "80")),
        ({"strategy_name": ""}, Facts("missing", "strategy_name")),
    ],
)
def test_an_invalid_setting_is_refused_with_its_facts(settings: dict[str, Any], expected: Facts) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        config(**settings)
    assert facts_of(refusal.value) == [expected]
    assert str(expected.field) in str(refusal.value)


def test_an_inverted_configuration_is_accepted_if_it_is_marked() -> None:
    assert config(fast=160, slow=20, inverted=True).inverted


def test_the_limits_themselves_are_accepted() -> None:
    assert config(fast=1, slow=100_000, atr_period=1, places=12, confidence=1).confidence == 1
    assert config(confidence=0).confidence == 0


def test_the_stream_includes_a_custom_key_only() -> None:
    assert config().stream == "EUR_USD:H4"
    assert config(key="EUR_USD_H4").stream == "EUR_USD:H4"
    assert config(key="quick").stream == "EUR_USD:H4:quick"


def test_the_longest_names_still_fit_into_a_signal_id() -> None:
    """A key that is accepted here must never make a signal fail later."""
    from signalpost.domain.identity import fitted_id, strategy_slug
    from signalpost.domain.instant import compact

    longest = config(
        pair="A" * 64,
        timeframe="S31449599",
        key="k" * LONGEST_KEY,
        strategy_name="an extremely long name, " * 20,
    )
    last = compact(datetime.max.replace(tzinfo=UTC))
    whole = f"{strategy_slug(longest.strategy_name)}:{longest.stream}:SELL:{last}"
    assert len(whole) > LONGEST_ID == len(fitted_id(whole))
    assert fitted_id(whole) != fitted_id(whole[:-1])
