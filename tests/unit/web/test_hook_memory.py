"""The storage of hooks is bounded, however many positions they have."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import StreamState
from signalpost.domain.delivery import Delivery
from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import Payload
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.domain.tier import UserTier
from signalpost.web.hook_memory import HookMemory
from signalpost.web.problem import Problem
from signalpost.web.service_api import ServiceApi, Take
from signalpost.web.streams import Streams
from signalpost.web.tradingview import Closing
from tests.unit.web.tokens import token

AT = datetime(2099, 1, 1, tzinfo=UTC)
EURUSD = Instrument("EUR_USD")
MEGABYTE = 1024 * 1024


class Store:
    """A store of states alone, in memory."""

    def __init__(self) -> None:
        self.states: dict[str, StreamState] = {}
        self.memory = self._memory()

    @property
    def size(self) -> int:
        return sum(len(each.state) for each in self.states.values())

    def _memory(self) -> HookMemory:
        async def take(payload: Payload, options: Any, event: str) -> Ticket:
            return Ticket(Outcome.DUPLICATE, "1")

        async def commit(state: StreamState, signals: Sequence[Signal], options: Any, event: str) -> list[Ticket]:
            self.states[state.stream] = state
            return [Ticket(Outcome.ACCEPTED, "1") for _ in signals]

        async def load(stream: str) -> StreamState | None:
            return self.states.get(stream)

        async def deliveries(_: str) -> Sequence[Delivery]:
            return ()

        async def unused(*_: Any) -> Any:
            raise AssertionError

        service_api = ServiceApi(take, commit, load, deliveries, lambda: ("healthy", ()), {}, unused, unused)
        return HookMemory(service_api, Streams(service_api))

    async def open(self, strategy: str) -> None:
        signal = Signal(
            pair="EUR_USD", timeframe="H4", signal_type="BUY", timestamp=AT, entry_price=1, strategy_name=strategy
        )
        await self.memory.open(token(), signal, WISHES)

    async def close(self, strategy: str, options: Any = None) -> None:
        closing = Closing(f"{strategy} closed", strategy, EURUSD, "H4", SignalType.BUY, Decimal(2), AT, "target", None)
        await self.memory.close(token(), closing, options or WISHES)


WISHES = Take.__call__.__annotations__["options"](None, UserTier.FREE, {})


@pytest.mark.line("6.3.6")
async def test_the_memory_of_many_names_is_limited() -> None:
    store, large = Store(), WISHES._replace(context={"note": "x" * 60_000})
    for number in range(900):
        await store.open(f"Strategy {number}")
        await store.close(f"Strategy {number}", large)
    assert store.size < 20 * MEGABYTE


@pytest.mark.line("6.3.6")
async def test_the_memory_of_many_open_positions_is_limited() -> None:
    store = Store()
    for number in range(3_000):
        await store.open(f"Strategy {number}")
    count, size = len(store.states), store.size
    for number in range(3_000, 4_000):
        await store.open(f"Strategy {number}")
    assert (len(store.states), store.size < size * 1.1) == (count, True)


async def test_400_positions_are_all_remembered_and_the_newest_of_any_number() -> None:
    store = Store()
    for number in range(400):
        await store.open(f"Strategy {number}")
    for number in range(400):
        await store.close(f"Strategy {number}")
    for number in range(2_500):
        await store.open(f"Other {number}")
    for number in range(2_400, 2_500):
        await store.close(f"Other {number}")
    with pytest.raises(Problem):
        await store.close("Other 0")


async def test_a_position_that_is_used_again_is_new_again() -> None:
    store = Store()
    for number in range(3_000):
        await store.open(f"Strategy {number}")
        if number % 50 == 0:
            await store.memory.open(
                token(),
                Signal(
                    pair="EUR_USD",
                    timeframe="H4",
                    signal_type="BUY",
                    timestamp=AT.replace(hour=number // 50 % 24, minute=number // 1_200),
                    entry_price=1,
                    strategy_name="In use",
                ),
                WISHES,
            )
    await store.close("In use")
