"""Prices as integer ticks: a tick is one unit of the last decimal in which an instrument is quoted."""

from decimal import Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction

from signalpost.domain.exact import rounded, whole
from signalpost.domain.precision import MOST_PLACES
from signalpost.errors import InvalidConfiguration, InvalidValue

_EXACT = Context(prec=80, traps=[InvalidOperation, Inexact])
_product, _whole = _EXACT.multiply, _EXACT.to_integral_exact  # looked up once: each candle needs them three times


class TickScale:
    """Converts prices of at most `places` decimals to ticks and back, without loss."""

    __slots__ = ("_unit", "places")

    def __init__(self, places: int) -> None:
        try:
            self.places = whole(places, "places", most=MOST_PLACES)
        except InvalidValue as fault:
            raise InvalidConfiguration.of_all(fault.errors) from None
        self._unit = Decimal(10**places)

    def ticks(self, price: Decimal) -> int:
        """`price` in ticks. Raises InvalidValue if it has more decimals than `places`."""
        try:
            return int(_whole(_product(price, self._unit)))
        except Inexact:
            text = (
                f"the price {price} has more than the {self.places} decimals of this stream: "
                f"round it, or set a larger number of places"
            )
            raise InvalidValue(text, code="too-fine", value=str(price), limit=f"{self.places} decimals") from None

    def price(self, ticks: int | Fraction) -> Decimal:
        """`ticks` as a price, rounded half to even to 18 decimals."""
        return rounded(Fraction(ticks) / 10**self.places)

    def exact_ticks(self, price: Decimal) -> Fraction:
        """`price`, with any number of decimals, in ticks, without rounding."""
        return Fraction(price) * Fraction(10**self.places)
