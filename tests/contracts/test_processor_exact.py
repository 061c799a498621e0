"""The processor against the independent batch computation: whatever stops, fails or is corrected, no signal differs."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost import MAUnifiedConfig, MAUnifiedStrategy
from signalpost.delivery.outbox.commands import Answer, Command, Put
from signalpost.domain.ledger import StreamState
from signalpost.errors import StoreFailed
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.cache import MemoryCache
from signalpost.trading.calendar import FX
from signalpost.trading.stream import OVERLAP
from tests.contracts import exact_batch
from tests.contracts.conftest import real_candles
from tests.contracts.samples import SAMPLES
from tests.size import size
from tests.unit.delivery.intake_harness import FailingOutbox, IntakeHarness
from tests.unit.trading.stream_harness import StreamHarness

H4 = timedelta(hours=4)
HISTORY, LENGTH = 60, 200
QUICK = [config for config in SAMPLES["ma-unified"] if config.slow <= 10]


class CrashError(BaseException):
    """The process was killed."""


class CrashingOutbox(FailingOutbox):
    """An outbox that ends before or after it has saved a state."""

    crash: str = ""

    async def do(self, command: Command[Answer]) -> Answer:
        how, saves = self.crash, isinstance(command, Put)
        if saves and how:
            self.crash = ""
        if saves and how == "fails":
            raise StoreFailed("the disk is full")
        if saves and how == "before":
            raise CrashError
        answer = await super().do(command)
        if saves and how == "after":
            raise CrashError
        return answer


class UnreliableCache(MemoryCache):
    """A cache that may lose writes, and whose copies are replaced by others."""

    loses = False

    async def write(self, states: Iterable[StreamState]) -> None:
        if not self.loses:
            await super().write(states)

    def spoil(self, how: str, spare: Mapping[str, StreamState]) -> None:
        for name, state in list(self._states.items()):
            match how:
                case "wiped":
                    del self._states[name]
                case "stale":
                    self._states[name] = spare.get(name, state)
                case "damaged":
                    self._states[name] = state._replace(state=state.state[:-9] + b"\x00" * 9)
                case "foreign":
                    self._states[name] = state._replace(fingerprint="foreign")
                case "newer":
                    self._states[name] = state._replace(watermark=state.watermark + H4)


class Step(NamedTuple):
    """Some new candles, and what happens before and while they are processed."""

    candles: int
    how: str
    cache: str
    corrected: int
    """How many candles ago the one is that is corrected first; 0 for none."""
    place: int
    """Where in its range the corrected candle closes, in per cent."""


steps = st.builds(
    Step,
    st.integers(0, 9),
    st.sampled_from(["", "", "", "restart", "before", "after", "fails", "cut"]),
    st.sampled_from(["", "", "wiped", "stale", "damaged", "foreign", "newer", "loses"]),
    st.just(0),
    st.just(0),
)
corrections = st.builds(
    Step,
    st.integers(0, 4),
    st.sampled_from(["", "", "restart", "before", "after", "fails"]),
    st.sampled_from(["", "stale", "loses"]),
    st.integers(0, OVERLAP),
    st.integers(0, 100),
)


class Run:
    """One stream over real candles, which arrive step by step."""

    def __init__(self, config: MAUnifiedConfig, *, has_cache: bool) -> None:
        self.config, self.candles = config, list(real_candles(str(config.pair))[:LENGTH])
        self.cache = UnreliableCache() if has_cache else None
        self.outbox = CrashingOutbox()
        self.harness = StreamHarness(
            (), config=config, store=IntakeHarness(outbox=self.outbox), cache=self.cache, calendar=FX, history=HISTORY
        )
        self.shown = 0
        self.taken_at: dict[datetime, datetime] = {}
        self.spare: Mapping[str, StreamState] = {}

    async def play(self, clock: ManualClock, steps: Iterable[Step]) -> None:
        await self.show(clock, HISTORY)
        for step in steps:
            if step.corrected:
                self.correct(step)
            self.outbox.crash = step.how if step.how in {"before", "after", "fails"} else ""
            self.harness.feed.cut_at = 5 if step.how == "cut" else None
            if step.how == "restart":
                self.harness.restart()
            if self.cache is not None:
                now = await self.cache.read((self.config.stream,))
                self.cache.spoil(step.cache, self.spare)
                self.cache.loses, self.spare = step.cache == "loses", now
            await self.show(clock, step.candles)

    async def show(self, clock: ManualClock, count: int) -> None:
        """More candles close, and are processed."""
        first, self.shown = self.shown, min(self.shown + count, len(self.candles))
        self.harness.feed.candles = self.candles[: self.shown]
        self.harness.feed.forming = self.candles[self.shown - 1].time + H4
        now = self.candles[self.shown - 1].time + H4
        self.taken_at.update((candle.time, now) for candle in self.candles[first : self.shown])
        clock.set(now)
        for _ in range(3):
            try:
                await self.harness.processor.cycle(now)
            except StoreFailed:
                continue
            except CrashError:
                self.harness.restart()
            else:
                return
        raise AssertionError("it does not recover")

    def correct(self, step: Step) -> None:
        at = self.shown - step.corrected
        candle = self.candles[at]
        places = self.config.places or 0
        ticks = int((candle.high - candle.low).scaleb(places)) * step.place // 100
        self.candles[at] = candle.but(close=candle.low + Decimal(ticks).scaleb(-places))

    def crosses(self) -> dict[datetime, exact_batch.Cross]:
        """The crosses that become a signal, of the candles as they are now."""
        found = exact_batch.crosses(self.candles[: self.shown], self.config)
        return {self.candles[each.index].time: each for each in found if not each.filters}


@pytest.mark.unmeasured
@settings(print_blob=True, max_examples=size(25, 400))
@given(config=st.sampled_from(QUICK), steps=st.lists(steps, min_size=5, max_size=25), has_cache=st.booleans())
def test_stops_faults_and_caches_change_no_signal(
    config: MAUnifiedConfig, steps: list[Step], *, has_cache: bool
) -> None:
    run_virtual(_stops_change_no_signal(Run(config, has_cache=has_cache), steps))


async def _stops_change_no_signal(run: Run, steps: list[Step]) -> None:
    with ManualClock(run.candles[0].time) as clock:
        await run.play(clock, steps)
    expected = {at: cross for at, cross in run.crosses().items() if at >= run.candles[HISTORY].time}
    trades = {each.trade.signal.timestamp: each.trade for each in await run.harness.trades()}
    assert trades.keys() == expected.keys()
    for at, trade in trades.items():
        signal, cross = trade.signal, expected[at]
        assert signal.signal_type == cross.side
        assert {name: Fraction(getattr(signal, name)) for name in cross.prices} == cross.prices
        is_old = signal.valid_until <= run.taken_at[at]
        assert trade.flags == (("unpublished",) if is_old else ())
    rows = [row.delivery for row in await run.harness.rows()]
    assert len(rows) == len(trades), "each is posted once"
    assert {row.state for row in rows if row.rule is None} <= {"pending"}
    strategy = MAUnifiedStrategy(run.config)
    for candle in run.candles[: run.shown]:
        strategy.on_candle(candle)
    assert run.harness.processor.strategy.snapshot() == strategy.snapshot()


@pytest.mark.unmeasured
@settings(print_blob=True, max_examples=size(25, 400))
@given(config=st.sampled_from(QUICK), steps=st.lists(corrections, min_size=5, max_size=25))
def test_after_corrections_the_book_has_the_signals_of_the_final_candles(
    config: MAUnifiedConfig, steps: list[Step]
) -> None:
    run_virtual(_corrections_are_in_the_book(Run(config, has_cache=True), steps))


async def _corrections_are_in_the_book(run: Run, steps: list[Step]) -> None:
    with ManualClock(run.candles[0].time) as clock:
        await run.play(clock, steps)
    strategy = MAUnifiedStrategy(run.config)
    for candle in run.candles[: run.shown]:
        strategy.on_candle(candle)
    assert run.harness.processor.strategy.snapshot() == strategy.snapshot()
    final = {(at, cross.side) for at, cross in run.crosses().items() if at >= run.candles[HISTORY].time}
    trades = {
        (each.trade.signal.timestamp, each.trade.signal.signal_type): each.trade for each in await run.harness.trades()
    }
    news = {name: trade for name, trade in trades.items() if name[0] >= run.candles[HISTORY].time}
    assert final <= news.keys()
    assert all("revised" in trade.flags for name, trade in news.items() if name not in final)
    posted = [row.delivery.sequence for row in await run.harness.rows() if row.notification.event == "new"]
    assert len(posted) == len(set(posted)) == len(trades)
