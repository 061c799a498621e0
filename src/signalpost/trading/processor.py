"""Runs one strategy on new candles only, and commits its state together with its signals.

See docs/why/0035-the-strategy-lives.md.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.instant import Instant, iso, utc
from signalpost.domain.ledger import Ledger, StreamState, Unpublished, UnpublishedRule
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.words import Word
from signalpost.errors import FeedFailed, InvalidSnapshot, InvalidValue
from signalpost.telemetry.log_queue import logger
from signalpost.trading.cache import StateCache
from signalpost.trading.candle_rules import CandleRule, SortedCandles, sort_candles
from signalpost.trading.feeds.port import Feed, Fetched
from signalpost.trading.strategies.port import LiveStrategy
from signalpost.trading.stream import Correction, Stream

HISTORY = 500
"""How many candles a strategy begins with."""
_PAGE = 500


class StateFrom(Word):
    """Where the state of a cycle came from."""

    MEMORY = "memory"
    """From the cycle before: nothing was read."""
    CACHE = "cache"
    STORE = "store"
    ORIGIN = "origin"
    """It was computed from the feed's last candles."""


class Cycle(NamedTuple):
    """The result of a cycle."""

    candles_read: int
    """The number of candles in the feed's answers, including those already known."""
    signals: tuple[Signal, ...]
    """Saved, and being posted."""
    state_from: StateFrom
    watermark: datetime | None
    """The time of the last candle taken; None before the first."""
    forming: datetime | None
    """The open of the candle that the feed shows as still forming. All earlier candles exist, or had no trades."""
    candles_taken: int
    """How many were new."""
    missed: tuple[Signal, ...]
    """Recorded but not posted, because their validity had passed."""
    appeared: tuple[Signal, ...]
    """Recorded but not posted, because they appeared only when a candle was corrected."""
    revised: tuple[str, ...]
    """The ids of signals that were marked as revised: their candle was corrected, and no longer gives the signal."""
    counts: Mapping[CandleRule, int]
    """The number of unusual candles of each kind."""
    rebuilt: str | None
    """Why the state was computed anew although one was saved: `other-fingerprint` or `damaged`."""
    tickets: tuple[Ticket, ...]
    """One for each of `signals`, in order."""
    oldest: datetime | None
    """The time of the oldest candle that was new."""


@dataclass
class _Tally:
    """A cycle while it runs."""

    state_from: StateFrom = StateFrom.MEMORY
    rebuilt: str | None = None
    read: int = 0
    taken: int = 0
    oldest: datetime | None = None
    forming: datetime | None = None
    signals: list[Signal] = field(default_factory=list)
    missed: list[Signal] = field(default_factory=list)
    appeared: list[Signal] = field(default_factory=list)
    revised: list[str] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    counts: Counter[CandleRule] = field(default_factory=Counter)
    has_refetched: bool = False
    has_committed: bool = False


