"""The hooks, called as TradingView and freqtrade call them, with a real service behind them."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from signalpost import clock
from signalpost.testing.manual_clock import ManualClock
from signalpost.web.hook_memory import SIGNALS_SEEN, stream_of
from tests.unit.web.conftest import Front
from tests.unit.web.test_freqtrade import ENTRY, EXIT

ALERT = {
    "ticker": "OANDA:EURUSD",
    "interval": "240",
    "action": "buy",
    "price": "1.1634",
    "time": "2099-01-01T00:00:00Z",
}
CLOSE = {**ALERT, "action": "close", "price": "1.17"}
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


async def alert(front: Front, token: str = "free", **changes: Any) -> tuple[int, str]:
    """Post a changed alert; the status, and the outcome or the code of the first fault."""
    answer = await front.hook("tradingview", {**ALERT, **changes}, token)
    return answer.status, answer.body.get("outcome") or answer.body.get("errors", [{"code": "?"}])[0]["code"]


async def test_an_alert_is_shown_whatever_its_content_type_says(front: Front) -> None:
    raw = json.dumps(ALERT)[:-1] + ', "sl": NaN}'
    answer = await front.hook("tradingview", raw, **PLAIN)
    assert (answer.status, answer.body["outcome"]) == (202, "accepted")
    again = await front.hook("tradingview", ALERT)
    assert (again.status, again.body["id"]) == (200, answer.body["id"])
    assert await front.shown("signals-free") == ["BUY EURUSD"]


async def test_a_close_shows_that_the_open_signal_is_closed_and_its_result(front: Front) -> None:
    await alert(front, sl="1.16")
    assert await alert(front, **{**CLOSE, "comment": "target"}) == (202, "accepted")
    assert await front.shown("signals-free") == ["BUY EURUSD", "▲ CLOSED · EURUSD"]
    card = front.sandbox.discord.guild.messages("signals-free")[-1]["embeds"][0]
    assert card["title"].endswith("CLOSED +1.94R")
    assert all(price in card["description"] for price in ("1.16340", "1.17000"))


async def test_a_close_of_an_order_that_waited_means_that_it_was_filled(front: Front) -> None:
    await alert(front, sl="1.16", order_type="limit", tp1="1.17", tp1_size="50", tp2="1.18", tp2_size="50")
    assert await alert(front, **CLOSE) == (202, "accepted")
    assert await front.shown("signals-free") == ["BUY LIMIT EURUSD", "▲ CLOSED · EURUSD"]
    cards = [each["embeds"][0] for each in front.sandbox.discord.guild.messages("signals-free")]
    assert all(price in cards[0]["description"] for price in ("1.17000", "1.18000"))
    assert cards[1]["title"].endswith("CLOSED +1.94R")


async def test_a_repeated_close_is_a_duplicate_even_after_the_next_signal(front: Front) -> None:
    await alert(front)
    first = await front.hook("tradingview", CLOSE)
    again = await front.hook("tradingview", CLOSE)
    await alert(front, action="sell", time="2099-01-01T04:00:00Z")
    late = await front.hook("tradingview", CLOSE)
    assert (again.status, again.body["id"]) == (late.status, late.body["id"]) == (200, first.body["id"])
    shown = await front.shown("signals-free")
    assert shown == ["BUY EURUSD", "▲ CLOSED · EURUSD", "SELL EURUSD"]
    assert await alert(front, **{**CLOSE, "time": "2099-01-01T08:00:00Z"}) == (202, "accepted")
    assert (await front.shown("signals-free"))[-1] == "▼ CLOSED · EURUSD"


async def test_a_close_of_an_unknown_signal_is_422_unless_it_names_the_side(front: Front) -> None:
    assert await alert(front, **CLOSE) == (422, "nothing-open")
    held = {"prev_market_position": "long", "market_position": "flat"}
    assert await alert(front, **{**CLOSE, **held}) == (202, "accepted")
    assert await front.shown("signals-free") == ["▲ CLOSED · EURUSD"]


async def test_a_close_needs_the_same_side_token_strategy_pair_and_timeframe(
    front: Front,
) -> None:
    await alert(front)
    others: list[dict[str, Any]] = [{"action": "close_short"}, {"strategy": "Other"}, {"ticker": "GBPUSD"}]
    for other in (*others, {"interval": "60"}):
        assert (await alert(front, **{**CLOSE, **other}))[0] == 422, other
    assert (await alert(front, "premium", **CLOSE))[0] == 422
    assert await alert(front, **{**CLOSE, "action": "exit_long"}) == (202, "accepted")


async def test_strategies_are_distinguished_by_their_whole_names(front: Front) -> None:
    """Though the ids of their signals are made of letters and digits alone."""
    one, other = {"strategy": "Trend 1"}, {"strategy": "Trend-1"}
    assert await alert(front, **one) == (202, "accepted")
    assert await alert(front, **other, action="sell", time="2099-01-01T04:00:00Z") == (202, "accepted")
    assert await alert(front, **{**CLOSE, **one, "action": "close_long"}) == (202, "accepted")
    assert await alert(front, **{**CLOSE, **other}) == (202, "accepted")
    assert (await front.shown("signals-free"))[2:] == ["▲ CLOSED · EURUSD", "▼ CLOSED · EURUSD"]


async def test_a_rejected_signal_is_not_open(front: Front) -> None:
    """Neither in the place of nothing, nor of what was open before."""
    one, other = {"strategy": "Trend 1"}, {"strategy": "Trend-1"}
    await alert(front, **one)
    assert (await alert(front, **other))[0] == 409, "their ids are one, and what they tell is not"
    assert (await alert(front, **{**CLOSE, **other}))[0] == 422
    await alert(front, **other, action="sell", time="2098-12-31T20:00:00Z")
    assert (await alert(front, **other))[0] == 409
    assert await alert(front, **{**CLOSE, **other}) == (202, "accepted")
    assert await alert(front, **{**CLOSE, **one}) == (202, "accepted")
    assert (await front.shown("signals-free"))[2:] == ["▼ CLOSED · EURUSD", "▲ CLOSED · EURUSD"]


async def test_a_position_stored_by_an_older_version_is_still_open(
    front: Front,
) -> None:
    one, other = {"strategy": "Trend 1"}, {"strategy": "Trend-1"}

    async def as_it_was() -> None:
        state = await front.service.load_state(stream_of("free", "EUR_USD/H4/Trend 1"))
        assert state is not None
        before = json.dumps(json.loads(state.state)["EUR_USD/H4/Trend 1"]).encode()
        await front.service.commit(state._replace(stream="hook/premium/trend-1/EUR_USD/H4", state=before), ())

    await alert(front, **one)
    await as_it_was()
    assert (await alert(front, "premium", **{**CLOSE, **other}))[0] == 422
    assert await alert(front, "premium", **{**CLOSE, **one}) == (202, "accepted")
    assert await alert(front, "premium", **{**CLOSE, **one}) == (200, "duplicate")
    assert (await alert(front, "premium", **{**CLOSE, **one, "price": "1.2"}))[0] == 422


async def test_a_reversal_is_a_new_signal_and_the_earlier_one_is_forgotten(front: Front) -> None:
    await alert(front)
    assert await alert(front, action="sell", time="2099-01-01T04:00:00Z") == (202, "accepted")
    assert (await alert(front, **{**CLOSE, "action": "close_long"}))[0] == 422
    assert await alert(front, **{**CLOSE, "action": "close_short"}) == (202, "accepted")


async def test_a_late_repeat_opens_nothing(front: Front) -> None:
    """Neither of what was closed since, nor of what another signal has followed, be it in the same bar."""
    await alert(front)
    await alert(front, **CLOSE)
    assert await alert(front) == (200, "duplicate")
    assert (await alert(front, **{**CLOSE, "price": "1.2"}))[0] == 422
    await alert(front, action="sell")
    assert await alert(front) == (200, "duplicate")
    assert await alert(front, action="buy", time="2098-12-31T20:00:00Z") == (202, "accepted"), "accepted, although late"
    assert await alert(front, **{**CLOSE, "price": "1.165"}) == (202, "accepted")
    assert (await front.shown("signals-free"))[-1] == "▼ CLOSED · EURUSD"


async def test_the_close_of_a_stale_signal_is_sent(front: Front) -> None:
    """An alert of one-minute bars is worth sending for ten minutes; that its trade is over, for a day."""
    bar = {"interval": "1", "time": (clock.now() - timedelta(minutes=15)).isoformat()}
    assert await alert(front, **bar) == (202, "suppressed")
    assert await alert(front, **{**CLOSE, **bar}) == (202, "accepted")
    assert await front.shown("signals-free") == ["▲ CLOSED · EURUSD"]


async def test_the_same_alert_at_once_is_accepted_once(front: Front) -> None:
    for body in (ALERT, CLOSE):
        answers = await asyncio.gather(*(front.hook("tradingview", body) for _ in range(8)))
        assert sorted(answer.status for answer in answers) == [200] * 7 + [202]
        assert len({answer.body["id"] for answer in answers}) == 1
    assert await front.shown("signals-free") == ["BUY EURUSD", "▲ CLOSED · EURUSD"]


async def test_the_memory_of_a_hook_is_limited_and_survives_a_restart(front: Front) -> None:
    for number in range(SIGNALS_SEEN + 5):
        assert await alert(front, time=f"2099-01-{number + 1:02}T00:00:00Z") == (202, "accepted")
    state = await front.service.load_state(stream_of("free", "EUR_USD/H4/TradingView"))
    assert state is not None
    assert len(json.loads(state.state)["EUR_USD/H4/TradingView"]["seen"]) == SIGNALS_SEEN + 1
    await front.service.stop()
    await front.service.start()
    assert await alert(front, **CLOSE) == (202, "accepted")


async def test_a_close_goes_where_its_signal_went(front: Front) -> None:
    await alert(front, "premium")
    assert await alert(front, "premium", **{**CLOSE, "user_tier": "free"}) == (202, "accepted")
    assert await front.shown("signals-free") == []
    assert await front.shown("signals-premium") == ["BUY EURUSD", "▲ CLOSED · EURUSD"]


async def test_a_change_of_size_is_202_and_not_sent(front: Front) -> None:
    assert await alert(front, market_position="long", prev_market_position="long") == (202, "suppressed")
    assert await front.shown("signals-free") == []


async def test_a_trade_of_freqtrade_is_shown_from_entry_to_exit(front: Front) -> None:
    entry = {**ENTRY, "open_date": "2099-01-01 00:00:00+00:00"}
    first = await front.hook("freqtrade", entry)
    assert (first.status, first.body["outcome"]) == (202, "accepted")
    assert (await front.hook("freqtrade", entry)).body["id"] == first.body["id"]
    more = await front.hook("freqtrade", {**entry, "open_rate": "61000", "amount": "0.02"})
    assert (more.status, more.body["outcome"], more.body["id"]) == (202, "suppressed", "")
    assert more.body["reason"]
    ended = {**EXIT, "open_date": entry["open_date"]}
    assert (await front.hook("freqtrade", ended)).status == 202
    assert (await front.hook("freqtrade", ended)).status == 200
    assert (await front.hook("freqtrade", {**ended, "close_rate": "1"})).status == 409
    assert await front.shown("signals-free") == ["BUY BTC/USDT", "▲ CLOSED · BTC/USDT"]


async def test_the_other_events_of_freqtrade_are_sent_or_suppressed(front: Front) -> None:
    assert (await front.hook("freqtrade", {"event": "status", "status": "running"})).status == 202
    assert (await front.hook("freqtrade", {"event": "strategy_msg", "msg": "watch BTC"})).status == 202
    passed = await front.hook("freqtrade", {"event": "entry"})
    assert (passed.status, passed.body["outcome"], "Location" in passed.headers) == (202, "suppressed", False)
    (status,) = await front.shown("system-status")
    (message,) = await front.shown("alerts-general")
    assert status == "OPERATIONAL"
    assert message.startswith("INFO")
    assert "freqtrade" in message


@pytest.mark.parametrize("words", [{"event": "status", "status": "up"}, {"event": "strategy_msg", "msg": "watch BTC"}])
async def test_the_same_words_are_sent_once_in_sixty_seconds(front: Front, words: dict[str, Any]) -> None:
    """The time is that of the first. This also holds over a restart, and if the clock is set back."""
    with ManualClock("2099-01-01T00:00:59.7Z") as time:
        first = await front.hook("freqtrade", words)
        answers = [first]
        for seconds in (0.6, 59.3, 0.1, -30.0, 89.9, 0.1):
            time.advance(timedelta(seconds=seconds))
            answers.append(await front.hook("freqtrade", words))
            await front.service.stop()
            await front.service.start()
        assert [answer.status for answer in answers] == [202, 200, 200, 202, 200, 200, 202]
        assert len({answer.body["id"] for answer in answers}) == 3
    assert answers[1].body["id"] == answers[2].body["id"] == first.body["id"]


async def test_repeated_words_stay_in_memory_longest(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signalpost.web.streams.FIRST_TIME_STATES", 1)
    monkeypatch.setattr("signalpost.web.streams.KEYS_PER_STATE", 3)

    async def status_of(words: str) -> int:
        return (await front.hook("freqtrade", {"event": "status", "status": words})).status

    with ManualClock("2099-01-01T00:00:00Z") as time:
        assert [await status_of("a"), await status_of("b")] == [202, 202]
        time.advance(timedelta(seconds=60))
        assert [await status_of(words) for words in "acd"] == [202, 202, 202]
        time.advance(timedelta(seconds=1))
        assert await status_of("a") == 200


async def test_a_conflict_names_the_field_that_gave_the_id(front: Front) -> None:
    assert await alert(front, signal_id="Long") == (202, "accepted")
    answer = await front.hook("tradingview", {**ALERT, "signal_id": "Long", "price": "1.2"})
    assert (answer.status, answer.body["code"]) == (409, "conflict")
    assert "signal_id" in answer.body["detail"]
