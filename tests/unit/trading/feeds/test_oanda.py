"""The OANDA feed against a server on loopback that is as strict as OANDA."""

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from aiohttp import ClientTimeout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed, InvalidConfiguration
from signalpost.secret import Secret, described
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.calendar import FX
from signalpost.trading.feeds import oanda
from signalpost.trading.feeds.bundled import bundled_candles
from signalpost.trading.feeds.oanda import LIVE, OandaFeed
from signalpost.trading.feeds.port import Fetched
from tests.oanda_server import TOKEN, Fault, OandaServer, closes_at, on_slots

PAIR, H4 = Instrument("EUR_USD"), Timeframe("H4")
CANDLES = bundled_candles(PAIR)[:60]
LAST = CANDLES[-1]
SETTLE = timedelta(seconds=4)
CLOSED = closes_at(LAST.time, "H4") + SETTLE


@pytest.fixture
def clock() -> Iterator[ManualClock]:
    """The time at which the last candle is complete."""
    with ManualClock(CLOSED) as manual:
        yield manual


@pytest.fixture
def server(clock: ManualClock) -> Iterator[OandaServer]:
    """Serves sixty real H4 candles of EUR_USD."""
    with OandaServer({("EUR_USD", "H4"): CANDLES}, now=clock.now, settle=SETTLE) as running:
        yield running


def feed(url: str, token: str = TOKEN) -> OandaFeed:
    return OandaFeed(name="oanda", calendar=FX, url=url, token=Secret(token))


async def fetched(
    server: OandaServer, since: datetime | None = None, limit: int = 500, pair: Instrument = PAIR, frame: str = "H4"
) -> Fetched:
    source = feed(server.url)
    try:
        return await source.fetch(pair, Timeframe(frame), since=since, limit=limit)
    finally:
        await source.close()


async def failure(server: OandaServer, **arguments: object) -> FeedFailed:
    with pytest.raises(FeedFailed) as caught:
        await fetched(server, **arguments)  # type: ignore[arg-type]
    assert TOKEN not in described(caught.value)
    return caught.value


async def test_candles_are_exact_oldest_first_and_only_complete(server: OandaServer, clock: ManualClock) -> None:
    assert await fetched(server) == Fetched(CANDLES)
    clock.advance(-SETTLE)
    assert await fetched(server) == Fetched(CANDLES[:-1], forming=LAST.time)


async def test_a_draft_is_never_taken_and_the_final_prices_are(server: OandaServer, clock: ManualClock) -> None:
    server.drafts[LAST.time] = Candle(time=LAST.time, open=1, high=2, low=1, close=2)
    for ahead in (SETTLE, timedelta(hours=4), timedelta(hours=4) + SETTLE - timedelta(milliseconds=1)):
        clock.set(LAST.time + ahead)
        assert await fetched(server) == Fetched(CANDLES[:-1], forming=LAST.time)
    clock.set(CLOSED)
    assert (await fetched(server, LAST.time)).candles == (LAST,)


async def test_an_answer_that_is_cut_says_so(server: OandaServer) -> None:
    assert await fetched(server, CANDLES[7].time, 3) == Fetched(CANDLES[7:10], is_more=True)
    assert await fetched(server, CANDLES[-3].time, 3) == Fetched(CANDLES[-3:])


async def test_an_empty_slot_stays_empty(server: OandaServer) -> None:
    del server.candles["EUR_USD", "H4"][30]
    assert (await fetched(server)).candles == CANDLES[:30] + CANDLES[31:]


async def test_what_is_sent_is_the_least_that_is_needed(server: OandaServer) -> None:
    await fetched(server, LAST.time, 10)
    (sent,) = server.requests
    expected = {"granularity": "H4", "price": "M", "from": LAST.time.isoformat().replace("+00:00", "Z"), "count": "11"}
    assert sent.query == {**expected, "includeFirst": "true"}


async def test_weeks_begin_with_the_market(server: OandaServer) -> None:
    sunday = datetime(2020, 1, 5, 22, tzinfo=UTC)
    server.candles["EUR_USD", "W"] = on_slots(CANDLES[:3], "W", sunday)
    assert (await fetched(server, frame="W")).candles[0].time == sunday
    assert server.requests[0].query["weeklyAlignment"] == "Sunday"


