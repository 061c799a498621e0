"""Changes made by candles are saved with the follower's state, all or nothing."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from signalpost.delivery.outbox.book import Amend, EndTrades, FindTrades, Follow
from signalpost.domain.change import Change, Close, Fill, Update
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.instrument import Instrument
from signalpost.domain.ticket import Outcome
from signalpost.domain.trade import FollowState, TradeState
from signalpost.errors import CommandFailed
from tests.contracts.book_driver import MINUTE, START, Driver, signal

STATE = FollowState(since=START + MINUTE, stop=Decimal("1.0950"), targets=(Decimal("1.1050"), Decimal("1.1100")))
FILL = Fill(price="1.1001", at=START, from_feed=True)
HIT = Update(target_hit=1, at=START + MINUTE, from_feed=True)
STOPPED = Close(price="1.0950", reason="stop", at=START + MINUTE, from_feed=True)


def follow(book: Driver, *changes: tuple[str, Change], versions: dict[str, int]) -> Follow:
    amends = tuple(Amend(name, change, book.now, (f"f{n}", f"c{n}")) for n, (name, change) in enumerate(changes))
    return Follow(amends, versions, dict.fromkeys(versions, STATE), book.now)


async def test_several_changes_of_a_candle_are_saved_with_the_state_of_each_trade(book: Driver) -> None:
    for name in ("s1", "s2", "quiet"):
        await book.open(signal(name))
        await book.settle(await book.leased())
    book.now += 2 * MINUTE
    changes: list[tuple[str, Change]] = [("s2", FILL), ("s2", HIT), ("s1", FILL), ("s1", STOPPED)]
    answers = await book.outbox.do(follow(book, *changes, versions={"s1": 1, "s2": 1, "quiet": 1}))
    assert answers is not None
    assert [(each.outcome, each.trade and each.trade.version) for each in answers] == [
        (Outcome.ACCEPTED, version) for version in (2, 3, 2, 3)
    ]
    found = {entry.trade.signal.signal_id: entry.trade for entry in await book.find()}
    assert {name: (trade.version, trade.state) for name, trade in found.items()} == {
        "s1": (3, TradeState.CLOSED),
        "s2": (3, TradeState.OPEN),
        "quiet": (1, TradeState.OPEN),
    }
    assert {trade.followed for trade in found.values()} == {STATE}
    pending = [event for event, state in await book.states() if state == DeliveryState.PENDING]
    assert sorted(pending) == ["v3", "v3", "v3 companion", "v3 companion"]


@pytest.mark.parametrize("versions", [{"s1": 1, "s2": 2}, {"s1": 1, "s3": 1}])
async def test_nothing_is_saved_if_a_trade_has_changed_or_is_unknown(book: Driver, versions: dict[str, int]) -> None:
    for name in ("s1", "s2"):
        await book.open(signal(name))
    assert await book.outbox.do(follow(book, ("s1", FILL), versions=versions)) is None
    assert {(entry.trade.version, entry.trade.followed) for entry in await book.find()} == {(1, None)}


async def test_a_change_by_a_person_keeps_what_the_follower_remembers(book: Driver) -> None:
    await book.open(signal())
    await book.outbox.do(follow(book, versions={"s1": 1}))
    changed = await book.change(Update(stop_loss="1.0960"))
    assert changed.trade is not None
    assert (changed.trade.version, changed.trade.followed) == (2, STATE)


async def test_a_trade_that_is_followed_is_not_ended_for_lack_of_changes(book: Driver) -> None:
    for name in ("s1", "s2"):
        await book.open(signal(name))
    book.now += timedelta(days=80)
    await book.outbox.do(follow(book, versions={"s1": 1}))
    book.now += timedelta(days=11)
    ended = await book.outbox.do(EndTrades(book.now - timedelta(days=90), book.now, ("e1", "e2")))
    assert [each.trade and each.trade.signal.signal_id for each in ended] == ["s2"]
    book.now += timedelta(days=80)
    assert len(await book.outbox.do(EndTrades(book.now - timedelta(days=90), book.now, ("e3",)))) == 1


async def test_a_change_that_a_trade_refuses_saves_nothing(book: Driver) -> None:
    await book.open(signal())
    with pytest.raises(CommandFailed):
        await book.outbox.do(follow(book, ("s1", FILL), ("s1", FILL.but(price="1.2")), versions={"s1": 1}))
    (entry,) = await book.find()
    assert (entry.trade.version, entry.trade.fill) == (1, None)


async def test_the_trades_of_a_replay_are_found_and_followed_apart_from_others(book: Driver) -> None:
    await book.open(signal())
    for name in ("s1", "s2"):
        await book.open(signal(name), run="r7")
    await book.open(signal("s3", pair="GBP_USD"), run="r7")

    async def found(**wanted: Any) -> list[tuple[str, int]]:
        entries = await book.outbox.do(FindTrades(**wanted))
        return [(entry.trade.signal.signal_id, entry.trade.version) for entry in entries]

    versions = {"s1": 1, "s2": 1}
    command = follow(book, ("s1", FILL), ("s1", STOPPED), versions=versions)
    assert await book.outbox.do(command) is None, "s2 is only in the replay"
    answers = await book.outbox.do(msgspec.structs.replace(command, run="r7"))
    assert [each.trade and each.trade.version for each in answers or ()] == [2, 3]
    assert await found() == [("s1", 1)]
    assert await found(run="r7") == [("s3", 1), ("s2", 1), ("s1", 3)]
    assert await found(run="r7", above=1) == [("s3", 1), ("s2", 1)]
    assert await found(run="r7", only_live=True, pair=Instrument("EUR_USD")) == [("s2", 1)]
    assert await found(run="r8") == []
