"""The ledger of a service's strategies: a new signal names the trade it will end, and states are saved together."""

import asyncio
from typing import Any

import pytest

from signalpost.config.feeds import Candles
from signalpost.domain.ledger import StreamState
from signalpost.domain.signal import Signal
from signalpost.service.following import FollowedLedger, FollowPlan
from signalpost.trading.round import Round
from tests.unit.service.follow_harness import M1, START, CountedFeed, Following, bars, following, signal


@pytest.mark.parametrize(
    ("fields", "tiers", "closes"),
    [
        ({}, ["free"], 2),
        ({}, [], 2),
        ({}, ["free", "premium"], None),
        ({"strategy_name": "other"}, ["free"], None),
        ({"signal_type": "BUY", "stop_loss": "1.0950", "targets": ["1.1050"]}, ["free"], None),
    ],
    ids=["opposite", "usual-tier", "another-tier", "another-strategy", "same-side"],
)
def test_a_new_signal_of_a_strategy_names_the_newest_trade_that_it_will_end(
    fields: dict[str, str], tiers: list[str], closes: int | None
) -> None:
    plan = FollowPlan(Candles("feed", M1), {})
    opposite = {"signal_type": "SELL", "stop_loss": "1.1050", "targets": ["1.0950"], "strategy_name": "cross"}

    async def test(harness: Following) -> None:
        ledger = FollowedLedger(harness.intake, plan, Round())
        state = StreamState("stream", "fingerprint", START, b"")
        (ticket,) = await ledger.commit(state, [signal("new", **(opposite | fields))], tiers=tiers)
        assert ticket
        (added,) = {each.notification.closes for each in await harness.rows() if each.notification.id == ticket.id}
        assert added == closes
        assert await ledger.load_state("stream") == state

    old = [signal(name, strategy_name="cross") for name in ("s1", "s2")]
    following(test, CountedFeed(bars()), plan=plan, signals=old)


def test_only_a_state_without_signals_waits_for_other_streams() -> None:
    async def test(harness: Following) -> None:
        together, saved = Round(), list[str]()
        ledger = FollowedLedger(harness.intake, FollowPlan(None, {}), together)

        async def commit(stream: str, signals: list[Signal]) -> None:
            with together.at_work():
                await ledger.commit(StreamState(stream, "f", START, b""), signals)
                saved.append(stream)

        with together.at_work():
            state = asyncio.create_task(commit("state", []))
            await commit("signal", [signal("new")])
            assert saved == ["signal"]
        await state
        assert saved == ["signal", "state"]
        assert await ledger.load_state("state") is not None

    following(test, CountedFeed(bars()))


def test_a_signal_that_is_not_followed_names_none() -> None:
    async def test(harness: Following) -> None:
        ledger = FollowedLedger(harness.intake, FollowPlan(None, {}), Round())
        await ledger.commit(StreamState("stream", "f", START, b""), [signal("new", signal_type="SELL", **sell)])
        assert {each.notification.closes for each in await harness.rows()} == {None}

    sell: dict[str, Any] = {"stop_loss": "1.1050", "targets": ["1.0950"], "strategy_name": "cross"}
    following(test, CountedFeed(bars()), signals=[signal(strategy_name="cross")])
