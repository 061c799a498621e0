"""The real store, which outlives a process, behind an outbox that dies with its process."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from signalpost.delivery.outbox.book import Amend, Amendment, BookEntry, FindTrades, Follow
from signalpost.delivery.outbox.commands import (
    Answer,
    Cancel,
    Command,
    Expire,
    Lease,
    PassOn,
    Put,
    Revive,
    SaveFacts,
    Settle,
    SettleAndLease,
)
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.transaction import Arrival
from signalpost.domain.delivery import Delivery
from signalpost.domain.notification import payload_id
from signalpost.domain.recap import Recap
from signalpost.domain.signal import Signal
from signalpost.errors import OwnershipLost, StoreClosed, StoreFailed
from simulation.candles import CALM
from simulation.life import Life, never
from simulation.plan import PLACES
from simulation.recaps import note_period, note_recap
from simulation.recorder import OPEN, Amended, Booked, Commit, Recorder, Saved, Told

_GONE = "disabled"
_ALL = 1_000_000
_IN_THE_STORE = """
SELECT notification_id, turn, destination, state, coalesce(reason, ''), attempts, may_repeat, message_id
FROM delivery WHERE {} ORDER BY notification_id DESC, destination DESC, turn DESC"""
_OF_A_NOTIFICATION = _IN_THE_STORE.format("notification_id = ?")


class Disk:
    """The store's file; a crash closes it as a kernel would, without a commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cores: list[SqliteCore] = []
        self._reading: sqlite3.Connection | None = None

    def open(self, *, owns: bool = True) -> SqliteCore:
        """Open the store as the last process left it, as its owner or for a process beside the owner."""
        core = SqliteCore(self._path, owns=owns)
        self._cores.append(core)
        if self._reading is None:
            self._reading = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        return core

    def rows(self, query: str, value: str) -> list[tuple[Any, ...]]:
        """Read what is committed, past the store's code: that is faster, and leaves its caches alone."""
        assert self._reading is not None, "it is open"
        return self._reading.execute(query, (value,)).fetchall()

    def book(self) -> dict[str, Booked]:
        """Every trade, by the id of its signal."""
        return {
            entry.trade.signal.signal_id: Booked(
                entry.trade.number,
                entry.trade.version,
                entry.trade.state.value,
                tuple(
                    (card.destination, card.message and card.message.message_id, card.version) for card in entry.cards
                ),
            )
            for entry in self.trades()
        }

    def trades(self) -> tuple[BookEntry, ...]:
        """Everything in the book; no process may run."""
        (found,) = self.open().apply([FindTrades(limit=_ALL)])
        self.crash()
        return found

    def crash(self, core: SqliteCore | None = None) -> None:
        """Drop a process, or all; uncommitted work is lost."""
        for each in [core] if core is not None else self._cores[:]:
            each.close()
            self._cores.remove(each)
        if self._reading is not None and not self._cores:
            self._reading.close()
            self._reading = None


class Mood(NamedTuple):
    """How slow a store is, and when it fails."""

    slowest: float
    """The longest commit time in seconds."""
    failures: tuple[tuple[float, float], ...]
    """The periods of true time in which it fails."""
    share_of_signals: float = 0.0
    """The share of the commits of strategies' signals that fail."""


class _Poison(Command[None], frozen=True):
    """An unknown command, which makes the store roll back the whole batch."""


