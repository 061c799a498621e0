"""A breaker over a restart, as a fact of its destination: that it was open, and when it was to probe."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from signalpost.delivery.pacing.backoff import bounded
from signalpost.delivery.pacing.breaker import BreakerMemory

BREAKER = "breaker"


class _Kept(msgspec.Struct, frozen=True):
    at: datetime
    open_for: float
    probe_in: float
    interval: float


def breaker_fact(memory: BreakerMemory | None, now: datetime) -> dict[str, bytes]:
    """The fact that a breaker is not closed, or (None) that it is."""
    return {BREAKER: b"" if memory is None else msgspec.json.encode(_Kept(now, *memory))}


def read_breaker_fact(facts: Mapping[str, bytes], now: datetime) -> BreakerMemory | None:
    """What was kept, as it is `now`; None where it was closed, or cannot be read. No wait is longer than it was."""
    try:
        kept = msgspec.json.decode(facts[BREAKER], type=_Kept)
        since = max(0.0, (now - kept.at).total_seconds())
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, TypeError):
        return None
    probe_in, interval = bounded(kept.probe_in), bounded(kept.interval)
    return BreakerMemory(kept.open_for + since, max(0.0, probe_in - since), interval)
