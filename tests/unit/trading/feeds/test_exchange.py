"""The feed of crypto exchanges: the real library against an exchange on loopback."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signalpost.domain.candle import Candle
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.feeds.port import Fetched
from tests.exchange_server import ExchangeServer
from tests.unit.trading.feeds.coin_feed import (
    CANDLES,
    FIRST,
    GRACE,
    M1,
    MINUTE,
    PAIR,
    RUNNING,
    SERIES,
    failure,
    feed,
    fetched,
    paths,
    served,
)


@pytest.mark.parametrize("name", ["binance", "kraken"])
async def test_candles_are_exact_and_the_running_one_is_not_among_them(server: ExchangeServer, name: str) -> None:
    expected = Fetched(CANDLES[:-1], forming=RUNNING.time)
    assert await fetched(server, name=name) == expected
    assert await fetched(server, CANDLES[0].time, name=name) == expected


async def test_a_draft_is_never_taken_and_the_final_prices_are(server: ExchangeServer, clock: ManualClock) -> None:
    second = CANDLES[20]
    server.drafts[second.time] = Candle(time=second.time, open=1, high=9, low=1, close=9)
    for ahead in (timedelta(), timedelta(seconds=2), MINUTE - timedelta(milliseconds=1)):
        clock.set(second.time + ahead)
        assert await fetched(server) == Fetched(CANDLES[:20], forming=second.time)
    clock.advance(timedelta(milliseconds=1))
    assert (await fetched(server)).candles[-1] == second, "a newer row is there"


async def test_a_clock_that_is_ahead_closes_no_candle(clock: ManualClock) -> None:
    with served(CANDLES, lambda: clock.now() - timedelta(seconds=90)) as server:
        clock.set(CANDLES[20].time + timedelta(seconds=92))
        assert await fetched(server) == Fetched(CANDLES[:20], forming=CANDLES[20].time)
        assert await fetched(server, CANDLES[0].time, 20) == Fetched(CANDLES[:20], forming=CANDLES[20].time)


async def test_a_clock_that_is_behind_skips_no_candle(clock: ManualClock) -> None:
    with served(CANDLES, lambda: clock.now() + timedelta(minutes=5)) as server:
        clock.set(CANDLES[20].time)
        assert await fetched(server, CANDLES[0].time) == Fetched(CANDLES[:25], forming=CANDLES[25].time)


@pytest.mark.parametrize("name", ["binance", "kraken"])
async def test_the_last_row_is_closed_once_the_exchange_says_so(
    server: ExchangeServer, clock: ManualClock, name: str
) -> None:
    clock.set(RUNNING.time + MINUTE + GRACE - timedelta(seconds=1))
    assert await fetched(server, name=name) == Fetched(CANDLES[:-1], forming=RUNNING.time), "it may be incomplete"
    clock.advance(timedelta(seconds=1))
    server.requests.clear()
    assert await fetched(server, CANDLES[0].time, name=name) == Fetched(CANDLES)
    first, request, again = paths(server)[-3:]
    assert (first, request.lower(), again) == (again, "time", first), "its final prices were fetched after the time"


async def test_prices_that_change_between_two_requests_are_the_later_ones(
    server: ExchangeServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer was made before the close, but our clock says that it was after it."""
    clock.set(RUNNING.time + MINUTE + GRACE)
    draft = Candle(time=RUNNING.time, open=1, high=1, low=1, close=1)
    true, server.candles["BTC_USDT", "M1"][-1] = server.page, draft

    def page(path: str, query: dict[str, str], authorization: str | None) -> tuple[int, str]:
        if path.endswith("time"):
            server.candles["BTC_USDT", "M1"][-1] = RUNNING
        return true(path, query, authorization)

    monkeypatch.setattr(server, "page", page)
    assert (await fetched(server, CANDLES[0].time)).candles == CANDLES


async def test_without_the_time_of_the_exchange_only_a_newer_row_closes_one(
    server: ExchangeServer, clock: ManualClock
) -> None:
    clock.set(RUNNING.time + MINUTE * 5)
    server.has_time = False
    assert await fetched(server) == Fetched(CANDLES[:-1], forming=RUNNING.time)
    async with feed(server, prepare=lambda exchange: exchange.has.update(fetchTime=False)) as source:
        assert await source.fetch(PAIR, M1) == Fetched(CANDLES), "our clock counts if the exchange has none"


async def test_missing_rows_stay_missing(server: ExchangeServer) -> None:
    del server.candles["BTC_USDT", "M1"][10:13]
    expected = CANDLES[:10] + CANDLES[13:-1]
    assert (await fetched(server)).candles == expected
    assert (await fetched(server, CANDLES[11].time)).candles == CANDLES[13:-1], "older rows prove that none was lost"
    assert (await fetched(server, CANDLES[13].time - MINUTE / 2)).candles == CANDLES[13:-1]


async def test_the_newest_candles_are_complete_although_one_is_missing_before_the_first_page(
    server: ExchangeServer, clock: ManualClock
) -> None:
    server.candles["BTC_USDT", "M1"] = [*CANDLES[:5], *CANDLES[6:]]
    server.most = 3
    clock.set(CANDLES[8].time)
    async with feed(server, prepare=partial(_limit, 3)) as source:
        found = await source.fetch(PAIR, M1, limit=3)
    assert found.candles == (CANDLES[4], *CANDLES[6:8])


def _limit(rows: int, exchange: Any) -> None:
    """Let the exchange's answers have this many rows at most."""
    exchange.features["spot"]["fetchOHLCV"]["limit"] = rows


