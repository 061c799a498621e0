from datetime import UTC, datetime, timedelta

from signalpost import Candle, Timeframe
from signalpost.trading.market_replay import closes

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def candles(first: datetime, step: timedelta, number: int) -> list[Candle]:
    return [Candle(time=first + n * step, open=1, high=1, low=1, close=1) for n in range(number)]


def test_candles_come_in_the_order_of_their_closes() -> None:
    hours = candles(NOON, timedelta(hours=1), 4)
    long = candles(NOON, timedelta(hours=4), 1)
    instants = list(closes({"hourly": (Timeframe("H1"), hours), "four": (Timeframe("H4"), long)}))
    assert [at for at, _ in instants] == [NOON + timedelta(hours=n) for n in (1, 2, 3, 4)]
    assert [[closed.key for closed in group] for _, group in instants] == [*[["hourly"]] * 3, ["four", "hourly"]]
    assert [closed.candle for _, group in instants for closed in group if closed.key == "hourly"] == hours


def test_without_streams_there_are_no_closes() -> None:
    assert list(closes({})) == []
