"""What a lane keeps over a restart, as facts in the outbox: that its destination is gone, and its pace."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from signalpost.delivery.pacing.pacer import PaceMemory

GONE = "disabled"
PACE = "pace"


class _Pace(msgspec.Struct, frozen=True):
    at: datetime
    ages: tuple[float, ...]
    held_for: float


def gone_fact(reason: str | None) -> dict[str, bytes]:
    """The fact that a destination is gone for good, or (None) that it is not."""
    return {GONE: b"" if reason is None else msgspec.json.encode(reason)}


def gone_for(facts: Mapping[str, bytes]) -> str | None:
    """Why the destination is gone for good; None where it is not. What cannot be read counts as gone."""
    if GONE not in facts:
        return None
    try:
        return msgspec.json.decode(facts[GONE], type=str)
    except msgspec.DecodeError:
        return "a person or another version disabled it"


def pace_fact(memory: PaceMemory, now: datetime) -> dict[str, bytes]:
    """The fact of how many requests were just made, and for how long the far end asked to wait."""
    return {PACE: msgspec.json.encode(_Pace(now, memory.ages, memory.held_for))}


def pace(facts: Mapping[str, bytes], now: datetime) -> PaceMemory:
    """The pace as it is `now`, or none. Where the clock was put back, waits keep their length."""
    try:
        kept = msgspec.json.decode(facts[PACE], type=_Pace)
        since = max(0.0, (now - kept.at).total_seconds())
    except (KeyError, msgspec.DecodeError, TypeError):
        return PaceMemory((), 0.0)
    return PaceMemory(tuple(age + since for age in kept.ages), max(0.0, kept.held_for - since))
