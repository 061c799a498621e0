"""The contract test for every strategy: pass `check_strategy` a factory and candles that trigger a signal.

    check_strategy(lambda: MyStrategy(period=20), candles)

Plain functions for any test runner: each raises AssertionError with the broken promise and the candle.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from signalpost.domain.candle import Candle
from signalpost.domain.instant import iso
from signalpost.domain.signal import Signal
from signalpost.errors import InvalidSnapshot, InvalidValue, OutOfOrder
from signalpost.testing.claims import demand
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.strategies.port import Filtered, Strategy

Factory = Callable[[], Strategy]
"""Creates a strategy, always with the same configuration."""

Candles = Sequence[Candle]
"""At least two, oldest first."""

_CUTS = 4
_FINE = Decimal("1e-20")
_EARLY, _LATE = "1970-01-01T00:00:00Z", "2970-01-01T00:00:00Z"


def check_strategy(factory: Factory, candles: Candles) -> None:
    """Check all promises of a strategy. Raises AssertionError if one is broken."""
    if len(candles) < 2:
        text = f"too few candles ({len(candles)}): give at least two, including some that trigger a signal"
        raise InvalidValue(text, code="out-of-range", field="candles", value=str(len(candles)), limit="2 or more")
    with ManualClock(_EARLY):  # a fixed time, so that only `check_times` uses two times
        for check in (
            check_determinism,
            check_prefix,
            check_restore,
            check_ownership,
            check_order,
            check_fineness,
            check_refusal,
            check_times,
        ):
            check(factory, candles)


def check_determinism(factory: Factory, candles: Candles) -> None:
    """Two strategies with one configuration give the same answers and end in the same state."""
    one, other = factory(), factory()
    for candle in candles:
        _same("two strategies with one configuration disagree", candle, other.on_candle(candle), _answer(one, candle))
    demand(one.snapshot() == other.snapshot(), "two strategies with one configuration end with different snapshots")


def check_prefix(factory: Factory, candles: Candles) -> None:
    """The answers to the first candles do not depend on those that follow."""
    answers = _answers(factory, candles)
    for cut in _cuts(candles):
        for candle, answer, expected in zip(candles, _answers(factory, candles[:cut]), answers, strict=False):
            _same(f"the first {cut} candles alone give another answer", candle, answer, expected)


def check_restore(factory: Factory, candles: Candles) -> None:
    """Stopping at any candle and restoring the saved state changes nothing."""
    whole, running, spare = factory(), factory(), factory()
    answers = []
    for candle in candles:  # two strategies alternate, so that each restores over an older state
        running, spare = _restored(spare, running.snapshot()), running
        answers.append(whole.on_candle(candle))
        _same("restoring before each candle gives another answer", candle, running.on_candle(candle), answers[-1])
    demand(running.snapshot() == whole.snapshot(), "restoring before each candle gives another final snapshot")
    for cut in _cuts(candles):
        before = factory()
        for candle in candles[:cut]:
            before.on_candle(candle)
        after = _restored(factory(), before.snapshot())
        for candle, expected in zip(candles[cut:], answers[cut:], strict=True):
            _same(f"restoring after {cut} candles gives another answer", candle, after.on_candle(candle), expected)


def check_ownership(factory: Factory, candles: Candles) -> None:
    """Later candles change neither a returned snapshot nor a restored state."""
    for cut in _cuts(candles):
        strategy, other = factory(), factory()
        for candle in candles[:cut]:
            strategy.on_candle(candle)
        saved = strategy.snapshot()
        text = json.dumps(saved)
        other.restore(saved)
        for owner in (strategy, other):
            owner.on_candle(candles[cut])
            demand(json.dumps(saved) == text, f"the candle of {iso(candles[cut].time)} changes an earlier snapshot")


def check_order(factory: Factory, candles: Candles) -> None:
    """A candle that is not newer than the last one raises OutOfOrder and changes nothing, even after a restore."""
    strategy, cuts = factory(), set(_cuts(candles))
    for count, candle in enumerate(candles, start=1):
        strategy.on_candle(candle)
        if count in cuts:
            for old in (candle, candles[0]):
                _refuses_candle(strategy, old)
                _refuses_candle(_restored(factory(), strategy.snapshot()), old)


def check_fineness(factory: Factory, candles: Candles) -> None:
    """A price finer than the stream's ticks is accepted, or raises InvalidValue and changes nothing."""
    for cut in _cuts(candles):
        strategy = factory()
        for candle in candles[:cut]:
            strategy.on_candle(candle)
        before = strategy.snapshot()
        try:
            strategy.on_candle(candles[cut].but(high=candles[cut].high + _FINE))
        except InvalidValue:
            demand(
                strategy.snapshot() == before,
                f"rejecting a price finer than a tick at {iso(candles[cut].time)} changes the state",
            )