class MortalOutbox:
    """Commits in groups, as `ThreadedOutbox` does; the process can die before, within and after each commit."""

    def __init__(
        self, disk: Disk, life: Life, mood: Mood, recorder: Recorder, random: Random, *, owns: bool = True
    ) -> None:
        self._disk = disk
        self.core = disk.open(owns=owns)
        self._life = life
        self._mood = mood
        self._recorder = recorder
        self._random = random
        self._queue: list[tuple[Command[Any], asyncio.Future[Any]]] = []
        self._is_closed = False
        self.on_news: Callable[[tuple[Arrival, ...]], None] = _ignore
        """Called with the deliveries that other processes have put."""
        self.on_commit: Callable[[], None] = _do_nothing

    async def do(self, command: Command[Answer]) -> Answer:
        """Execute a command and return its answer once committed. Raises StoreFailed and StoreClosed."""
        if self._life.is_dead:
            await never()
        if self._is_closed:
            raise StoreClosed("the outbox is closed")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Answer] = loop.create_future()
        if not self._queue:
            slowest = self._mood.slowest
            loop.call_later(self._random.random() * slowest, self._commit) if slowest else loop.call_soon(self._commit)
        self._queue.append((command, waiter))
        return await waiter

    async def close(self) -> None:
        """Refuse further commands."""
        self._is_closed = True

    def hear(self) -> None:
        """Look for what other processes have written."""
        if self._life.is_frozen:
            self._life.when_thawed(self.hear)
        elif not self._life.is_dead:
            self.core.look()
            self._tell_news()

    def _tell_news(self) -> None:
        if (news := self.core.news()) is not None:
            self.on_news(news)

    def _commit(self) -> None:
        if self._life.is_frozen:
            self._life.when_thawed(self._commit)
        else:
            self._commit_now()

    def _commit_now(self) -> None:
        batch, self._queue = self._queue, []
        life, commands = self._life, [command for command, _ in batch]
        if not life.survives("before a commit"):
            return
        try:
            self._raise_if_failing(commands)
            if not life.survives("within a commit"):
                self._lose(commands)
                return
            answers = self._answers_to(commands)
        except StoreFailed as fault:
            self._recorder.store_failed()
            for _, waiter in batch:
                _set(waiter.set_exception, waiter, StoreFailed(str(fault)))
            return
        changed: set[str] = set()
        for command, answer in zip(commands, answers, strict=True):
            if not isinstance(answer, OwnershipLost):
                self._note(command, answer)
                changed |= self._trades_in(command, answer)
        self._note_trades(changed)
        if life.survives("after a commit"):
            for (_, waiter), answer in zip(batch, answers, strict=True):
                is_lost = isinstance(answer, OwnershipLost)
                _set(waiter.set_exception if is_lost else waiter.set_result, waiter, answer)
            self._tell_news()
            self.on_commit()

    def _answers_to(self, commands: list[Command[Any]]) -> list[Any]:
        """The answers. If another process has taken over, each of an owner's commands fails alone."""
        try:
            return self.core.apply(commands)
        except OwnershipLost as fault:
            if len(commands) == 1:
                return [fault]
            return [answer for each in commands for answer in self._answers_to([each])]

    def _lose(self, commands: list[Command[Any]]) -> None:
        """Execute the commands without committing."""
        try:
            self.core.apply([*commands, _Poison()])
        except (KeyError, OwnershipLost):
            return
        raise AssertionError("the store executed an unknown command")

    def _raise_if_failing(self, commands: list[Command[Any]]) -> None:
        elapsed, share = self._recorder.clocks.elapsed(), self._mood.share_of_signals
        if any(began <= elapsed < ended for began, ended in self._mood.failures):
            raise StoreFailed("the disk is full")
        if share and elapsed > CALM and any(map(_has_signals, commands)) and self._random.random() < share:
            raise StoreFailed("the disk is full")

    def _note(self, command: Command[Any], answer: Any) -> None:
        """Record the deliveries changed by this commit."""
        self._recorder.commands += 1
        clocks = self._recorder.clocks
        at, utc = clocks.seconds(), clocks.now()
        for delivery in _touched(command, answer):
            self._recorder.committed(_commit_of(delivery, at, utc, self._life.number))
        self._note_book(command, answer, at)
        if isinstance(command, Put):
            self._note_put(command, answer)
            note_period(self._recorder, self._life.number, command, answer)
            if (state := command.state) is not None:
                saved = Saved(state.stream, self._life.number, state.watermark, at, utc)
                self._recorder.of_streams.append(saved)
        if isinstance(command, Revive) and answer is not None and command.id.notification_id not in self._recorder.told:
            name = self._recorder.refs[command.id.notification_id], command.id.destination
            self._recorder.revived.setdefault(name, []).append((at, command.valid_until))
        for saved in _saved(command):
            if saved.facts.get(_GONE):
                self._recorder.gone_kept.append((_place_of(saved.subject.name), at, self._life.number))

    def _note_book(self, command: Command[Any], answer: Any, at: float) -> None:
        """Record the changes of trades, and when a process reads them for a recap."""
        if isinstance(command, Amend):
            self._note_amendment(command, answer, at)
        if isinstance(command, Follow) and answer is not None:
            self._recorder.following |= {name: state.since for name, state in command.states.items()}
            for amend, each in zip(command.changes, answer, strict=True):
                self._note_amendment(amend, each, at)
        if isinstance(command, FindTrades) and command.changed_since is not None:
            self._recorder.reads[self._life.number] = len(self._recorder.amended), at

    def _note_put(self, command: Put, answer: Any) -> None:
        at, utc = self._recorder.clocks.seconds(), self._recorder.clocks.now()
        for new, result in zip(command.notifications, answer, strict=True):
            if result.notification_id == new.notification.id:
                payload = new.notification.payload
                ref = str(new.notification.context.get("ref", payload_id(payload)))
                if isinstance(payload, Recap):
                    ref = note_recap(self._recorder, self._life.number, new.notification, payload)
                self._recorder.refs[new.notification.id] = ref
                if isinstance(payload, Signal) and payload.strategy_name is not None:
                    self._recorder.pairs[ref] = str(payload.pair)
                    self._recorder.opened_by.setdefault(ref, self._recorder.commands)
                if ref.startswith("t") or ref in self._recorder.pairs:
                    self._recorder.tell(new.notification.id, Told(ref, 1, is_companion=False))
                    if result.number is not None:  # a stale one opens no trade
                        self._recorder.numbers[ref] = result.number
                        self._recorder.opened_at[ref] = new.notification.accepted_at
                for each in new.deliveries:
                    self._recorder.committed(
                        Commit(
                            new.notification.id, 1, each.destination, each.state.value, each.reason or "", 0,
                            False, None, at, utc, self._life.number,
                        )
                    )  # fmt: skip

    def _note_amendment(self, command: Amend, answer: Amendment, at: float) -> None:
        version = None if answer.trade is None else answer.trade.version
        outcome, refusal = answer.outcome.value, "" if answer.refusal is None else answer.refusal.value
        if (ref := dict(command.context.items()).get("change")) is not None:
            self._recorder.amended.append(
                Amended(
                    command.ids[0],
                    str(ref),
                    command.name,
                    outcome,
                    refusal,
                    version,
                    command.if_version,
                    at,
                    command.now,
                )
            )
        if answer.trade is None or answer.notification is None:
            return
        name = answer.trade.signal.signal_id
        if answer.trade.state.is_live:
            self._recorder.ended.pop(name, None)
        else:
            self._recorder.ended[name] = self._recorder.commands
            self._recorder.following.pop(name, None)
        self._recorder.tell(command.ids[0], Told(name, answer.trade.version, is_companion=False))
        for count in range(len(PLACES)):
            companion = f"{command.ids[1]}{count or ''}"
            if not self._note_deliveries(companion, Told(name, answer.trade.version, is_companion=True)):
                break

    def _trades_in(self, command: Command[Any], answer: Any) -> set[str]:
        """The trades whose deliveries this command changed."""
        told = self._recorder.told
        if isinstance(command, Amend | Follow):
            return {command.name} if isinstance(command, Amend) else {each.name for each in command.changes}
        if isinstance(command, Put):
            names = [result.notification_id for result in answer]
        else:
            names = [delivery.id.notification_id for delivery in _touched(command, answer)]
        return {told[name].trade for name in names if name in told}

    def _note_trades(self, trades: set[str]) -> None:
        """Record what a commit did to all deliveries of these trades, also where no answer shows it."""
        recorder = self._recorder
        for name in [name for trade in sorted(trades) for name in recorder.names.get(trade, ())]:
            if recorder.states.get(name, OPEN) & OPEN:
                self._note_deliveries(name, recorder.told[name])

    def _note_deliveries(self, name: str, told: Told) -> bool:
        found = self._committed(_OF_A_NOTIFICATION, name)
        if found:
            self._recorder.tell(name, told)
            self._recorder.states[name] = frozenset(commit.state for commit in found)
        return bool(found)

    def _committed(self, query: str, value: str) -> list[Commit]:
        """Record the deliveries that a query finds in the store, and return them."""
        clocks = self._recorder.clocks
        at, utc = clocks.seconds(), clocks.now()
        found = [
            Commit(*row[:6], bool(may_repeat), message_id, at, utc, self._life.number)
            for *row, may_repeat, message_id in self._disk.rows(query, value)
        ]
        for commit in found:
            self._recorder.committed(commit)
        return found


