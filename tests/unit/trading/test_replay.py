from collections import Counter

from signalpost import Candle, Filtered, Instrument, MAUnifiedConfig, MAUnifiedStrategy, Signal
from signalpost.trading.feeds.bundled import bundled_candles
from signalpost.trading.replay import Replay, replay

PAIR = Instrument("EUR_USD")


def made(**settings: object) -> Replay:
    config = MAUnifiedConfig(pair=PAIR, timeframe="H4", fast=10, slow=20, **settings)  # type: ignore[arg-type]
    return replay(MAUnifiedStrategy(config), bundled_candles(PAIR))


def test_a_replay_has_the_strategys_results_in_order() -> None:
    strategy = MAUnifiedStrategy(MAUnifiedConfig(pair=PAIR, timeframe="H4", fast=10, slow=20, min_atr="0.0015"))
    answers = [strategy.on_candle(candle) for candle in bundled_candles(PAIR)]
    result = made(min_atr="0.0015")
    assert result.candles == len(answers) == 3_378
    assert result.signals == tuple(answer for answer in answers if isinstance(answer, Signal))
    assert result.filtered == tuple(answer for answer in answers if isinstance(answer, Filtered))
    assert result.signals
    assert result.filtered
    assert result.crosses == len(result.signals) + len(result.filtered)


def test_crosses_are_counted_by_filter() -> None:
    loose, strict = made(), made(min_atr=1, min_rr=2)
    assert loose.count_by_filter == Counter()
    assert strict.count_by_filter == Counter({"min atr": loose.crosses, "min rr": loose.crosses})


def test_the_time_per_candle_is_the_total_divided_by_their_number() -> None:
    result = made()
    assert result.seconds > 0
    assert result.microseconds_a_candle == result.seconds / 3_378 * 1e6


def test_a_replay_of_no_candles_is_empty() -> None:
    nothing: list[Candle] = []
    result = replay(MAUnifiedStrategy(MAUnifiedConfig(pair=PAIR, timeframe="H4", fast=1, slow=2)), nothing)
    assert (result.candles, result.crosses, result.microseconds_a_candle) == (0, 0, 0.0)