def check_refusal(factory: Factory, candles: Candles) -> None:
    """A state that is foreign, incomplete or of wrong types raises InvalidSnapshot and changes nothing."""
    strategy, cuts = factory(), set(_cuts(candles))
    for count, candle in enumerate(candles, start=1):
        strategy.on_candle(candle)
        if count in cuts:
            for saved in ({}, [], None, "state", {"state": 1}, *_damaged(strategy.snapshot())):
                _refuses_state(strategy, saved)


def check_times(factory: Factory, candles: Candles) -> None:
    """A signal's times come from its candle, not from the clock, and each signal has its own id."""
    seen: set[str] = set()
    with ManualClock(_EARLY):
        early = _answers(factory, candles)
    with ManualClock(_LATE):
        late = _answers(factory, candles)
    for candle, answer, other in zip(candles, early, late, strict=True):
        _same("the answer depends on the clock", candle, other, answer)
        if isinstance(answer, Signal):
            close = candle.time + (answer.timeframe.duration if answer.timeframe else timedelta())
            _same("a signal's timestamp is not its candle's open", candle, answer.timestamp, candle.time)
            _same("a signal's known_at is not its candle's close", candle, answer.known_at, close)
            demand(answer.signal_id not in seen, f"two signals have the id {answer.signal_id}")
            seen.add(answer.signal_id)


def _answers(factory: Factory, candles: Candles) -> list[Signal | Filtered | None]:
    strategy = factory()
    return [strategy.on_candle(candle) for candle in candles]


def _answer(strategy: Strategy, candle: Candle) -> Signal | Filtered | None:
    answer: object = strategy.on_candle(candle)
    if answer is None or isinstance(answer, Signal | Filtered):
        return answer
    raise AssertionError(f"at {iso(candle.time)} on_candle returned {answer!r}: return a Signal, a Filtered or None")


def _restored(strategy: Strategy, snapshot: dict[str, Any]) -> Strategy:
    """Restore `strategy` from a snapshot converted to JSON and back."""
    try:
        text = json.dumps(snapshot, allow_nan=False)
    except (TypeError, ValueError) as fault:
        raise AssertionError(f"the snapshot cannot be converted to JSON: {fault}") from fault
    saved = json.loads(text)
    if saved != snapshot:
        raise AssertionError(f"converting the snapshot to JSON and back changes it: {snapshot!r}")
    strategy.restore(saved)
    if (again := strategy.snapshot()) != saved:
        raise AssertionError(f"restoring changes the snapshot: {again!r} from {saved!r}")
    return strategy


def _refuses_candle(strategy: Strategy, candle: Candle) -> None:
    before = strategy.snapshot()
    try:
        strategy.on_candle(candle)
    except OutOfOrder:
        demand(strategy.snapshot() == before, f"rejecting the old candle of {iso(candle.time)} changes the state")
    else:
        raise AssertionError(f"the candle of {iso(candle.time)} is accepted although it is not newer than the last one")


def _refuses_state(strategy: Strategy, saved: Any) -> None:
    before = strategy.snapshot()
    try:
        strategy.restore(saved)
    except InvalidSnapshot:
        demand(strategy.snapshot() == before, f"rejecting a damaged snapshot changes the state: {saved!r}")
    except Exception as fault:
        raise AssertionError(f"a damaged snapshot raises {fault!r} instead of InvalidSnapshot: {saved!r}") from fault
    else:
        raise AssertionError(f"restore() accepted a damaged snapshot: {saved!r}")


def _damaged(saved: object) -> Iterator[object]:
    """Yield `saved` with each part in turn missing or of another type."""
    if isinstance(saved, dict):
        yield "no longer a part"
        for name, value in saved.items():
            yield {other: saved[other] for other in saved if other != name}
            yield from ({**saved, name: damaged} for damaged in _damaged(value))
    elif isinstance(saved, list) and saved:
        yield {}
        yield from ([*saved[:-1], damaged] for damaged in _damaged(saved[-1]))
    else:
        yield {"no longer": "a value"}


def _cuts(candles: Candles) -> list[int]:
    """Some candle counts, from zero to all but one."""
    return sorted({len(candles) * number // _CUTS for number in range(_CUTS)} | {1, len(candles) - 1})


def _same(broken: str, candle: Candle, answer: object, expected: object) -> None:
    if answer != expected:
        raise AssertionError(f"{broken}: at {iso(candle.time)} {_difference(answer, expected)}")


def _difference(answer: object, expected: object) -> str:
    if isinstance(answer, Signal) and isinstance(expected, Signal):
        pairs = {name: (getattr(answer, name), getattr(expected, name)) for name in Signal.__struct_fields__}
        return ", ".join(f"{name} is {one} and not {other}" for name, (one, other) in pairs.items() if one != other)
    return f"it is {answer!r} and not {expected!r}"