def _has_signals(command: Command[Any]) -> bool:
    """True if it saves the signals of a candle."""
    return isinstance(command, Put) and command.state is not None and bool(command.notifications)


def _touched(command: Command[Any], answer: Any) -> list[Delivery]:
    match command:
        case Lease():
            return [*(entry.delivery for entry in answer.entries), *answer.expired]
        case Settle() | Expire():
            return list(answer)
        case SettleAndLease():
            leased = [] if answer.leased is None else _touched(command.lease, answer.leased)
            return [*answer.settled, *leased]
        case PassOn():
            return [*(delivery for delivery, _ in answer.ended), *answer.added]
        case Cancel() | Revive():
            return [] if answer is None else [answer]
        case _:
            return []


def _saved(command: Command[Any]) -> tuple[SaveFacts, ...]:
    match command:
        case SaveFacts():
            return (command,)
        case Settle(facts=facts) | SettleAndLease(settle=Settle(facts=facts)):
            return facts
        case _:
            return ()


def _place_of(webhook: str) -> str:
    """The destination whose webhook stores its facts under this name."""
    return next(name for name, place in PLACES.items() if place.webhook in webhook)


def _commit_of(delivery: Delivery, at: float, utc: datetime, life: int) -> Commit:
    return Commit(
        delivery.id.notification_id, delivery.id.turn, delivery.id.destination, delivery.state.value,
        delivery.reason or "", delivery.attempts, delivery.may_repeat, delivery.message_id, at, utc, life,
    )  # fmt: skip


def _ignore(_: object) -> None:
    """Nobody listens."""


def _do_nothing() -> None:
    """Nobody listens."""


def _set(setter: Callable[[Any], None], waiter: asyncio.Future[Any], value: Any) -> None:
    if not waiter.done():
        setter(value)