class IncrementalSignalProcessor:
    """Runs one strategy on a feed's candles, each once, and commits its state with its signals to the ledger.

    It begins with the feed's newest `history` candles, or with as many as the strategy needs; signals of candles that
    closed before the first cycle are history and not posted. After a restart it goes on from the ledger's state, or
    from an equal copy in the `cache`. The signals are for each of the `tiers`; without any, for the default one.
    Belongs to one event loop, and runs one cycle at a time.
    """

    def __init__(
        self,
        strategy: LiveStrategy,
        feed: Feed,
        ledger: Ledger,
        cache: StateCache | None = None,
        *,
        history: int = HISTORY,
        tiers: Sequence[UserTier | str] = (),
    ) -> None:
        self.strategy = strategy
        self.feed = feed
        self.stream = strategy.config.stream
        self.fingerprint = f"{strategy.fingerprint} feed={feed.name} calendar={feed.calendar}"
        """Everything that the state depends on."""
        self._ledger = ledger
        self._cache = cache
        self._history = max(history, strategy.warm_up)
        self._tiers = tuple(tiers)
        self._memory = Stream(strategy)
        self._committed: StreamState | None = None
        self._copied: StreamState | None = None
        self._is_warm = False
        self._history_until: datetime | None = None
        self._first_at: datetime | None = None
        self._out_of_order: frozenset[datetime] = frozenset()
        self._unreported: _Tally | None = None

    @property
    def is_warm(self) -> bool:
        """True if the next cycle reads no state."""
        return self._is_warm

    @property
    def watermark(self) -> datetime | None:
        """The time of the last candle taken; None before the first."""
        return self._memory.watermark

    async def cycle(self, now: Instant) -> Cycle:
        """Process the candles that closed since the last cycle. If it fails, the processor does not change.

        Raises FeedFailed if the feed gave no usable answer, StoreFailed and CommandFailed if the state or the signals
        cannot be saved, and the strategy's own errors.
        """
        now = utc(now, "now")
        self._first_at = self._first_at or now
        # What a cycle committed before it failed is reported by the next one.
        tally, self._unreported = self._unreported or _Tally(), None
        try:
            await self._run(now, tally)
        except BaseException:
            self._unreported = tally if tally.has_committed else None
            raise
        return Cycle(
            tally.read,
            tuple(tally.signals),
            tally.state_from,
            self._memory.watermark,
            tally.forming,
            tally.taken,
            tuple(tally.missed),
            tuple(tally.appeared),
            tuple(tally.revised),
            tally.counts,
            tally.rebuilt,
            tuple(tally.tickets),
            tally.oldest,
        )

    async def _run(self, now: datetime, tally: _Tally) -> None:
        if not self._is_warm:
            await self._load(tally)
        is_more = True
        while is_more:
            page = await self._page(now, tally)
            await self._take(page, now, tally)
            is_more = page[0].is_more
        await self._copy_committed()

    async def _load(self, tally: _Tally) -> None:
        """Load the last committed state, or begin anew. A copy counts only if it equals the store's in every byte."""
        self._memory.reset()
        self._copied = copy = await self._read_copy()
        saved = await self._ledger.load_state(self.stream)
        self._committed = None
        self._history_until = self._first_at
        tally.state_from = StateFrom.ORIGIN
        if saved is None:
            return
        if (why := self._why_unusable(saved)) is not None:
            tally.rebuilt = why
            # Candles after the watermark are news: no state that was committed has seen them.
            self._history_until = self._closes_at(saved.watermark)
            return
        tally.state_from = StateFrom.CACHE if copy == saved else StateFrom.STORE
        self._committed, self._is_warm, self._history_until = saved, True, None

    def _why_unusable(self, saved: StreamState) -> str | None:
        """Why a saved state cannot be used; None if it was restored."""
        if saved.fingerprint != self.fingerprint:
            return "other-fingerprint"
        try:
            self._memory.restore(saved.state, saved.watermark)
        except InvalidSnapshot:
            return "damaged"
        return None

    async def _read_copy(self) -> StreamState | None:
        return None if self._cache is None else (await self._cache.read((self.stream,))).get(self.stream)

    async def _copy_committed(self) -> None:
        if self._cache is not None and self._committed is not None and self._committed != self._copied:
            await self._cache.write((self._committed,))
            self._copied = self._committed

    async def _page(self, now: datetime, tally: _Tally) -> tuple[Fetched, SortedCandles]:
        """The feed's next answer. If candles are missing, it is fetched once more."""
        fetched, candles = await self._fetch(now, tally)
        if candles.counts[CandleRule.GAP] and fetched.forming is None and not tally.has_refetched:
            tally.has_refetched = True
            fetched, candles = await self._fetch(now, tally)
        if fetched.is_more and not candles.new:
            raise FeedFailed(f"{self.feed.name}: the feed reports more candles, but returned none", code="bad-answer")
        tally.forming = fetched.forming
        ignored = [candle.time for candle in candles.out_of_order]
        news = [at for at in ignored if at not in self._out_of_order]
        for at in news:
            logger.warning("%s: the candle of %s came after newer ones and is ignored", self.stream, iso(at))
        self._out_of_order = frozenset(ignored)
        tally.counts += candles.counts + Counter({CandleRule.OUT_OF_ORDER: len(news)})
        return fetched, candles

    async def _fetch(self, now: datetime, tally: _Tally) -> tuple[Fetched, SortedCandles]:
        config, recent = self.strategy.config, self._memory.correctable
        since = recent[0].time if recent else None
        limit = _PAGE if recent else self._history
        fetched = await self.feed.fetch(config.pair, config.timeframe, since=since, limit=limit)
        tally.read += len(fetched.candles)
        return fetched, sort_candles(fetched.candles, recent, self.feed.calendar, config.timeframe, now)

    async def _take(self, page: tuple[Fetched, SortedCandles], now: datetime, tally: _Tally) -> None:
        """Feed a page to the strategy, and commit. If that fails, nothing has changed."""
        candles = page[1]
        if not candles.new and not candles.corrected:
            return
        try:
            correction, found = self._feed_strategy(candles)
            await self._commit(correction, found, now, tally)
        except Exception:  # whatever the strategy or the ledger raises: nothing was committed
            self._restore()
            raise
        except BaseException:
            self._is_warm = False  # it may be committed or not: the store knows
            raise
        tally.taken += len(candles.new)
        tally.oldest = tally.oldest or next((each.time for each in candles.new), None)

    def _feed_strategy(self, candles: SortedCandles) -> tuple[Correction, list[tuple[Candle, Signal]]]:
        try:
            correction = self._memory.correct(candles.corrected) if candles.corrected else Correction((), ())
            return correction, self._memory.take(candles.new)
        except InvalidValue as fault:  # such as a price finer than the instrument's
            raise FeedFailed(f"{self.feed.name}: {fault}", code="bad-answer", field=fault.field) from fault

    async def _commit(
        self, correction: Correction, found: Sequence[tuple[Candle, Signal]], now: datetime, tally: _Tally
    ) -> None:
        """Commit the state with its signals. Revisions come first: repeating one changes nothing."""
        news = [signal for candle, signal in found if not self._is_history(candle)]
        signals = [signal for signal in news if signal.valid_until > now]
        missed = [signal for signal in news if signal.valid_until <= now]
        revisions = [await self._ledger.revise(name) for name in correction.gone]
        watermark = self._memory.watermark
        assert watermark is not None  # noqa: S101  # for mypy: a candle was taken or corrected
        state = StreamState(self.stream, self.fingerprint, watermark, self._memory.saved())
        unpublished = [
            *(Unpublished(signal, UnpublishedRule.TOO_OLD) for signal in missed),
            *(Unpublished(signal, UnpublishedRule.LATE_CORRECTION) for signal in correction.appeared),
        ]
        tickets = await self._ledger.commit(state, signals, tiers=self._tiers, unpublished=unpublished)
        self._committed, self._is_warm, tally.has_committed = state, True, True
        tally.missed += missed
        for signal, ticket in zip(signals, tickets, strict=False):
            if (ticket.reason or "").startswith(UnpublishedRule.TOO_OLD):  # it expired while it was saved
                tally.missed.append(signal)
            else:
                tally.signals.append(signal)
                tally.tickets.append(ticket)
        tally.appeared += correction.appeared
        revised = zip(correction.gone, revisions, strict=True)
        tally.revised += [name for name, ticket in revised if ticket.outcome is Outcome.ACCEPTED]
        if correction.gone or correction.appeared:
            removed = ", ".join(correction.gone) or "no signal"
            added = ", ".join(signal.signal_id for signal in correction.appeared) or "none"
            logger.warning("%s: a corrected candle removes %s and adds %s", self.stream, removed, added)

    def _restore(self) -> None:
        if self._committed is None:
            self._memory.reset()
        else:
            self._memory.restore(self._committed.state, self._committed.watermark)

    def _is_history(self, candle: Candle) -> bool:
        return self._history_until is not None and self._closes_at(candle.time) <= self._history_until

    def _closes_at(self, opened: datetime) -> datetime:
        return self.feed.calendar.closes_at(opened, self.strategy.config.timeframe)
