from decimal import Decimal
from pathlib import Path

import pytest

from signalpost import InvalidConfiguration, MAUnifiedConfig
from signalpost.trading.strategies_file import ConfiguredStrategy, bundled_strategies, read_strategies
from tests.surface.errors import Facts, facts_of

ONE = """
[[strategy]]
pair = "EUR/USD"
timeframe = "4h"
fast = 40
slow = 140
"""


def read(tmp_path: Path, text: str) -> tuple[ConfiguredStrategy, ...]:
    path = tmp_path / "strategies.toml"
    path.write_text(text, encoding="utf-8")
    return read_strategies(path)


def fault_in(tmp_path: Path, text: str) -> InvalidConfiguration:
    with pytest.raises(InvalidConfiguration) as fault:
        read(tmp_path, text)
    return fault.value


def test_the_sixteen_bundled_strategies_are_those_of_the_earlier_system() -> None:
    strategies = {each.config.key: each.config for each in bundled_strategies()}
    periods = {key: (config.fast, config.slow) for key, config in strategies.items()}
    assert periods == {
        "AUD_USD_H4": (50, 160),
        "AUD_USD_D": (40, 60),
        "EUR_GBP_H4": (40, 90),
        "EUR_GBP_D": (10, 60),
        "EUR_USD_H4": (40, 140),
        "EUR_USD_D": (10, 20),
        "GBP_JPY_H4": (10, 70),
        "GBP_JPY_D": (160, 20),
        "GBP_USD_H4": (40, 50),
        "GBP_USD_D": (10, 80),
        "NZD_USD_H4": (50, 110),
        "NZD_USD_D": (30, 40),
        "USD_CAD_H4": (80, 50),
        "USD_CAD_D": (40, 100),
        "USD_JPY_H4": (30, 90),
        "USD_JPY_D": (10, 20),
    }
    assert {key for key, config in strategies.items() if config.inverted} == {"USD_CAD_H4", "GBP_JPY_D"}
    for key, config in strategies.items():
        stop, target = ("2", "3") if key.endswith("H4") else ("1.5", "2.25")
        assert (config.sl_mult, config.tp_mult, config.min_rr) == (Decimal(stop), Decimal(target), Decimal("1.5"))
        assert (config.atr, config.atr_period, config.confidence) == ("simple", 14, None)
    assert {str(config.min_atr): key for key, config in reversed(strategies.items())} == {
        "0.0001": "EUR_GBP_H4",
        "0.0002": "AUD_USD_H4",
        "0.0003": "AUD_USD_D",
        "0.02": "GBP_JPY_H4",
        "0.03": "GBP_JPY_D",
    }


def test_numbers_are_read_exactly(tmp_path: Path) -> None:
    (only,) = read(tmp_path, ONE + "min_atr = 0.1\nsl_mult = 2.000\nmin_rr = 1.1\n")
    assert (only.config.min_atr, only.config.min_rr) == (Decimal("0.1"), Decimal("1.1"))


def test_optional_settings_have_the_strategys_defaults(tmp_path: Path) -> None:
    (only,) = read(tmp_path, ONE)
    assert only.config == MAUnifiedConfig(pair="EUR_USD", timeframe="H4", fast=40, slow=140)


def test_the_candle_file_defaults_to_pair_and_timeframe(tmp_path: Path) -> None:
    assert read(tmp_path, ONE)[0].data == "EUR_USD_H4.csv.gz"
    assert read(tmp_path, ONE + 'data = "fx/eurusd.csv"')[0].data == "fx/eurusd.csv"


def test_a_strategy_can_override_the_shared_settings_at_the_top(tmp_path: Path) -> None:
    text = 'schema = 1\nstrategy_name = "Shared"\nhistory_candles = 200\n' + ONE
    other = ONE.replace("140", "141") + 'key = "own"\nstrategy_name = "Own"\npoll_seconds = 14400\n'
    names = [each.config.strategy_name for each in read(tmp_path, text + other)]
    assert names == ["Shared", "Own"]


def test_all_faults_are_reported_together_with_file_and_strategy(tmp_path: Path) -> None:
    error = fault_in(tmp_path, ONE + "fats = 3\n" + ONE.replace("slow = 140", "") + ONE.replace("140", "40") + ONE)
    assert facts_of(error) == [
        Facts("unknown-field", "fats", limit="fast"),
        Facts("missing", "slow"),
        Facts("conflict", "slow", "40", "fast: 40"),
    ]
    for number, fault in enumerate(error.errors, start=1):
        assert str(tmp_path / "strategies.toml") in fault.text
        assert f"strategy {number}" in fault.text
    assert str(error).splitlines() == [fault.text for fault in error.errors]


def test_two_strategies_cannot_share_a_key(tmp_path: Path) -> None:
    error = fault_in(tmp_path, ONE + ONE)
    assert facts_of(error) == [Facts("conflict", "key", "'EUR_USD_H4'")]
    assert "2" in str(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Facts("missing", "strategy")),
        ("strategy = []", Facts("missing", "strategy")),
        ("strategy = [1]", Facts("missing", "strategy")),
        ("schema = 2\n" + ONE, Facts("unknown-version", "schema", "2", "1")),
        ("xyzzy = 2\n" + ONE, Facts("unknown-field", "xyzzy")),
        ("[[strategy]\n", Facts("not-readable")),
        (ONE + "data = 3", Facts("not-text", "data", "3")),
        (ONE + 'data = ""', Facts("not-text", "data", "''")),
        (ONE + "confidence = 1.5", Facts("out-of-range", "confidence", "1.5", "0 to 1")),
        (ONE + "min_atr = nan", Facts("not-a-number", "min_atr", "NaN")),
        (ONE + "inverted = 1", Facts("not-a-boolean", "inverted", "1")),
        (ONE.replace("40\n", '"40"\n', 1), Facts("out-of-range", "fast", "'40'", "1 to 100000")),
    ],
)
def test_an_invalid_file_is_refused(tmp_path: Path, text: str, expected: Facts) -> None:
    error = fault_in(tmp_path, text)
    assert facts_of(error) == [expected]
    assert (expected.value or "") in str(error)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    for name in ("none.toml", "latin.toml"):
        with pytest.raises(InvalidConfiguration, match=name) as fault:
            read_strategies(tmp_path / name)
        assert fault.value.code == "not-readable"
