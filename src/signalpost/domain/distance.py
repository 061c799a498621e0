"""Distances in price, in the unit that traders of an instrument use."""

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from signalpost.domain.asset_class import AssetClass
from signalpost.domain.exact import product, quotient
from signalpost.domain.instrument import Instrument

PIPS = "pips"
POINTS = "points"
PERCENT = "%"
_DOLLARS = "USD"
_ONE, _HUNDREDTH = Decimal(1), Decimal("0.01")


class Distance(NamedTuple):
    """A distance in an instrument's unit."""

    amount: Decimal
    """Rounded half to even to 18 decimals; negative for a loss."""
    unit: str
    """`pips`, `points`, `%`, or the currency in which a metal is quoted."""
    places: int
    """The decimals that a message shows."""


class Scale(NamedTuple):
    """How an instrument's distances are counted."""

    size: Decimal
    """One unit, in price."""
    unit: str
    """As in `Distance`."""
    places: int
    """As in `Distance`."""

    def of(self, distance: Decimal | Fraction) -> Distance:
        """`distance`, in price, in this unit. Its sign stays."""
        return Distance(quotient(distance, self.size), self.unit, self.places)


def scale_of(pair: Instrument, entry: Decimal) -> Scale:
    """The unit of the class of `pair`.

    FX has pips. Gold, silver and other metals have their quote currency, because brokers disagree on the size of a pip
    of gold. They have pips if `Instrument.quoted` set one. Indices have points: 1.0 of price. Stocks, crypto and
    unknown instruments have per cent of `entry`, without leverage. If `entry` is 0, per cent does not exist, and the
    unit is points.
    """
    if (pip := pip_of(pair)) is not None:
        return Scale(pip, PIPS, 1)
    kind = pair.asset_class
    if kind is AssetClass.METAL:
        return Scale(_ONE, pair.quote or _DOLLARS, 2)
    if kind is AssetClass.INDEX or entry == 0:
        return Scale(_ONE, POINTS, 1)
    return Scale(product(entry.copy_abs(), _HUNDREDTH), PERCENT, 2)


def distance_of(pair: Instrument, distance: Decimal | Fraction, entry: Decimal) -> Distance:
    """`distance`, in price, in the unit of `scale_of`. Its sign stays."""
    return scale_of(pair, entry).of(distance)


def pip_of(pair: Instrument) -> Decimal | None:
    """The size of a pip in price; None for an instrument whose distances are not counted in pips."""
    kind = pair.asset_class
    return pair.pip if kind is AssetClass.FX else pair.quoted_pip if kind is AssetClass.METAL else None
