"""With how many decimals a market's prices are quoted, and prices brought onto that grid.

A file written by a program that computes with binary floats holds prices such as 1.1634400000000001. Digits in excess
that are below a billionth of the price are such noise and are rounded away; anything larger is a price of its own.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from signalpost.domain.exact import places_of
from signalpost.domain.precision import MOST_PLACES
from signalpost.errors import InvalidValue

_NOISE = Decimal("1e-9")
_MOST_QUOTED_DIGITS = 15
"""More digits than any market quotes, and as many as a binary float surely keeps."""

_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


class PriceGrid:
    """The prices that can be written with `places` decimals."""

    __slots__ = ("_step", "places")

    def __init__(self, places: int) -> None:
        self.places = places
        self._step = Decimal(1).scaleb(-places)

    def nearest(self, price: Decimal) -> Decimal:
        """`price` itself where it lies on the grid, else rounded to it.

        Raises InvalidValue where rounding would move it by a billionth of itself or more.
        """
        if places_of(price) <= self.places:
            return price
        rounded = _ROUNDING.quantize(price, self._step)
        if rounded == price:
            return price
        if _ROUNDING.subtract(rounded, price).copy_abs() >= _ROUNDING.multiply(price, _NOISE):
            raise InvalidValue(
                f"the price {price} has more than {self.places} decimals: round it, or name the right number of places"
            )
        return rounded


def grid_of(prices: Iterable[Decimal]) -> PriceGrid:
    """The grid that these prices, which all belong to one market, are written on.

    It has as many decimals as the price with the most, those that are longer than any market quotes left aside; where
    all are, the fewest decimals that keep each price to within a billionth.
    """
    prices = list(prices)
    quoted = [places_of(price) for price in prices if len(price.as_tuple().digits) <= _MOST_QUOTED_DIGITS]
    if quoted:
        return PriceGrid(min(max(quoted), MOST_PLACES))
    return next((grid for grid in map(PriceGrid, range(MOST_PLACES)) if _fits(grid, prices)), PriceGrid(MOST_PLACES))


def _fits(grid: PriceGrid, prices: Iterable[Decimal]) -> bool:
    try:
        return all(grid.nearest(price) for price in prices)
    except InvalidValue:
        return False
