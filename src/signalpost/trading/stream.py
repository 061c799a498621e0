"""A strategy with its last candles, so that a correction of one of them can be applied. Pure.

A correction is applied by computing again from the strategy's snapshot before that candle.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from signalpost.domain.candle import Candle
from signalpost.domain.instant import iso
from signalpost.domain.signal import Signal
from signalpost.errors import InvalidSnapshot, InvalidValue
from signalpost.trading.strategies.port import LiveStrategy, checked

OVERLAP = 3
"""How many of the last candles can still be corrected."""
_SNAPSHOT_EVERY = 8
"""Candles between snapshots. A snapshot costs more than computing from an older one."""
_PIECE = 2047
"""Bytes. For more at once, hashlib lets other threads run, and waiting for them costs more than the checksum."""
VERSION = 1


class Recent(NamedTuple):
    """One of the last candles."""

    candle: Candle
    saved: bytes
    """The candle as JSON."""
    before: bytes
    """The strategy's snapshot before it, as JSON; empty for most candles."""
    ids: tuple[str, ...]
    """The ids of the signals that it gave, including those before it was corrected."""


class Correction(NamedTuple):
    """The effect of corrected candles on the signals of the last candles."""

    gone: tuple[str, ...]
    """The ids of signals that the last candles no longer give."""
    appeared: tuple[Signal, ...]
    """Signals that the last candles did not give before."""


class _Saved(msgspec.Struct, frozen=True):
    version: int
    checksum: str
    body: msgspec.Raw


class _SavedCandle(msgspec.Struct, frozen=True):
    candle: msgspec.Raw
    ids: tuple[str, ...]


class _Body(msgspec.Struct, frozen=True):
    candles: tuple[_SavedCandle, ...]
    checkpoint: msgspec.Raw
    """The strategy's snapshot before the first of the candles."""


class Stream:
    """A strategy and its last candles."""

    def __init__(self, strategy: LiveStrategy) -> None:
        self.strategy = strategy
        self._recent: list[Recent] = []
        """The last candles, oldest first: all that can be corrected, and older ones back to one with a snapshot."""
        self._fresh = strategy.snapshot()

    @property
    def correctable(self) -> list[Candle]:
        """The last candles, oldest first, which can be corrected."""
        return [each.candle for each in self._recent[-OVERLAP:]]

    @property
    def watermark(self) -> datetime | None:
        """The time of the last candle; None before the first."""
        return self._recent[-1].candle.time if self._recent else None

    def take(self, candles: Sequence[Candle]) -> list[tuple[Candle, Signal]]:
        """Feed new candles, oldest first, to the strategy. Returns the signals, each with its candle.

        Raises WrongAnswer and the errors of `on_candle`. After one, restore the stream.
        """
        found = []
        for left, candle in zip(range(len(candles), 0, -1), candles, strict=True):
            is_recent = left <= OVERLAP
            before = self._snapshot() if is_recent and self._is_due(len(self._recent)) else b""
            answer = checked(self.strategy.on_candle(candle))
            if isinstance(answer, Signal):
                found.append((candle, answer))
            if is_recent:
                self._recent.append(Recent(candle, candle.to_json(), before, _ids(answer)))
            else:
                self._recent.clear()
        if len(self._recent) >= _SNAPSHOT_EVERY + OVERLAP:
            del self._recent[:_SNAPSHOT_EVERY]
        return found

    def correct(self, candles: Iterable[Candle]) -> Correction:
        """Replace some of the last candles, and compute again from the first of them on."""
        by_time = {candle.time: candle for candle in candles}
        recent = list(self._recent)
        changed = next(place for place, each in enumerate(recent) if each.candle.time in by_time)
        first = changed - changed % _SNAPSHOT_EVERY
        self.strategy.restore(json.loads(recent[first].before))
        gone, appeared = [], []
        for place, each in enumerate(recent[first:], start=first):
            candle = by_time.get(each.candle.time, each.candle)
            before = self._snapshot() if self._is_due(place) else b""
            answer = checked(self.strategy.on_candle(candle))
            now = _ids(answer)
            gone += [name for name in each.ids if name not in now]
            if isinstance(answer, Signal) and answer.signal_id not in each.ids:
                appeared.append(answer)
            recent[place] = Recent(candle, candle.to_json(), before, tuple(dict.fromkeys((*each.ids, *now))))
        self._recent = recent
        return Correction(tuple(gone), tuple(appeared))

    def saved(self) -> bytes:
        """The whole state as JSON, with a version and a checksum. There must be a candle."""
        candles = tuple(_SavedCandle(msgspec.Raw(each.saved), each.ids) for each in self._recent)
        body = msgspec.json.encode(_Body(candles, msgspec.Raw(self._recent[0].before)))
        return msgspec.json.encode(_Saved(VERSION, _checksum(body), msgspec.Raw(body)))

    def restore(self, state: bytes, watermark: datetime) -> None:
        """Continue from a saved state. Raises InvalidSnapshot if it is damaged; the stream does not change then."""
        candles, checkpoint = _unsealed(state, watermark)
        before = self.strategy.snapshot()
        recent: list[Recent] = []
        try:
            self.strategy.restore(json.loads(checkpoint))
            for place, (candle, ids) in enumerate(candles):
                snapshot = self._snapshot() if self._is_due(place) else b""
                self.strategy.on_candle(candle)
                recent.append(Recent(candle, candle.to_json(), snapshot, ids))
        except Exception as fault:
            self.strategy.restore(before)
            raise _damaged(f"does not fit this strategy ({fault})") from fault
        self._recent = recent

    def reset(self) -> None:
        """Begin anew, as before the first candle."""
        self.strategy.restore(self._fresh)
        self._recent.clear()

    @staticmethod
    def _is_due(place: int) -> bool:
        """True if the candle at this place of the recent ones needs a snapshot before it."""
        return place % _SNAPSHOT_EVERY == 0

    def _snapshot(self) -> bytes:
        return json.dumps(self.strategy.snapshot(), separators=(",", ":")).encode()


def _ids(answer: object) -> tuple[str, ...]:
    return (answer.signal_id,) if isinstance(answer, Signal) else ()


def _unsealed(state: bytes, watermark: datetime) -> tuple[list[tuple[Candle, tuple[str, ...]]], bytes]:
    """The last candles with their signals' ids, and the snapshot before them."""
    try:
        saved = msgspec.json.decode(state, type=_Saved)
        body = msgspec.json.decode(saved.body, type=_Body)
        candles = [(Candle.from_json(bytes(each.candle)), each.ids) for each in body.candles]
    except (msgspec.DecodeError, InvalidValue) as fault:
        raise _damaged(f"is not JSON of this kind ({fault})") from None
    if saved.version != VERSION or saved.checksum != _checksum(bytes(saved.body)):
        raise _damaged("does not match its version and checksum")
    if not candles or candles[-1][0].time != watermark:
        raise _damaged(f"does not end at its watermark, {iso(watermark)}")
    return candles, bytes(body.checkpoint)


def _damaged(problem: str) -> InvalidSnapshot:
    return InvalidSnapshot(f"the saved state of the stream {problem}", code="damaged")


def _checksum(body: bytes) -> str:
    digest = blake2b(digest_size=8)
    for start in range(0, len(body), _PIECE):
        digest.update(body[start : start + _PIECE])
    return digest.hexdigest()