async def test_a_time_in_the_future_is_never_sent(server: OandaServer, clock: ManualClock) -> None:
    clock.set(LAST.time + timedelta(minutes=1))
    found = await fetched(server, LAST.time + timedelta(hours=4))
    assert found == Fetched(()), "OANDA would reject it"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    most=st.integers(2, 70),
    limit=st.integers(1, 65) | st.integers(1, 5),
    at=st.integers(-1, 59),
    late=st.integers(0, 4 * 3600),
    since=st.none() | st.integers(-3, 64 * 4),
)
def test_any_page_size_gives_the_same_candles(most: int, limit: int, at: int, late: int, since: int | None) -> None:
    now = CANDLES[0].time + timedelta(hours=4 * at, seconds=late)
    start = None if since is None else CANDLES[0].time + timedelta(hours=since)
    closed = [each for each in CANDLES if closes_at(each.time, "H4") + SETTLE <= now]
    shown = [each.time for each in CANDLES if each.time <= now and each not in closed]
    with ManualClock(now) as clock, pytest.MonkeyPatch.context() as patch:
        patch.setattr(oanda, "_MOST", most)
        with OandaServer({("EUR_USD", "H4"): CANDLES}, now=clock.now, settle=SETTLE, most=most) as server:
            found = asyncio.run(fetched(server, start, limit))
            again = asyncio.run(_times_of_quotes(server, start or CANDLES[0].time, limit))
    selected = [each for each in closed if start is None or each.time >= start]
    is_more = start is not None and len(selected) > limit
    assert found.candles == tuple(selected[:limit] if start is not None else selected[-limit:])
    assert found.is_more == is_more
    if not is_more:
        assert found.forming == next((each for each in shown if start is None or each >= start), None)
    assert start is None or again == [each.time for each in found.candles]


async def _times_of_quotes(server: OandaServer, since: datetime, limit: int) -> list[datetime]:
    source = feed(server.url)
    found = await source.quotes(PAIR, H4, since=since, limit=limit)
    await source.close()
    return [each.time for each in found]


async def test_quotes_have_both_sides_and_the_close_of_the_market(server: OandaServer) -> None:
    thursday = datetime(2020, 3, 5, 22, tzinfo=UTC)  # the next day but one ends an hour earlier, by daylight saving
    server.candles["EUR_USD", "D"] = [Candle(time=thursday, open=1, high=1, low=1, close=1)]
    source = feed(server.url)
    found = await source.quotes(PAIR, H4, since=CANDLES[0].time, limit=2)
    assert [(each.time, each.closes_at, each.is_mid) for each in found] == [
        (each.time, closes_at(each.time, "H4"), False) for each in CANDLES[:2]
    ]
    first, half = CANDLES[0], server.spread / 2
    assert (found[0].bid.open, found[0].ask.high) == (first.open - half, first.high + half)
    server.now = lambda: thursday + timedelta(days=5)
    (day,) = await source.quotes(PAIR, Timeframe("D"), since=thursday)
    assert day.closes_at == FX.closes_at(thursday, Timeframe("D"))
    await source.close()


@pytest.mark.parametrize(
    ("fault", "code", "wait"),
    [
        (Fault(401), "unauthorized", None),
        (Fault(403), "unauthorized", None),
        (Fault(404), "unknown-instrument", None),
        (Fault(400, '{"errorMessage": "Invalid value specified for \'count\'"}'), "rejected", None),
        (Fault(405, "<h1>no</h1>"), "rejected", None),
        (Fault(302, headers={"Location": "http://127.0.0.1:1/"}), "rejected", None),
        (Fault(429), "throttled", None),
        (Fault(429, headers={"Retry-After": "7"}), "throttled", 7.0),
        (Fault(429, headers={"Retry-After": "-7"}), "throttled", 0.0),
        (Fault(429, headers={"Retry-After": "1e99"}), "throttled", 3600.0),
        (Fault(429, headers={"Retry-After": "inf"}), "throttled", None),
        (Fault(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), "throttled", None),
        (Fault(500), "unavailable", None),
        (Fault(503, headers={"Retry-After": "2.5"}), "unavailable", 2.5),
        (Fault(is_cut=True), "unavailable", None),
        (Fault(body="<html>"), "bad-answer", None),
        (Fault(body="{}"), "bad-answer", None),
        (Fault(body='{"candles": "'), "bad-answer", None),
        (Fault(body='{"other": ' + "[" * 100_000), "bad-answer", None),
        (Fault(500, '{"errorMessage": ' + "[" * 100_000), "unavailable", None),
    ],
    ids=str,
)
async def test_each_refusal_has_a_code(server: OandaServer, fault: Fault, code: str, wait: float | None) -> None:
    server.faults.append(fault)
    found = await failure(server)
    assert (found.code, found.retry_after) == (code, wait)
    assert len(server.requests) == 1, "the feed does not retry and follows no redirect"
    assert (await fetched(server)).candles == CANDLES, "and then it works again"


