from datetime import timedelta

import pytest

from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.calendar import FX
from signalpost.trading.feeds.bundled import bundled_candles, bundled_days
from signalpost.trading.feeds.replay import ReplayFeed

PAIR = Instrument("EUR_USD")


@pytest.mark.parametrize("timeframe", ["H4", "D"])
async def test_without_candles_of_its_own_a_replay_has_the_bundled_ones(timeframe: str) -> None:
    known = bundled_candles(PAIR) if timeframe == "H4" else bundled_days(PAIR).candles
    feed = ReplayFeed(name="demo", calendar=FX)
    with ManualClock(known[300].time + timedelta(minutes=5)):
        fetched = await feed.fetch(PAIR, Timeframe(timeframe), since=known[0].time)
    assert fetched.candles == known[:300]
    assert fetched.forming == known[300].time


@pytest.mark.parametrize("candles", [None, {(PAIR, Timeframe("H4")): bundled_candles(PAIR)}])
@pytest.mark.parametrize(("pair", "timeframe"), [("EUR_USD", "M1"), ("BTC_USDT", "H4")])
async def test_a_stream_that_a_replay_does_not_have_is_named(candles: object, pair: str, timeframe: str) -> None:
    feed = ReplayFeed(name="demo", calendar=FX, candles=candles)  # type: ignore[arg-type]
    with pytest.raises(FeedFailed) as caught:
        await feed.fetch(Instrument(pair), Timeframe(timeframe))
    fault = caught.value.errors[0]
    assert (fault.code, fault.value) == ("not-found", f"{pair} {timeframe}")
    assert "EUR_USD H4" in (fault.limit or "")
