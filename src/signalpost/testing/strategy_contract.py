"""What every strategy must pass: give `check_strategy` a way to make yours, and candles that make it signal.

    check_strategy(lambda: MyStrategy(period=20), candles)

Plain functions, for any test runner: each raises AssertionError, saying which promise was broken, and at which candle.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from signalpost.domain.candle import Candle
from signalpost.domain.instant import iso
from signalpost.domain.signal import Signal
from signalpost.errors import InvalidSnapshot, InvalidValue, OutOfOrder
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.strategies.port import Filtered, Strategy

Factory = Callable[[], Strategy]
"""Makes one strategy, always with the same configuration."""

Candles = Sequence[Candle]
"""At least two, oldest first."""

_CUTS = 4
_FINE = Decimal("1e-20")
_EARLY, _LATE = "1970-01-01T00:00:00Z", "2970-01-01T00:00:00Z"


def check_strategy(factory: Factory, candles: Candles) -> None:
    """Check all the promises of a strategy. Raises AssertionError for one that is broken."""
    if len(candles) < 2:
        raise InvalidValue(
            f"there are {len(candles)} candles: give at least two, and some that make a signal",
            code="out-of-range",
            field="candles",
            value=str(len(candles)),
            limit="2 or more",
        )
    with ManualClock(_EARLY):  # which stands still, so that only `check_times` meets two times
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
    """Two strategies made alike give the same answers, and have the same state in the end."""
    one, other = factory(), factory()
    for candle in candles:
        _same("two strategies made alike disagree", candle, other.on_candle(candle), _answer(one, candle))
    _demand(one.snapshot() == other.snapshot(), "two strategies made alike have different snapshots in the end")


def check_prefix(factory: Factory, candles: Candles) -> None:
    """The answers to the first candles do not depend on those that follow."""
    answers = _answers(factory, candles)
    for cut in _cuts(candles):
        for candle, answer, expected in zip(candles, _answers(factory, candles[:cut]), answers, strict=False):
            _same(f"the first {cut} candles alone make a difference", candle, answer, expected)


def check_restore(factory: Factory, candles: Candles) -> None:
    """Stopping at any candle, and taking up the saved state, equals never having stopped."""
    whole, running, spare = factory(), factory(), factory()
    answers = []
    for candle in candles:  # two take turns, so that each takes up its state over an older one
        running, spare = _restored(spare, running.snapshot()), running
        answers.append(whole.on_candle(candle))
        _same("stopping before each candle makes a difference", candle, running.on_candle(candle), answers[-1])
    _demand(running.snapshot() == whole.snapshot(), "stopping before each candle makes another snapshot in the end")
    for cut in _cuts(candles):
        before = factory()
        for candle in candles[:cut]:
            before.on_candle(candle)
        after = _restored(factory(), before.snapshot())
        for candle, expected in zip(candles[cut:], answers[cut:], strict=True):
            _same(f"stopping after {cut} candles makes a difference", candle, after.on_candle(candle), expected)


def check_ownership(factory: Factory, candles: Candles) -> None:
    """Going on changes neither a snapshot that was given out nor a saved state that was taken up."""
    for cut in _cuts(candles):
        strategy, other = factory(), factory()
        for candle in candles[:cut]:
            strategy.on_candle(candle)
        saved = strategy.snapshot()
        text = json.dumps(saved)
        other.restore(saved)
        for owner in (strategy, other):
            owner.on_candle(candles[cut])
            _demand(json.dumps(saved) == text, f"going on at {iso(candles[cut].time)} changes a snapshot made before")


def check_order(factory: Factory, candles: Candles) -> None:
    """A candle that is not newer than the last one raises OutOfOrder and changes nothing, also after a stop."""
    strategy, cuts = factory(), set(_cuts(candles))
    for count, candle in enumerate(candles, start=1):
        strategy.on_candle(candle)
        if count in cuts:
            for old in (candle, candles[0]):
                _refuses_candle(strategy, old)
                _refuses_candle(_restored(factory(), strategy.snapshot()), old)


def check_fineness(factory: Factory, candles: Candles) -> None:
    """A price finer than the stream's ticks is taken, or raises InvalidValue and changes nothing."""
    for cut in _cuts(candles):
        strategy = factory()
        for candle in candles[:cut]:
            strategy.on_candle(candle)
        before = strategy.snapshot()
        try:
            strategy.on_candle(candles[cut].but(high=candles[cut].high + _FINE))
        except InvalidValue:
            _demand(
                strategy.snapshot() == before, f"refusing a fine price at {iso(candles[cut].time)} changes the state"
            )


