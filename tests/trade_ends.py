"""How signals of one strategy end, computed over the candles without the follower.

For market orders with one target, by candles of mid prices of the strategy's own timeframe.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.signal import Signal


class Ended(NamedTuple):
    """How a signal ended: target, stop, reversed, open or gapped."""

    how: str
    price: Fraction | None = None
    r: Fraction = Fraction(0)


def ends(signals: Sequence[Signal], candles: Sequence[Candle]) -> list[Ended]:
    """How each signal ended. Opposite signals follow each other."""
    number_of = {candle.time: number for number, candle in enumerate(candles)}
    firsts = [number_of[signal.timestamp] + 1 for signal in signals]
    entered = [_is_entered(signal, candles[first:]) for signal, first in zip(signals, firsts, strict=True)]
    made = []
    for place, (signal, first) in enumerate(zip(signals, firsts, strict=True)):
        others = zip(signals[place + 1 :], firsts[place + 1 :], entered[place + 1 :], strict=True)
        leaves = next((at for other, at, is_in in others if is_in and other.signal_type != signal.signal_type), None)
        made.append(_end(signal, candles[first:], None if leaves is None else leaves - first))
    return made


def _is_entered(signal: Signal, candles: Sequence[Candle]) -> bool:
    return bool(candles) and _end(signal, candles[:1], None).how != "gapped"


def _end(signal: Signal, candles: Sequence[Candle], leaves: int | None) -> Ended:
    """The end over the candles from the entry on; an opposite signal enters at the open of candle `leaves`."""
    sign = 1 if signal.signal_type == "BUY" else -1
    assert signal.stop_loss is not None
    assert signal.take_profit is not None
    stop, target = (sign * Fraction(price) for price in (signal.stop_loss, signal.take_profit))
    entry = Fraction(0)
    for number, candle in enumerate(candles):
        opening, *reached = (sign * Fraction(price) for price in (candle.open, candle.high, candle.low))
        if number == 0:
            if not stop < opening < target:
                return Ended("gapped")
            entry = opening
        if number == leaves:
            reached = [opening]
        if min(reached) <= stop:
            how, height = "stop", min(stop, opening)
        elif max(reached) >= target:
            how, height = "target", target
        elif number == leaves:
            how, height = "reversed", opening
        else:
            continue
        return Ended(how, sign * height, (height - entry) / (entry - stop))
    return Ended("open")
