"""The hook of freqtrade, called as freqtrade calls it, with a real service behind it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from signalpost.testing.manual_clock import ManualClock
from tests.unit.web.conftest import Front
from tests.unit.web.test_freqtrade import ENTRY, EXIT
from tests.unit.web.test_hooks import book, first_words

DATE = {"open_date": "2099-01-01 00:00:00+00:00"}


async def test_a_trade_of_freqtrade_is_shown_from_entry_to_exit(front: Front) -> None:
    entry = {**ENTRY, **DATE}
    first = await front.hook("freqtrade", entry)
    assert (first.status, first.body["outcome"]) == (202, "accepted")
    assert (await front.hook("freqtrade", entry)).body["id"] == first.body["id"]
    more = await front.hook("freqtrade", {**entry, "open_rate": "61000", "amount": "0.02"})
    assert (more.status, more.body["outcome"], more.body["id"]) == (202, "suppressed", "")
    assert more.body["reason"]
    await front.shown("signals-free")
    ended = {**EXIT, **DATE}
    assert (await front.hook("freqtrade", ended)).status == 202
    assert (await front.hook("freqtrade", ended)).status == 200
    assert (await front.hook("freqtrade", {**ended, "close_rate": "1"})).status == 409
    assert (await front.hook("freqtrade", {**ended, "trade_id": "8"})).body["code"] == "unknown-signal"
    assert await book(front) == ["BUY closed target"]
    assert await first_words(front, "signals-free") == ["CLOSED BTC/USDT"]
    card = front.sandbox.discord.guild.messages("signals-free")[0]["embeds"][0]
    assert card["title"].endswith("CLOSED +1.25%")
    assert not any(amount in json.dumps(card) for amount in ("7.5", "612.345"))


@pytest.mark.parametrize(("word", "price"), [("trailing_stop_loss", "70000"), ("roi", "61000")])
async def test_an_exit_at_a_price_that_its_reason_cannot_have_is_by_hand(front: Front, word: str, price: str) -> None:
    """Such as a trailing stop, which freqtrade moves without a word."""
    await front.hook("freqtrade", {**ENTRY, **DATE, "open_rate": "61234.5", "stop_loss": "60000"})
    answer = await front.hook("freqtrade", {**EXIT, **DATE, "exit_reason": word, "close_rate": price})
    assert answer.body["outcome"] == "accepted"
    assert await book(front) == ["BUY closed manual"]


async def test_parts_of_a_freqtrade_trade_are_closed(front: Front) -> None:
    """Half, and then half of the rest. freqtrade sends the amount that was sold, and the stake that is left."""
    await front.hook("freqtrade", {**ENTRY, **DATE, "open_rate": "60000", "leverage": "2.0"})
    part = {**EXIT, **DATE, "open_rate": "60000", "leverage": "2.0", "is_final_exit": "False", "sub_trade": "True"}
    for amount, stake in (("0.01", "300"), ("0.005", "150")):
        body = {**part, "amount": amount, "stake_amount": stake}
        assert (await front.hook("freqtrade", body)).body["outcome"] == "accepted"
        assert (await front.hook("freqtrade", body)).body["outcome"] == "duplicate"
    ((parts,),) = await book(front, "parts")
    assert [each["share"] for each in parts] == ["50", "25"]
    unknown = await front.hook("freqtrade", {**part, "stake_amount": "None"})
    assert (unknown.status, unknown.body["outcome"]) == (202, "suppressed")
    assert (await front.hook("freqtrade", {**EXIT, **DATE, "exit_reason": "stop_loss"})).status == 202
    assert await book(front) == ["BUY closed stop"]


async def test_an_order_of_freqtrade_is_pending_until_it_is_filled(front: Front) -> None:
    order = {**ENTRY, **DATE, "event": "entry", "order_type": "limit", "open_rate": "61000"}
    assert (await front.hook("freqtrade", order)).body["outcome"] == "accepted"
    assert (await front.hook("freqtrade", order)).body["outcome"] == "duplicate"
    assert (await front.hook("freqtrade", {**order, "open_rate": "60900"})).body["outcome"] == "suppressed"
    replaced = {**ENTRY, "event": "entry_cancel", "reason": "order to be replaced by new limit order"}
    assert (await front.hook("freqtrade", replaced)).body["outcome"] == "suppressed"
    assert await book(front) == ["BUY pending"]
    filled = {**ENTRY, "open_date": "2099-01-01 00:03:00+00:00", "open_rate": "60900"}
    assert (await front.hook("freqtrade", filled)).body["version"] == 2
    assert (await front.hook("freqtrade", filled)).body["outcome"] == "duplicate"
    assert (await front.hook("freqtrade", {**filled, "open_rate": "60800"})).body["outcome"] == "suppressed"
    ((state, fill),) = await book(front, "state", "fill")
    assert (state, fill["price"]) == ("open", "60900")
    cancelled = await front.hook("freqtrade", {**ENTRY, "event": "entry_cancel", "reason": "timeout"})
    assert cancelled.body["outcome"] == "suppressed", "an order for more of the same trade"


async def test_an_order_of_freqtrade_is_cancelled(front: Front) -> None:
    cancel = {**ENTRY, "event": "entry_cancel", "reason": "cancelled due to timeout"}
    assert (await front.hook("freqtrade", cancel)).body["outcome"] == "suppressed", "it was not sent"
    market = {**ENTRY, **DATE, "event": "entry", "order_type": "market"}
    assert (await front.hook("freqtrade", market)).body["outcome"] == "suppressed"
    await front.hook("freqtrade", {**market, "order_type": "limit"})
    assert (await front.hook("freqtrade", {**cancel, "trade_id": "77"})).body["outcome"] == "suppressed"
    assert (await front.hook("freqtrade", cancel)).body["outcome"] == "accepted"
    assert await book(front) == ["BUY cancelled cancelled due to timeout"]
    dry_run = {**ENTRY, "open_date": "2099-01-02 00:00:00+00:00"}
    assert (await front.hook("freqtrade", dry_run)).body["outcome"] == "accepted", "its trades are counted anew"
    assert (await book(front))[1:] == ["BUY open"]


async def test_an_order_that_was_filled_while_it_was_cancelled_is_open_again(front: Front) -> None:
    order = {**ENTRY, **DATE, "event": "entry", "order_type": "limit"}
    await front.hook("freqtrade", order)
    await front.hook("freqtrade", {**ENTRY, "event": "entry_cancel", "reason": "partially filled"})
    filled = {**ENTRY, **DATE, "open_rate": "60900"}
    assert (await front.hook("freqtrade", filled)).body["outcome"] == "accepted"
    assert (await front.hook("freqtrade", filled)).body["outcome"] == "duplicate"
    ((state, fill, flags),) = await book(front, "state", "fill", "flags")
    assert (state, fill["price"], "reopened" in flags) == ("open", "60900", True)
    assert (await front.hook("freqtrade", {**EXIT, **DATE})).body["outcome"] == "accepted"


async def test_a_fill_of_an_order_that_cannot_be_filled_is_409(front: Front) -> None:
    with ManualClock("2099-01-01T00:00:00Z") as time:
        await front.hook("freqtrade", {**ENTRY, **DATE, "event": "entry", "order_type": "limit", "stop_loss": "60000"})
        beyond = await front.hook("freqtrade", {**ENTRY, **DATE, "open_rate": "59000"})
        await front.hook("freqtrade", {**ENTRY, "event": "entry_cancel", "reason": "timeout"})
        time.advance(timedelta(days=30))
        ended = await front.hook("freqtrade", {**ENTRY, **DATE})
    for refused in (beyond, ended):
        assert (refused.status, refused.body["cause"]) == (409, "not-possible")
    assert await book(front, "state") == [("cancelled",)]


async def test_the_other_events_of_freqtrade_are_sent_or_suppressed(front: Front) -> None:
    assert (await front.hook("freqtrade", {"event": "status", "status": "running"})).status == 202
    assert (await front.hook("freqtrade", {"event": "strategy_msg", "msg": "watch BTC"})).status == 202
    passed = await front.hook("freqtrade", {"event": "exit"})
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
    monkeypatch.setattr("signalpost.web.router.FIRST_TIME_STATES", 1)
    monkeypatch.setattr("signalpost.web.router.KEYS_PER_STATE", 3)

    async def status_of(words: str) -> int:
        return (await front.hook("freqtrade", {"event": "status", "status": words})).status

    with ManualClock("2099-01-01T00:00:00Z") as time:
        assert [await status_of("a"), await status_of("b")] == [202, 202]
        time.advance(timedelta(seconds=60))
        assert [await status_of(words) for words in "acd"] == [202, 202, 202]
        time.advance(timedelta(seconds=1))
        assert await status_of("a") == 200
