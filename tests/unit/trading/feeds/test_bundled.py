from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from signalpost import Instrument, InvalidConfiguration
from signalpost.trading.feeds.bundled import TIMEFRAME, bundled_candles, bundled_days, bundled_pairs
from signalpost.trading.strategies_file import bundled_strategies
from tests.surface.errors import Facts, facts_of


def test_seven_pairs_with_strategies_are_bundled() -> None:
    configured = {each.config.pair for each in bundled_strategies()}
    assert len(bundled_pairs()) == 7
    assert configured - set(bundled_pairs()) == {Instrument("NZD_USD")}


def test_each_pair_has_two_years_of_h4_and_daily_candles() -> None:
    for pair in bundled_pairs():
        candles, days = bundled_candles(pair), bundled_days(pair).candles
        assert candles[0].time == datetime(2020, 1, 5, 22, tzinfo=UTC)
        assert candles[-1].time + TIMEFRAME.duration == datetime(2022, 3, 4, 22, tzinfo=UTC)
        assert len(candles) == 3_378
        assert len(days) == 563
        assert days[-1].close == candles[-1].close
        assert all(later.time - day.time >= timedelta(hours=23) for day, later in pairwise(days))


def test_candles_straddle_the_days_end_only_between_the_clock_changes() -> None:
    weeks = {str(week) for pair in bundled_pairs() for week in bundled_days(pair).straddling_weeks}
    assert weeks == {
        *("2020-03-09", "2020-03-16", "2020-03-23", "2020-10-26"),
        *("2021-03-15", "2021-03-22", "2021-11-01"),
    }


def test_a_pair_without_candles_is_refused_with_the_available_ones() -> None:
    with pytest.raises(InvalidConfiguration, match="NZD_USD") as refusal:
        bundled_candles(Instrument("NZD_USD"))
    assert facts_of(refusal.value) == [Facts("unknown-word", "pair", "NZD_USD", ", ".join(bundled_pairs()))]
