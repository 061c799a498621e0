"""A feed of a user's own class: whatever it returns or raises, only its own streams fail, and closing takes seconds."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signalpost import clock
from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.calendar import ALWAYS
from signalpost.trading.feeds.bounded import CLOSE_WITHIN, BoundedFeed
from signalpost.trading.feeds.port import Fetched
from signalpost.trading.outcomes import QuoteCandle

START = datetime(2026, 3, 3, tzinfo=UTC)
PAIR, M1 = Instrument("EUR_USD"), Timeframe("M1")
CANDLE = Candle(time=START, open=1, high=2, low=1, close=2)
QUOTE = QuoteCandle(CANDLE, CANDLE, START, is_mid=True)


class Own:
    name, calendar = "own", ALWAYS

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def fetch(self, *_: object, **__: object) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def quotes(self, *_: object, **__: object) -> Any:
        return await self.fetch()

    async def close(self) -> None:
        await asyncio.Event().wait()


async def failure(answer: object, method: str) -> FeedFailed:
    with pytest.raises(FeedFailed) as raised:
        await getattr(BoundedFeed(Own(answer)), method)(PAIR, M1, since=START)
    return raised.value


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        *(("fetch", each) for each in (None, ([],), (CANDLE,), Fetched(("x",)), Fetched([CANDLE]))),  # type: ignore[arg-type]
        *(("quotes", each) for each in (None, [QUOTE], (CANDLE,))),
    ],
)
async def test_an_answer_of_another_kind_is_a_failure_of_the_feed(method: str, answer: object) -> None:
    error = await failure(answer, method)
    assert (error.code, error.field) == ("not-usable", method)


async def test_a_right_answer_is_passed_on() -> None:
    assert await BoundedFeed(Own(Fetched((CANDLE,)))).fetch(PAIR, M1) == Fetched((CANDLE,))
    assert await BoundedFeed(Own((QUOTE,))).quotes(PAIR, M1, since=START) == (QUOTE,)


@pytest.mark.parametrize("fault", [asyncio.CancelledError(), SystemExit(3)])
async def test_a_feed_can_end_neither_its_streams_nor_the_program(fault: BaseException) -> None:
    assert (await failure(fault, "fetch")).code == "feed-raised"


async def test_a_fetch_that_is_cancelled_ends() -> None:
    own = Own(None)
    own.fetch = own.close  # type: ignore[method-assign,assignment]
    fetching = asyncio.create_task(BoundedFeed(own).quotes(PAIR, M1, since=START))
    await asyncio.sleep(0)
    fetching.cancel()
    await asyncio.wait([fetching])
    assert fetching.cancelled()


def test_a_feed_that_cannot_close_delays_the_end_by_seconds() -> None:
    async def main() -> None:
        await BoundedFeed(Own(None)).close()
        assert clock.now() - START == timedelta(seconds=CLOSE_WITHIN)

    run_virtual(main(), START)