ROW = (
    '{"complete": true, "volume": 5, "time": "2020-01-06T22:00:00.000000000Z",'
    ' "mid": {"o": "1.1", "h": "1.2", "l": "1.0", "c": "1.15"}}'
)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"1.1"', '"1.3"', "high"),
        ('"1.1"', '"x"', "open"),
        ('"1.0"', '"-1"', "low"),
        ('"1.1"', "1.1", None),
        ('"volume": 5', '"volume": -5', "volume"),
        ('"mid"', '"bid"', "mid"),
        ('"time"', '"at"', None),
        ("2020-01-06T22:00:00.000000000Z", "2020-01-06T22:00:00", "time"),
        ("2020-01-06T22:00:00.000000000Z", "soon", "time"),
        ("true", "1", None),
    ],
)
async def test_an_answer_that_cannot_be_right_is_refused(
    server: OandaServer, old: str, new: str, field: str | None
) -> None:
    assert old in ROW
    server.faults.extend(
        [Fault(body=f'{{"candles": [{ROW}]}}'), Fault(body=f'{{"candles": [{ROW.replace(old, new)}]}}')]
    )
    (candle,) = (await fetched(server)).candles
    assert (candle.close, candle.volume) == (Decimal("1.15"), 5)
    found = await failure(server)
    assert (found.code, found.field) == ("bad-answer", field)


@pytest.mark.parametrize("rows", [f"{ROW}, {ROW}", f"{ROW.replace('-06T', '-07T')}, {ROW}"])
async def test_candles_out_of_order_are_refused(server: OandaServer, rows: str) -> None:
    server.faults.append(Fault(body=f'{{"candles": [{rows}]}}'))
    found = await failure(server)
    assert (found.code, found.field, found.errors[0].value) == ("bad-answer", "time", "2020-01-06T22:00:00Z")


async def test_an_unknown_pair_or_timeframe_is_named(server: OandaServer) -> None:
    found = await failure(server, pair=Instrument("NSE:M&M"))
    assert (found.code, found.field, found.errors[0].value) == ("unknown-instrument", "pair", "NSE:M&M")
    before = len(server.requests)
    found = await failure(server, frame="H5")
    assert (found.code, found.field, found.errors[0].value) == ("unknown-timeframe", "timeframe", "'H5'")
    assert "H4" in str(found.errors[0].limit)
    assert len(server.requests) == before, "it is known without asking"


async def test_a_wrong_token_names_the_setting(server: OandaServer) -> None:
    source = feed(server.url, "wrong-token-0123456789")
    with pytest.raises(FeedFailed) as caught:
        await source.fetch(PAIR, H4)
    await source.close()
    assert (caught.value.code, caught.value.field) == ("unauthorized", "feeds.oanda.token_file")
    assert "wrong-token" not in described(caught.value)


async def test_a_token_that_is_quoted_in_an_answer_is_masked(server: OandaServer) -> None:
    row = ROW.replace("2020-01-06T22:00:00.000000000Z", TOKEN)
    server.faults.append(Fault(400, f'{{"errorMessage": "token {TOKEN} is odd"}}'))
    server.faults.extend(Fault(body=body) for body in (f'{{"{TOKEN}": 1}}', f'{{"candles": [{row}]}}'))
    assert (await failure(server)).code == "rejected"
    for _ in range(2):
        found = await failure(server)
        assert found.code == "bad-answer"
        assert TOKEN not in str(found.errors)


async def test_a_slow_body_is_given_up(server: OandaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert oanda._TIMEOUT.total == 20
    monkeypatch.setattr(oanda, "_TIMEOUT", ClientTimeout(total=0.2))
    server.faults.append(Fault(delay=30))
    assert (await failure(server)).code == "unavailable"


async def test_a_host_that_refuses_connections_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        source = feed(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(FeedFailed) as caught:
            await source.fetch(PAIR, H4)
    await source.close()
    assert caught.value.code == "unavailable"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_two_connections_serve_all_streams(server: OandaServer) -> None:
    source = feed(server.url)
    found = await asyncio.gather(*(source.fetch(PAIR, H4, limit=3) for _ in range(40)))
    assert all(each.candles == CANDLES[-3:] for each in found)
    assert (len(server.requests), server.connections) == (40, 2)
    await source.close()


async def test_a_connection_that_the_server_closed_is_opened_again(server: OandaServer) -> None:
    source = feed(server.url)
    server.faults.append(Fault(headers={"Connection": "close"}))
    for _ in range(3):
        assert (await source.fetch(PAIR, H4)).candles == CANDLES
    assert server.connections == 2
    await source.close()


async def test_a_closed_feed_fetches_nothing(server: OandaServer) -> None:
    source = feed(server.url)
    await source.fetch(PAIR, H4)
    await source.close()
    await source.close()
    with pytest.raises(FeedFailed) as caught:
        await source.fetch(PAIR, H4)
    assert caught.value.code == "closed"


@pytest.mark.parametrize(
    "url",
    [
        "http://api-fxtrade.oanda.com",
        "api-fxtrade.oanda.com",
        "https://",
        "https://user:password@example.com",
        "https://[",
        "https://example.com:99999",
        "https://exa mple.com",
        "ftp://127.0.0.1",
        "https://example.com/?a=1",
    ],
)
def test_a_url_on_which_others_could_read_the_token_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        feed(url)
    assert (caught.value.code, caught.value.field) == ("invalid-url", "feeds.oanda.url")
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        feed(LIVE, token)
    assert (caught.value.code, caught.value.field) == ("invalid-token", "feeds.oanda.token_file")
