"""The rules between the prices of a signal. Pure."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from signalpost.domain.side import SignalType
from signalpost.errors import Fault

if TYPE_CHECKING:
    from signalpost.domain.signal import Signal


def wrong_levels(signal: "Signal") -> list[Fault]:
    """The faults between entry, stops, targets and entry zone.

    The stop is on the losing side of the entry, and the targets are on the other side, each further away than the one
    before. A stop that was moved is only checked against the last target, because a signal does not know which targets
    were reached.
    """
    entry, zone = signal.entry_price, signal.entry_zone
    found = []
    if signal.initial_stop is None:
        found.append(_wrong_side(signal, "stop_loss", signal.stop_loss, "entry", entry))
    else:
        found.append(_wrong_side(signal, "initial_stop", signal.initial_stop, "entry", entry))
        last = signal.targets[-1].price if signal.targets else None
        found.append(_wrong_side(signal, "stop_loss", signal.stop_loss, "last target", last))
    found.append(_wrong_side(signal, "take_profit", signal.take_profit, "entry", entry))
    if len(signal.targets) > 1:
        found += _wrong_order(signal)
    if zone is not None and not zone.low <= entry <= zone.high:
        limit = f"{zone.low} to {zone.high}"
        text = f"entry_zone is {limit}, and the entry, {entry}, is outside it: send an entry within the zone"
        found.append(Fault("out-of-range", text, "entry_zone", str(entry), limit))
    return [fault for fault in found if fault is not None]


def _wrong_side(signal: "Signal", name: str, price: Decimal | None, what: str, limit: Decimal | None) -> Fault | None:
    """The fault of a price that is not on its side of `limit`, which is called `what`; None if either is not set."""
    is_below = (name != "take_profit") is (signal.signal_type is SignalType.BUY)
    if price is None or limit is None or (price < limit if is_below else price > limit):
        return None
    wanted = "below" if is_below else "above"
    text = (
        f"{name} is {price}, and the {what} is {limit}. For a {signal.signal_type} it must be {wanted} the {what}: "
        f"check the side, or swap stop and target"
    )
    return Fault("wrong-side", text, name, str(price), f"{wanted} {limit}")


def _wrong_order(signal: "Signal") -> Iterator[Fault]:
    is_up = signal.signal_type is SignalType.BUY
    prices = [target.price for target in signal.targets]
    for number, (before, price) in enumerate(pairwise(prices), 2):
        if not (price > before if is_up else price < before):
            wanted = f"{'above' if is_up else 'below'} {before}"
            text = (
                f"targets has {price} as target {number}. For a {signal.signal_type} it must be {wanted}: send the "
                f"targets in the order in which the price reaches them"
            )
            yield Fault("wrong-order", text, "targets", str(price), wanted)