def check_refusal(factory: Factory, candles: Candles) -> None:
    """A state that is foreign, lacks a part, or holds something of another type, is refused and changes nothing."""
    strategy, cuts = factory(), set(_cuts(candles))
    for count, candle in enumerate(candles, start=1):
        strategy.on_candle(candle)
        if count in cuts:
            for saved in ({}, [], None, "state", {"state": 1}, *_damaged(strategy.snapshot())):
                _refuses_state(strategy, saved)


def check_times(factory: Factory, candles: Candles) -> None:
    """A signal's times come from its candle, never from the clock, and each signal has an id of its own."""
    seen: set[str] = set()
    with ManualClock(_EARLY):
        early = _answers(factory, candles)
    with ManualClock(_LATE):
        late = _answers(factory, candles)
    for candle, answer, other in zip(candles, early, late, strict=True):
        _same("the answer depends on the clock", candle, other, answer)
        if isinstance(answer, Signal):
            close = candle.time + answer.timeframe.duration
            _same("a signal's timestamp is not its candle's open", candle, answer.timestamp, candle.time)
            _same("a signal's known_at is not its candle's close", candle, answer.known_at, close)
            _demand(answer.signal_id not in seen, f"two signals have the id {answer.signal_id}")
            seen.add(answer.signal_id)


def _answers(factory: Factory, candles: Candles) -> list[Signal | Filtered | None]:
    strategy = factory()
    return [strategy.on_candle(candle) for candle in candles]


def _answer(strategy: Strategy, candle: Candle) -> Signal | Filtered | None:
    answer: object = strategy.on_candle(candle)
    if answer is None or isinstance(answer, Signal | Filtered):
        return answer
    raise AssertionError(f"at {iso(candle.time)} the answer is {answer!r}: give a Signal, Filtered or None")


def _restored(strategy: Strategy, snapshot: dict[str, Any]) -> Strategy:
    """`strategy` with a state that has been through JSON."""
    try:
        text = json.dumps(snapshot, allow_nan=False)
    except (TypeError, ValueError) as fault:
        raise AssertionError(f"the snapshot is no plain data: {fault}") from fault
    saved = json.loads(text)
    if saved != snapshot:
        raise AssertionError(f"the snapshot is another one after it has been through JSON: {snapshot!r}")
    strategy.restore(saved)
    if (again := strategy.snapshot()) != saved:
        raise AssertionError(f"restoring makes another snapshot: {again!r} from {saved!r}")
    return strategy


def _refuses_candle(strategy: Strategy, candle: Candle) -> None:
    before = strategy.snapshot()
    try:
        strategy.on_candle(candle)
    except OutOfOrder:
        _demand(strategy.snapshot() == before, f"refusing the old candle of {iso(candle.time)} changes the state")
    else:
        raise AssertionError(f"the candle of {iso(candle.time)} is taken though it is not newer than the last one")


def _refuses_state(strategy: Strategy, saved: Any) -> None:
    before = strategy.snapshot()
    try:
        strategy.restore(saved)
    except InvalidSnapshot:
        _demand(strategy.snapshot() == before, f"refusing a damaged state changes the state: {saved!r}")
    except Exception as fault:
        raise AssertionError(f"a damaged state raises {fault!r} and not InvalidSnapshot: {saved!r}") from fault
    else:
        raise AssertionError(f"a damaged state is taken: {saved!r}")


def _damaged(saved: object) -> Iterator[object]:
    """`saved` with each part in turn lost or of another type."""
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
    """Some counts of candles, from none to all but one."""
    return sorted({len(candles) * number // _CUTS for number in range(_CUTS)} | {1, len(candles) - 1})


def _same(broken: str, candle: Candle, answer: object, expected: object) -> None:
    if answer != expected:
        raise AssertionError(f"{broken}: at {iso(candle.time)} {_difference(answer, expected)}")


def _difference(answer: object, expected: object) -> str:
    if isinstance(answer, Signal) and isinstance(expected, Signal):
        pairs = {name: (getattr(answer, name), getattr(expected, name)) for name in Signal.__struct_fields__}
        return ", ".join(f"{name} is {one} and not {other}" for name, (one, other) in pairs.items() if one != other)
    return f"it is {answer!r} and not {expected!r}"


def _demand(kept: bool, broken: str) -> None:  # noqa: FBT001  # the first argument reads as the claim
    if not kept:
        raise AssertionError(broken)
