"""The hook of TradingView, called as TradingView calls it, with a real service behind it."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from signalpost import clock
from signalpost.domain.tier import UserTier
from signalpost.web.tokens import Scope
from tests.unit.web.conftest import Front
from tests.until import until

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
    return answer.status, answer.body.get("outcome") or answer.body["code"]


async def test_an_alert_is_shown_whatever_its_content_type_says(front: Front) -> None:
    raw = json.dumps(ALERT)[:-1] + ', "sl": NaN}'
    answer = await front.hook("tradingview", raw, **PLAIN)
    assert (answer.status, answer.body["outcome"]) == (202, "accepted")
    again = await front.hook("tradingview", ALERT)
    assert (again.status, again.body["id"]) == (200, answer.body["id"])
    assert await front.shown("signals-free") == ["BUY EURUSD"]


async def book(front: Front, *more: str, token: str = "admin") -> list[Any]:
    """The signals in the book, oldest first: side, state and why it was closed, and further facts."""
    answer = await front.request("GET", "/api/v1/signals", token)
    return [
        " ".join((each["side"], each["state"], *([each["closed"]["reason"]] if each["closed"] else [])))
        if not more
        else tuple(each[name] for name in more)
        for each in reversed(answer.body["signals"])
    ]


async def first_words(front: Front, channel: str) -> list[str]:
    """The first words of the messages beside the first card."""
    assert await front.service.drain(30) == []
    texts = (each["content"] for each in front.sandbox.discord.guild.messages(channel)[1:])
    return [" ".join(re.findall(r"[A-Z/]{4,}", text)[:2]) for text in texts]


async def test_a_close_ends_the_signal_on_its_card(front: Front) -> None:
    opened = await front.hook("tradingview", {**ALERT, "sl": "1.16"})
    await front.shown("signals-free")
    closed = await front.hook("tradingview", {**CLOSE, "comment": "target"})
    assert (closed.status, closed.body["outcome"], closed.body["version"]) == (202, "accepted", 2)
    assert closed.body["id"] != opened.body["id"]
    assert await book(front) == ["BUY closed manual"]
    assert await first_words(front, "signals-free") == ["CLOSED EURUSD"]
    card = front.sandbox.discord.guild.messages("signals-free")[0]["embeds"][0]
    assert card["title"].endswith("CLOSED +1.94R")
    assert all(price in card["description"] for price in ("1.16340", "1.17000"))


@pytest.mark.parametrize(
    ("price", "end"),
    [
        *(("1.16", "closed stop"), ("1.15", "closed stop"), ("1.1601", "closed manual")),
        *(("1.17", "closed target"), ("1.1699", "closed manual")),
    ],
)
async def test_a_close_at_the_stop_or_the_last_target_is_its_hit(front: Front, price: str, end: str) -> None:
    await alert(front, sl="1.16", tp="1.17")
    assert await alert(front, **{**CLOSE, "price": price}) == (202, "accepted")
    assert await book(front) == [f"BUY {end}"]


async def test_a_close_of_an_order_that_waited_means_that_it_was_filled(front: Front) -> None:
    await alert(front, sl="1.16", order_type="limit", tp1="1.17", tp1_size="50", tp2="1.18", tp2_size="50%")
    assert await book(front) == ["BUY pending"]
    assert await alert(front, **CLOSE) == (202, "accepted")
    assert await alert(front, **CLOSE) == (200, "duplicate")
    assert await book(front, "state", "version") == [("closed", 3)]
    ((fill, result),) = await book(front, "fill", "result")
    assert (fill["price"], result["r"][:5]) == ("1.1634", "1.941")


async def test_a_repeated_close_is_a_duplicate_even_after_the_next_signal(front: Front) -> None:
    await alert(front)
    first = await front.hook("tradingview", CLOSE)
    again = await front.hook("tradingview", CLOSE)
    await alert(front, action="sell", time="2099-01-01T04:00:00Z")
    late = await front.hook("tradingview", CLOSE)
    assert (again.status, again.body["id"]) == (late.status, late.body["id"]) == (200, first.body["id"])
    assert await book(front) == ["BUY closed manual", "SELL open"]
    assert await alert(front, **{**CLOSE, "time": "2099-01-01T08:00:00Z"}) == (202, "accepted")
    assert await book(front) == ["BUY closed manual", "SELL closed manual"]


async def test_a_close_of_an_unknown_signal_is_404(front: Front) -> None:
    assert await alert(front, **CLOSE) == (404, "unknown-signal")
    held = {"prev_market_position": "long", "market_position": "flat"}
    assert await alert(front, **{**CLOSE, **held}) == (404, "unknown-signal")
    assert await front.shown("signals-free") == []


async def test_a_close_of_a_closed_signal_is_409(front: Front) -> None:
    await alert(front)
    await alert(front, **CLOSE)
    assert await alert(front, **{**CLOSE, "price": "1.2"}) == (409, "not-possible")
    assert await alert(front, **{**CLOSE, **HELD, **sizes(100, 50)}) == (409, "not-possible")
    assert await book(front) == ["BUY closed manual"]


async def test_a_close_needs_the_same_side_token_strategy_pair_and_timeframe(
    front: Front,
) -> None:
    await alert(front)
    others: list[dict[str, Any]] = [{"action": "close_short"}, {"strategy": "Other"}, {"ticker": "GBPUSD"}]
    for other in (*others, {"interval": "60"}):
        assert (await alert(front, **{**CLOSE, **other}))[0] == 404, other
    assert (await alert(front, "premium", **CLOSE))[0] == 404
    assert await alert(front, **{**CLOSE, "action": "exit_long"}) == (202, "accepted")


async def test_a_token_closes_only_what_its_tier_may_see(front: Front) -> None:
    await alert(front, "premium")
    await front.hook("tradingview", {**ALERT, "user_tier": "free"}, "premium")
    front.tokens.revoke("premium")
    front.text_by_token["premium"] = front.tokens.add("premium", UserTier.FREE, (Scope.TRADINGVIEW,))[1].reveal()
    assert await alert(front, "premium", **CLOSE) == (404, "unknown-signal")
    assert await book(front) == ["BUY open"]


async def test_strategies_are_distinguished_by_their_whole_names(front: Front) -> None:
    """Though the ids of their signals are made of letters and digits alone."""
    one, other = {"strategy": "Trend 1"}, {"strategy": "Trend-1"}
    assert await alert(front, **one) == (202, "accepted")
    assert await alert(front, **other, action="sell", time="2099-01-01T04:00:00Z") == (202, "accepted")
    assert await book(front) == ["BUY open", "SELL open"], "no strategy reverses another one"
    assert await alert(front, **{**CLOSE, **one, "action": "close_long"}) == (202, "accepted")
    assert await alert(front, **{**CLOSE, **other}) == (202, "accepted")
    assert await book(front) == ["BUY closed manual", "SELL closed manual"]


async def test_a_rejected_signal_reverses_nothing(front: Front) -> None:
    one, other = {"strategy": "Trend 1"}, {"strategy": "Trend-1"}
    await alert(front, **one)
    await alert(front, **other, action="sell", time="2098-12-31T20:00:00Z")
    assert await alert(front, **other) == (409, "conflict")
    assert await book(front) == ["BUY open", "SELL open"]


async def test_a_reversal_closes_the_signal_of_the_other_side_at_its_price(front: Front) -> None:
    await alert(front)
    assert await alert(front, action="sell", time="2099-01-01T04:00:00Z", price="1.17") == (202, "accepted")
    assert await book(front) == ["BUY closed reversed", "SELL open"]
    assert (await book(front, "closed"))[0][0]["price"] == "1.17"
    assert await alert(front, **{**CLOSE, "action": "close_short"}) == (202, "accepted")
    assert await book(front) == ["BUY closed reversed", "SELL closed manual"]


async def cards(front: Front) -> list[tuple[str, str]]:
    """The content of each card, and what it shows."""
    assert await front.service.drain(30) == []
    messages = front.sandbox.discord.guild.messages("signals-free")
    return [(each["content"], each["embeds"][0]["description"]) for each in messages if each["embeds"]]


async def test_a_reversal_says_which_signal_to_close_first(front: Front) -> None:
    await alert(front)
    await cards(front)
    await alert(front, **REVERSAL)
    (_, old), (content, new) = await cards(front)
    assert "Closes #1 first" in content.splitlines()
    assert "\nNow short: " in old
    assert "Card #2" in old
    assert (new.splitlines()[0], "Closes" in old) == ("**Closes Card #1 first**", False)
    entries = front.sandbox.discord.log.since
    await until(lambda: ("GET", "signals-free") in [(each.entry.method, each.entry.channel) for each in entries(0)])
    await alert(front, **{**FLIP, "action": "update", "comment": "a note"})
    line = (await cards(front))[1][1].splitlines()[0]  # now that the server is known, with a link
    assert line.startswith("**Closes [Card #1](https://discord.com/channels/")
    await alert(front, **{**CLOSE, "time": "2099-01-01T08:00:00Z"})
    await alert(front, time="2099-01-01T12:00:00Z")
    assert not any("Closes" in text for text in (await cards(front))[2])


async def test_a_tier_that_never_saw_the_old_signal_is_not_sent_its_number(front: Front) -> None:
    await alert(front, "premium")
    await front.hook("tradingview", {**ALERT, **REVERSAL, "tiers": "free, premium"}, "premium")
    assert not any("Closes" in text for text in (await cards(front))[0])


async def test_an_order_that_waits_reverses_nothing_and_is_not_reversed(front: Front) -> None:
    await alert(front)
    assert (await alert(front, action="sell", order_type="limit", time="2099-01-01T04:00:00Z"))[0] == 202
    assert await alert(front, time="2099-01-01T08:00:00Z") == (202, "accepted")
    assert await book(front) == ["BUY open", "SELL pending", "BUY open"]


FLIP = {"time": "2099-01-01T04:00:00Z", "price": "1.17"}
HELD = {"prev_market_position": "long", "market_position": "long"}
REVERSAL = {**FLIP, "action": "sell", "market_position": "short", "prev_market_position": "long"}


LEAVES: list[dict[str, Any]] = [
    {"action": "sell", "market_position": "flat", "prev_market_position": "long"},
    {"action": "sell", "market_position": "flat"},
    {"action": "close"},
]
FIRST = ("exit first", {"action": "close", "price": "1.1702"})
"""Nothing says that it is of the old signal, so it must be the first."""


@pytest.mark.parametrize(
    ("order", "leave"),
    [FIRST, *((order, leave) for order in ("exit first", "reversal first", "both at once") for leave in LEAVES)],
    ids=str,
)
async def test_an_exit_and_a_reversal_end_the_old_signal_once_and_spare_the_new_one(
    front: Front, order: str, leave: dict[str, Any]
) -> None:
    await alert(front)
    alerts = [alert(front, **{**FLIP, **leave}), alert(front, **REVERSAL)]
    if order == "both at once":
        answers = await asyncio.gather(*alerts)
    else:
        answers = [await each for each in (alerts if order == "exit first" else reversed(alerts))]
    assert {status for status, _ in answers} == {202}
    old, new = await book(front)
    assert (old in {"BUY closed manual", "BUY closed reversed"}, new) == (True, "SELL open")
    if order != "both at once":
        assert old.endswith("manual") is (order == "exit first")
    again = await alert(front, **{**FLIP, **leave})
    assert again in {(202, "suppressed"), (200, "duplicate")}
    assert (await alert(front, **REVERSAL))[0] == 200
    assert await book(front) == [old, new]


async def test_an_update_at_the_price_of_a_reversal_changes_the_new_signal(front: Front) -> None:
    await alert(front)
    await alert(front, **REVERSAL, sl="1.18")
    update = {**FLIP, "action": "update", "price": "1.17"}
    assert await alert(front, **update, comment="of the new one") == (202, "accepted")
    assert await alert(front, **update, sl="be") == (202, "accepted")
    assert await book(front, "version", "stop") == [(2, None), (3, "1.17")]


async def test_a_late_repeat_opens_and_reverses_nothing(front: Front) -> None:
    await alert(front)
    await alert(front, **CLOSE)
    assert await alert(front) == (200, "duplicate")
    await alert(front, action="sell")
    assert await alert(front) == (200, "duplicate")
    assert await book(front) == ["BUY closed manual", "SELL open"]


async def test_a_late_alert_of_an_earlier_bar_does_not_become_the_newest(front: Front) -> None:
    await alert(front, action="sell")
    assert await alert(front, time="2098-12-31T20:00:00Z") == (202, "accepted")
    assert await alert(front, **{**CLOSE, "price": "1.165"}) == (202, "accepted")
    assert await book(front) == ["SELL closed manual", "BUY open"]


async def test_a_close_ends_all_signals_of_its_side_since_the_last_reversal(front: Front) -> None:
    for hour in ("00", "04"):
        await alert(front, time=f"2099-01-01T{hour}:00:00Z")
    assert await alert(front, **CLOSE) == (202, "accepted")
    assert await book(front) == ["BUY closed manual"] * 2


@pytest.mark.parametrize("orders", [("limit", "market"), ("market", "limit")], ids=str)
async def test_an_order_of_the_other_side_that_waits_is_no_reversal_for_a_close(
    front: Front, orders: tuple[str, str]
) -> None:
    await alert(front)
    for hour, order in enumerate(orders, 1):
        side = "sell" if order == "limit" else "buy"
        await alert(front, action=side, order_type=order, time=f"2099-01-01T0{hour}:00:00Z")
    assert await alert(front, **{**CLOSE, "time": "2099-01-01T04:00:00Z"}) == (202, "accepted")
    assert sorted(await book(front)) == ["BUY closed manual", "BUY closed manual", "SELL pending"]


async def test_the_close_of_a_signal_that_was_never_shown_is_404(front: Front) -> None:
    bar = {"interval": "1", "time": (clock.now() - timedelta(minutes=15)).isoformat()}
    assert await alert(front, **bar) == (202, "suppressed")
    assert await alert(front, **{**CLOSE, **bar}) == (404, "unknown-signal")
    assert (await book(front), await front.shown("signals-free")) == ([], [])


async def test_the_same_alert_at_once_is_accepted_once(front: Front) -> None:
    for body in (ALERT, {**ALERT, **HELD, **sizes(100, 50)}, CLOSE):
        answers = await asyncio.gather(*(front.hook("tradingview", body) for _ in range(8)))
        assert sorted(answer.status for answer in answers) == [200] * 7 + [202]
        assert len({answer.body["id"] for answer in answers}) == 1
    assert await book(front, "version") == [(3,)]


async def test_a_signal_that_was_opened_before_a_restart_is_closed(front: Front) -> None:
    await alert(front)
    await front.service.stop()
    await front.service.start()
    assert await alert(front, **CLOSE) == (202, "accepted")


async def test_a_close_goes_where_its_signal_went(front: Front) -> None:
    await alert(front, "premium")
    await front.shown("signals-premium")
    assert await alert(front, "premium", **{**CLOSE, "user_tier": "free"}) == (202, "accepted")
    assert await front.shown("signals-free") == []
    assert await first_words(front, "signals-premium") == ["CLOSED EURUSD"]


def sizes(before: object, now: object) -> dict[str, Any]:
    return {"action": "sell", "prev_market_position_size": str(before), "market_position_size": str(now)}


async def test_each_exit_of_a_part_closes_its_share_of_what_is_open(front: Front) -> None:
    await alert(front, sl="1.16", tp1="1.168", tp1_size="50%", tp2="1.178", tp2_size=50)
    for before, now, price in ((100, 50, "1.168"), (50, 20, "1.17"), (20, 10, "1.172")):
        body = {**ALERT, **HELD, **sizes(before, now), "price": price}
        assert await alert(front, **body) == (202, "accepted")
        assert await alert(front, **body) == (200, "duplicate")
    ((targets, parts),) = await book(front, "targets", "parts")
    assert [each["hit"] for each in targets] == [True, False]
    assert [(each["share"], each["price"]) for each in parts] == [("50", "1.168"), ("30", "1.17"), ("10", "1.172")]
    assert await alert(front, **{**CLOSE, "market_position": "flat", "price": "1.18"}) == (202, "accepted")
    assert await book(front) == ["BUY closed target"]


async def test_an_exit_of_too_small_a_part_is_409(front: Front) -> None:
    await alert(front)
    assert await alert(front, **HELD, **sizes("1", "0.99999999999999999999999")) == (409, "not-possible")


async def test_an_exit_of_a_part_of_an_order_that_waited_means_that_it_was_filled(front: Front) -> None:
    await alert(front, order_type="limit")
    assert await alert(front, **HELD, **sizes(3, 2)) == (202, "accepted")
    assert await book(front, "state", "version") == [("open", 3)]


async def test_a_change_of_stop_and_targets_is_an_update(front: Front) -> None:
    await alert(front, sl="1.16", tp1="1.168", tp2="1.178")
    assert await alert(front, action="update", sl="1.162", tp1="1.168", tp2="1.179") == (202, "accepted")
    assert await alert(front, **HELD, sl="1.162", tp1="1.168", tp2="1.179") == (200, "duplicate")
    assert await alert(front, action="update", sl="be", time="2099-01-01T04:00:00Z") == (202, "accepted")
    ((stop, targets),) = await book(front, "stop", "targets")
    assert (stop, [each["price"] for each in targets]) == ("1.1634", ["1.168", "1.179"])
    assert await alert(front, action="update", sl="1.169") == (409, "not-possible")
    assert await alert(front, "premium", action="update", sl="1.162") == (404, "unknown-signal")
    assert await alert(front, action="update", sl="x", tp="-") == (422, "not-a-number")


async def test_an_update_needs_no_price(front: Front) -> None:
    await alert(front, sl="1.16")
    update = {name: value for name, value in ALERT.items() if name != "price"} | {"action": "update", "sl": "be"}
    assert (await front.hook("tradingview", update)).body["outcome"] == "accepted"
    assert await book(front, "stop") == [("1.1634",)]


async def test_a_stop_that_is_set_back_is_another_update_unless_it_is_a_repeat(front: Front) -> None:
    await alert(front, sl="1.16")
    for hour, stop in enumerate(("1.161", "1.16", "1.161")):
        body = {"action": "update", "sl": stop, "time": f"2099-01-01T0{hour}:00:00Z"}
        assert await alert(front, **body) == (202, "accepted")
    assert await alert(front, action="update", sl="1.16", time="2099-01-01T01:00:00Z") == (200, "duplicate")
    assert await book(front, "stop") == [("1.161",)]


async def test_a_change_of_size_is_202_and_not_sent(front: Front) -> None:
    assert await alert(front, market_position="long", prev_market_position="long") == (202, "suppressed")
    assert await front.shown("signals-free") == []


async def test_a_conflict_names_the_field_that_gave_the_id(front: Front) -> None:
    assert await alert(front, signal_id="Long") == (202, "accepted")
    answer = await front.hook("tradingview", {**ALERT, "signal_id": "Long", "price": "1.2"})
    assert (answer.status, answer.body["code"]) == (409, "conflict")
    assert "signal_id" in answer.body["detail"]
