"""Hooks find their signals in the book, also those of older data folders, and when others change them meanwhile."""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from signalpost import AsyncNotificationService, Config
from signalpost.delivery.deduplication import Filters
from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.change import Close, CloseReason, Flag
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import Trade
from signalpost.web import tradingview
from signalpost.web.hook_signals import HookSignals
from signalpost.web.service_api import ServiceApi
from tests.unit.web.test_hooks import ALERT, CLOSE
from tests.unit.web.tokens import replaced, token

OLD = Path(__file__).resolve().parents[2] / "fixtures" / "store-v1" / "home" / "outbox.db"
FREE = frozenset({UserTier.FREE})
STORE = Ticket(Outcome.REFUSED, "", "the disk is full", Refusal.STORE)
STALE = Ticket(Outcome.REFUSED, "", "another change came first", Refusal.STALE_VERSION)
BOT = token("bot")


async def opened(api: ServiceApi, **more: str) -> Ticket:
    parsed, options = tradingview.read(json.dumps({**ALERT, **more}).encode(), BOT)
    assert isinstance(parsed, tradingview.Opened)
    return await HookSignals(api).open(parsed.signal, options, tradingview.is_own(BOT, parsed.signal), FREE)


async def left(api: ServiceApi, **more: str) -> Ticket:
    parsed, _ = tradingview.read(json.dumps({**CLOSE, **more}).encode(), BOT)
    assert isinstance(parsed, tradingview.Exit)
    return await HookSignals(api).change(tradingview.hook_change(BOT, parsed), FREE)


async def trades(api: ServiceApi) -> list[Trade]:
    return [entry.trade for entry in reversed(await api.trades(FindTrades()))]


class Answering:
    """Gives these answers to changes, one by one, and makes those for which there is None."""

    def __init__(self, api: ServiceApi, *answers: Ticket | None) -> None:
        self._amend = api.amend
        self._answers = list(answers)
        self.api = replaced(api, amend=self.amend)

    async def amend(self, *arguments: Any) -> Ticket:
        answer = self._answers.pop(0) if self._answers else None
        return await self._amend(*arguments) if answer is None else answer


def hooks_of_an_older_version(home: Path) -> None:
    """Give a signal that version 1 kept the id that its hook gave it, and the memory that it kept."""
    home.mkdir(exist_ok=True)
    shutil.copy(OLD, home)
    name = "ma-unified:EUR_USD:H1:BUY:20260302T120000Z"
    with closing(sqlite3.connect(home / "outbox.db")) as db:
        for table, column in (("notification", "body"), ("key", "key"), ("delivery", "sequence")):
            db.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (name, f"bot:{name}"))
        memory = {"EUR_USD/H1/MA Unified Strategy": {"open": {"signal_id": f"bot:{name}"}, "tier": "free"}}
        db.execute("INSERT INTO stream VALUES ('hooks/bot/7', 'web 1', 0, ?)", (json.dumps(memory),))
        db.commit()


async def test_a_signal_that_an_older_version_opened_is_closed(config: Config) -> None:
    hooks_of_an_older_version(config.home)
    async with AsyncNotificationService(config) as service:
        api = ServiceApi(service)
        ticket = await left(api, interval="60", strategy="MA Unified Strategy")
        assert ticket.outcome is Outcome.ACCEPTED
        assert ticket.signal_id == "bot:ma-unified:EUR_USD:H1:BUY:20260302T120000Z"
        assert (await left(api, interval="60", strategy="Another")).cause is Refusal.UNKNOWN_SIGNAL


async def test_a_reversal_that_the_store_interrupts_is_finished_by_its_repeat(service_api: ServiceApi) -> None:
    await opened(service_api)
    reversal = {"action": "sell", "time": "2099-01-01T04:00:00Z"}
    assert (await opened(Answering(service_api, STORE).api, **reversal)).cause is Refusal.STORE
    assert [each.end is None for each in await trades(service_api)] == [True, True]
    assert (await opened(service_api, **reversal)).outcome is Outcome.DUPLICATE
    old, new = await trades(service_api)
    assert old.end is not None
    assert (old.end.reason, new.end) == (CloseReason.REVERSED, None)


async def test_a_change_is_made_anew_if_another_one_came_first(service_api: ServiceApi) -> None:
    await opened(service_api)
    answer = await left(Answering(service_api, STALE, STALE).api)
    assert answer.outcome is Outcome.ACCEPTED
    assert (await left(Answering(service_api, *[STALE] * 9).api, price="1.2")).cause is Refusal.STALE_VERSION


async def test_a_close_of_an_order_needs_its_fill(service_api: ServiceApi) -> None:
    await opened(service_api, order_type="limit")
    assert (await left(Answering(service_api, None, STORE).api)).cause is Refusal.STORE
    assert (await left(Answering(service_api, None, STALE).api)).outcome is Outcome.ACCEPTED
    (trade,) = await trades(service_api)
    assert trade.fill is not None
    assert isinstance(trade.last_change, Close)


@pytest.mark.parametrize("sides", [("buy", "sell", "buy"), ("sell", "buy", "sell")])
async def test_an_order_that_waits_hides_no_position_from_a_reversal(
    service_api: ServiceApi, sides: Sequence[str]
) -> None:
    first, waiting, last = sides
    at = datetime(2099, 1, 1, tzinfo=UTC)
    await opened(service_api, action=first)
    await opened(service_api, action=waiting, order_type="limit", time=at.replace(hour=4).isoformat())
    await opened(service_api, action=waiting, time=at.replace(hour=8).isoformat())
    assert [each.state.value for each in await trades(service_api)] == ["closed", "pending", "open"]
    await opened(service_api, action=last, time=at.replace(hour=12).isoformat())
    assert [each.state.value for each in await trades(service_api)] == ["closed", "pending", "closed", "open"]


async def test_a_reversal_that_a_filter_stops_ends_the_old_signal_all_the_same(config: Config) -> None:
    limited = msgspec.structs.replace(config, filters=Filters(max_per_hour=1))
    async with AsyncNotificationService(limited) as service:
        api = ServiceApi(service)
        await opened(api)
        reversal = {"action": "sell", "time": "2099-01-01T04:00:00Z", "price": "1.17"}
        assert (await opened(api, **reversal)).code == "max-per-hour"
        assert [(each.state, each.flags) for each in await trades(api)] == [
            ("closed", (Flag.REPORTED,)),
            ("expired", (Flag.UNPUBLISHED,)),
        ]
        assert (await opened(api, **reversal)).outcome is Outcome.DUPLICATE
        assert [each.end_reason for each in await trades(api)] == [CloseReason.REVERSED, None]