async def test_a_pause_that_is_longer_than_an_answer_is_passed(server: ExchangeServer, clock: ManualClock) -> None:
    """Some exchanges answer with a window of time, which may be empty."""
    later = [candle.but(time=candle.time + timedelta(minutes=100)) for candle in CANDLES[10:]]
    server.candles["BTC_USDT", "M1"] = [*CANDLES[:10], *later]
    server.has_windows = True
    server.most = 20
    clock.set(later[-1].time)
    async with feed(server, prepare=partial(_limit, 20)) as source:
        found = await source.fetch(PAIR, M1, since=CANDLES[0].time)
        assert found == Fetched((*CANDLES[:10], *later[:-1]), forming=later[-1].time)
        clock.advance(timedelta(days=3))
        assert (await source.fetch(PAIR, M1, since=later[-5].time)).candles == tuple(later[-5:])
        assert await source.fetch(PAIR, M1, since=clock.now()) == Fetched(())


async def test_a_pair_without_candles_has_none(server: ExchangeServer) -> None:
    server.candles["BTC_USDT", "M1"] = []
    assert await fetched(server) == Fetched(())
    assert await fetched(server, CANDLES[0].time) == Fetched(())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    most=st.integers(3, 45),
    limit=st.integers(1, 45) | st.integers(1, 5),
    now=st.integers(0, 42 * 60),
    since=st.none() | st.integers(0, 41 * 60),
    missing=st.sets(st.integers(5, 38), max_size=6),
)
def test_any_page_size_gives_the_same_candles(
    most: int, limit: int, now: int, since: int | None, missing: set[int]
) -> None:
    at = FIRST + timedelta(seconds=now)
    start = None if since is None else FIRST + timedelta(seconds=since)
    series = [each for number, each in enumerate(CANDLES) if number not in missing]
    with ManualClock(at) as clock, served(series, clock.now, most=most) as server:
        found, quotes = asyncio.run(_with_quotes(server, start, limit, most))
    seen = [each for each in series if each.time <= at and (start is None or each.time >= start)]
    closed = [each for each in seen if each is not seen[-1] or each.time + MINUTE + GRACE <= at]
    is_more = start is not None and len(closed) > limit
    assert found.candles == tuple(closed[:limit] if start is not None else closed[-limit:])
    assert found.is_more == is_more
    assert found.forming == (seen[-1].time if len(closed) < len(seen) and not is_more else None)
    assert quotes == found.candles


async def _with_quotes(
    server: ExchangeServer, since: datetime | None, limit: int, most: int
) -> tuple[Fetched, tuple[Candle, ...]]:
    async with feed(server, prepare=partial(_limit, most)) as source:
        found = await source.fetch(PAIR, M1, since=since, limit=limit)
        if since is None:
            return found, found.candles
        quotes = await source.quotes(PAIR, M1, since=since, limit=limit)
        assert all(each.is_mid and each.bid == each.ask for each in quotes)
        assert [each.closes_at for each in quotes] == [each.time + MINUTE for each in found.candles]
        return found, tuple(each.bid for each in quotes)


async def test_a_history_that_is_too_short_is_an_error_and_not_a_gap(clock: ManualClock) -> None:
    clock.set(SERIES[-1].time)
    with served(SERIES, clock.now) as server:
        kept = SERIES[-720:]
        found = await failure(server, SERIES[0].time, name="kraken")
        assert (found.code, found.field) == ("short-history", "since")
        assert (found.errors[0].value, found.errors[0].limit) == ("2026-03-01T10:00:00Z", "2026-03-01T13:00:00Z")
        assert (await fetched(server, kept[0].time, 900, name="kraken")).candles == tuple(kept[:-1])
        assert (await fetched(server, None, 900, name="kraken")).candles == tuple(kept[:-1]), "there are no others"


async def test_rows_that_an_exchange_deletes_between_two_answers_are_an_error_and_not_a_gap(
    server: ExchangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, server.most = server.page, 5

    def page(path: str, query: dict[str, str], authorization: str | None) -> tuple[int, str]:
        answer = true(path, query, authorization)
        if path.endswith("klines"):
            server.candles["BTC_USDT", "M1"] = list(CANDLES[20:])
        return answer

    monkeypatch.setattr(server, "page", page)
    found = await failure(server, CANDLES[0].time)
    assert (found.code, found.errors[0].value) == ("short-history", "2026-03-01T10:04:00Z")


async def test_a_history_of_which_only_the_running_row_is_left_is_too_short(server: ExchangeServer) -> None:
    server.candles["BTC_USDT", "M1"] = [RUNNING]
    assert (await failure(server, CANDLES[0].time)).code == "short-history"


async def test_an_answer_that_is_cut_says_so(server: ExchangeServer) -> None:
    assert await fetched(server, CANDLES[7].time, 3) == Fetched(CANDLES[7:10], is_more=True)
    assert await fetched(server, CANDLES[-4].time, 3) == Fetched(CANDLES[-4:-1], forming=RUNNING.time)


async def test_newest_candles_that_do_not_fit_in_an_answer_are_fetched_in_several(server: ExchangeServer) -> None:
    server.most = 8
    found = await fetched(server, limit=30)
    assert found == Fetched(CANDLES[-31:-1], forming=RUNNING.time)


async def test_no_more_rows_are_requested_than_there_can_be(server: ExchangeServer) -> None:
    """Exchanges allow fewer requests for long answers."""
    assert (await fetched(server, CANDLES[-4].time)).candles == CANDLES[-4:-1]
    assert [request.query["limit"] for request in server.requests if request.path.endswith("klines")] == ["6"]
