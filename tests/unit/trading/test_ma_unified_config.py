from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from signalpost import InvalidConfiguration, MAUnifiedConfig
from signalpost.domain.text import LONGEST_ID
from signalpost.trading.strategies.ma_unified_config import LONGEST_KEY


def config(**other: Any) -> MAUnifiedConfig:
    return MAUnifiedConfig(**{"pair": "EUR/USD", "timeframe": "4h", "fast": 10, "slow": 20, **other})


def test_what_is_left_out_is_the_earlier_systems() -> None:
    plain = config()
    assert (plain.pair, plain.timeframe, plain.key, plain.places) == ("EUR_USD", "H4", "EUR_USD_H4", 5)
    assert (plain.atr, plain.atr_period, plain.sl_mult, plain.tp_mult) == ("simple", 14, 2, 3)
    assert (plain.min_atr, plain.min_rr, plain.confidence, plain.inverted) == (0, 0, None, False)


def test_numbers_become_exact_decimals() -> None:
    made = config(sl_mult=1.5, tp_mult="2.25", min_atr=0.0002, confidence=0.85)
    assert (made.sl_mult, made.tp_mult, made.min_atr) == (Decimal("1.5"), Decimal("2.25"), Decimal("0.0002"))
    assert made.confidence == Decimal("0.85")


def test_decimals_are_the_instruments_the_given_ones_or_left_open() -> None:
    assert config(pair="USD_JPY").places == 3
    assert config(pair="USD_JPY", places=0).places == 0
    assert config(pair="BTC_PERP").places is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"fast": 20}, "fast and slow are both 20: they would never cross"),
        ({"fast": 30}, r"fast \(30\) is longer than slow \(20\): swap them, or mark it inverted"),
        ({"inverted": True}, "it is marked inverted, but fast .10. is shorter than slow"),
        ({"fast": 20, "inverted": True}, "fast and slow are both 20"),
        ({"inverted": 1}, "inverted is 1: give true or false"),
        ({"fast": 0}, "fast is 0"),
        ({"slow": 100_001}, "slow is 100001"),
        ({"slow": 20.0}, "slow is 20.0"),
        ({"atr_period": -1}, "atr_period is -1"),
        ({"atr_period": True}, "atr_period is True"),
        ({"atr": "ema"}, "atr is 'ema': give one of simple, wilder"),
        ({"atr": ["simple"]}, "atr is "),
        ({"sl_mult": 0}, "sl_mult is 0: it must be above zero"),
        ({"tp_mult": "-3"}, "tp_mult is -3"),
        ({"tp_mult": "nan"}, "tp_mult is NaN"),
        ({"min_atr": -1}, "min_atr is -1: it cannot be negative"),
        ({"min_rr": "many"}, "min_rr is 'many'"),
        ({"confidence": "1.01"}, "confidence is 1.01: give a share between 0 and 1"),
        ({"confidence": -0.1}, "confidence is -0.1"),
        ({"places": 19}, "places is 19: give 0 to 18"),
        ({"places": True}, "places is True"),
        ({"pair": "€"}, "pair is "),
        ({"timeframe": "1M"}, "months differ"),
        ({"key": " "}, "key is empty"),
        ({"key": "k" * 81}, "key is 'kkk.*: give at most 80 characters"),
        ({"strategy_name": ""}, "strategy_name is empty"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_mend(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidConfiguration, match=told):
        config(**settings)


def test_an_inverted_configuration_is_taken_where_it_is_marked() -> None:
    assert config(fast=160, slow=20, inverted=True).inverted


def test_the_edges_are_taken() -> None:
    assert config(fast=1, slow=100_000, atr_period=1, places=12, confidence=1).confidence == 1
    assert config(confidence=0).confidence == 0


def test_the_stream_says_more_only_where_the_key_does() -> None:
    assert config().stream == "EUR_USD:H4"
    assert config(key="EUR_USD_H4").stream == "EUR_USD:H4"
    assert config(key="quick").stream == "EUR_USD:H4:quick"


def test_the_longest_names_still_make_the_id_of_a_signal() -> None:
    """A key that is taken here must never make a signal impossible later."""
    from signalpost.domain.identity import fitted_id
    from signalpost.domain.instant import compact
    from signalpost.domain.signal import strategy_slug

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
