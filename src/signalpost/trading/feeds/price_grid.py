"""The number of decimals in which a market is quoted, and rounding of prices to it.

Programs that compute with binary floats write prices such as 1.1634400000000001. Excess digits below a billionth of the
price are such noise and are rounded away. Anything larger is a different price.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from signalpost.domain.precision import MOST_PLACES, quoted_places
from signalpost.errors import InvalidValue

_NOISE = Decimal("1e-9")

_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


class PriceGrid:
    """The prices that can be written with `places` decimals."""

    __slots__ = ("_step", "places")

    def __init__(self, places: int) -> None:
        self.places = places
        self._step = Decimal(1).scaleb(-places)

    def nearest(self, price: Decimal) -> Decimal:
        """`price`, rounded to the grid if necessary.

        Raises InvalidValue if rounding would change it by a billionth of itself or more.
        """
        rounded = _ROUNDING.quantize(price, self._step)
        if rounded == price:
            return price
        noise = _ROUNDING.multiply(price.copy_abs(), _NOISE)
        if not rounded or _ROUNDING.subtract(rounded, price).copy_abs() >= noise:
            text = (
                f"the price {price} has more than {self.places} decimals: round it, or set the right number of places"
            )
            raise InvalidValue(text, code="too-fine", value=str(price), limit=f"{self.places} decimals")
        return rounded


def grid_of(prices: Iterable[Decimal], *, at_least: int | None = None) -> PriceGrid:
    """The grid of these prices, which belong to one market.

    Its decimals are those of the price with the most, but at least `at_least`, and at most MOST_PLACES. Prices with
    more digits than any market quotes are ignored. If there are no others, it has `at_least` decimals or, without it,
    the fewest that keep each price to within a billionth of itself.
    """
    prices = list(prices)
    coarsest = None if at_least is None else PriceGrid(at_least)
    finer = prices if coarsest is None else [price for price in prices if not _fits(coarsest, (price,))]
    quoted = [places for price in finer if (places := quoted_places(price)) is not None]
    if at_least is not None or quoted:
        return PriceGrid(min(max((at_least or 0, *quoted)), MOST_PLACES))
    return next((grid for grid in map(PriceGrid, range(MOST_PLACES)) if _fits(grid, prices)), PriceGrid(MOST_PLACES))


def _fits(grid: PriceGrid, prices: Iterable[Decimal]) -> bool:
    try:
        for price in prices:
            grid.nearest(price)
    except InvalidValue:
        return False
    return True
