"""Opens the signal book with the signals that an older version kept: part of the migration of a store."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from signalpost.delivery.outbox import sql
from signalpost.domain.identity import short_id
from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import CLOSED, NEW, sequence_of
from signalpost.domain.order import OrderKind
from signalpost.errors import InvalidValue

_ONE = 1
_ENDED = 2
"""The version of a trade that was closed by a notification of its own."""


class _Payload(msgspec.Struct):
    kind: str = ""
    signal_id: str = ""
    pair: str = ""
    order: str = OrderKind.MARKET.value


class _Kept(msgspec.Struct):
    payload: _Payload = msgspec.field(default_factory=_Payload)
    event: str = ""
    user_tier: str = ""
    run: str | None = None


def open_book(db: sqlite3.Connection) -> None:
    """Add a trade for each kept new signal, with the cards that show it. Damaged ones are skipped."""
    db.executemany(sql.ADD_TRADE.replace("INSERT", "INSERT OR IGNORE"), _trades(db))
    db.execute(sql.CARDS_OF_BEFORE)


def _trades(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    decode = msgspec.json.Decoder(_Kept).decode
    hashes = dict(db.execute("SELECT key, content_hash FROM key WHERE key LIKE '% new'"))
    ended = {key for (key,) in db.execute("SELECT key FROM key WHERE key LIKE '% closed'")}
    counts: Counter[str | None] = Counter()
    for name, accepted_at, body in db.execute("SELECT id, accepted_at, body FROM notification ORDER BY number"):
        try:
            kept = decode(body)
            pair = str(Instrument(kept.payload.pair)) if kept.payload.kind == "signal" and kept.event == NEW else None
        except (msgspec.DecodeError, InvalidValue, TypeError, UnicodeError):
            continue
        if pair is None or type(accepted_at) is not int:
            continue
        signal = kept.payload
        sequence = sequence_of(signal.signal_id, kept.run)
        has_ended = f"{sequence} {CLOSED}" in ended
        state = "closed" if has_ended else "open" if signal.order == OrderKind.MARKET else "pending"
        counts[kept.run] += 1
        yield (
            sequence,
            kept.run,
            counts[kept.run],
            _ENDED if has_ended else _ONE,
            state,
            pair,
            short_id(signal.signal_id, kept.run),
            msgspec.json.encode([kept.user_tier]).decode(),
            name,
            hashes.get(f"{sequence} {NEW}", b""),
            accepted_at,
            *(None, None, None),
        )
