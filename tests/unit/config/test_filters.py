"""The filters of new signals: from the file and from the environment, with an error for each bad value."""

from decimal import Decimal
from pathlib import Path

import pytest

from signalpost.config import Config
from signalpost.config.settings import FILTER_SETTINGS
from signalpost.delivery.deduplication import NO_FILTERS, Filters
from signalpost.domain.price_step import PriceStep
from tests.unit.config.test_toml_file import faults, read

FILE = """
    [filters]
    notifications_enabled = false
    pairs = "EUR/USD, xauusd"
    timeframes = "1h, H4"
    min_confidence = 0.7
    min_rr = 2
    one_per_candle = true
    pair_cooldown_minutes = 15
    max_per_minute = 5
    max_per_hour = 30
    max_per_day = 100
    price_notes = "20 pips"
"""
VARIABLES = {
    "DISCORD_NOTIFICATIONS_ENABLED": "false",
    "DISCORD_ENABLED_PAIRS": "EUR_USD,XAU/USD",
    "DISCORD_ENABLED_TIMEFRAMES": "H4,h1",
    "DISCORD_MIN_CONFIDENCE": "0.70",
    "DISCORD_MIN_RR_RATIO": "2.0",
    "DISCORD_PAIR_COOLDOWN_MINUTES": "15",
    "DISCORD_MAX_SIGNALS_PER_MINUTE": "5",
    "DISCORD_MAX_SIGNALS_PER_HOUR": "30",
    "DISCORD_MAX_SIGNALS_PER_DAY": "100",
    "SIGNALPOST_PRICE_NOTES": "20pips",
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_settings_there_are_no_filters() -> None:
    assert read("").filters == NO_FILTERS == read("[filters]\npairs = 'all'\nmin_rr = 0").filters


def test_file_and_environment_mean_the_same() -> None:
    filters = read(FILE).filters
    assert filters == read("[filters]\none_per_candle = true", **VARIABLES).filters
    assert filters.pairs == {"EUR_USD", "XAU_USD"}
    assert filters == Filters(
        notifications_enabled=False,
        pairs=filters.pairs,
        timeframes=filters.timeframes,
        min_confidence=Decimal("0.7"),
        min_rr=Decimal(2),
        one_per_candle=True,
        pair_cooldown_minutes=15,
        max_per_minute=5,
        max_per_hour=30,
        max_per_day=100,
        price_notes=PriceStep.of("20 pips"),
    )
    assert {setting.variable for setting in FILTER_SETTINGS if setting.variable} == {*VARIABLES}


def test_there_is_a_price_note_for_each_half_of_the_risk_unless_they_are_off() -> None:
    assert read("").filters.price_notes == PriceStep.of("0.5R")
    assert read("[filters]\nprice_notes = 'off'").filters == Filters(price_notes=None)
    assert read("", SIGNALPOST_PRICE_NOTES="OFF").filters.price_notes is None


def test_a_dot_env_file_has_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("DISCORD_MIN_RR_RATIO=1.5\nDISCORD_MAX_SIGNALS_PER_YEAR=1\nDISCORD_TOKEN=x\n")
    Path(".env").chmod(0o600)
    monkeypatch.setenv("DISCORD_MAX_SIGNALS_PER_HOUR", "7")
    config = Config.from_environment()
    assert config.filters == Filters(min_rr=Decimal("1.5"), max_per_hour=7)
    assert [note for note in config.notes if "DISCORD_TOKEN" in note or "_PER_YEAR" in note] == list(config.notes)
    assert len(config.notes) == 1


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("notifications_enabled", "maybe", "unknown-word"),
        ("pairs", "EUR/USD,,GBP/USD", "missing"),
        ("timeframes", "H4, sometimes", "unknown-word"),
        ("min_confidence", "70", "out-of-range"),
        ("min_confidence", "nan", "not-a-number"),
        ("min_rr", "-1", "out-of-range"),
        ("min_rr", "high", "not-a-number"),
        ("pair_cooldown_minutes", "1.5", "out-of-range"),
        ("max_per_minute", "many", "out-of-range"),
        ("max_per_hour", "-1", "out-of-range"),
        ("price_notes", "0.5", "invalid-step"),
        ("price_notes", "0%", "out-of-range"),
    ],
)
def test_each_bad_value_is_an_error_in_every_source(key: str, value: str, code: str) -> None:
    (setting,) = (each for each in FILTER_SETTINGS if each.key == key)
    (fault,) = faults("", **{setting.variable: value})
    assert (fault.field, fault.code) == (setting.variable, code)
    assert fault.limit or key in {"pairs", "timeframes"}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("max_per_hour = '3'", "wrong-kind"),
        ("min_rr = '1.5'", "wrong-kind"),
        ("min_rr = true", "wrong-kind"),
        ("min_confidence = 7", "out-of-range"),
        ("pairs = ['EUR/USD']", "wrong-kind"),
        ("price_notes = 0.5", "wrong-kind"),
        ("price_notes = '5 points'", "invalid-step"),
        ("max_per_our = 3", "unknown-field"),
    ],
)
def test_a_bad_line_of_the_file_is_an_error(line: str, code: str) -> None:
    (fault,) = faults(f"[filters]\n{line}")
    assert fault.code == code
