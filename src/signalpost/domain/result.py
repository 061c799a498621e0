"""What a trade gained: in R, in its instrument's unit and in per cent, from prices alone. Exact until it is shown."""

from decimal import Decimal
from fractions import Fraction

from signalpost.domain.distance import PIPS, Distance, distance_of
from signalpost.domain.exact import quotient, rounded
from signalpost.domain.trade import WHOLE, Trade, TradeState
from signalpost.domain.words import Word

_EVEN_BELOW = Fraction(5, 100)


class Verdict(Word):
    """How a result counts."""

    WIN = "win"
    LOSS = "loss"
    BREAK_EVEN = "break-even"


class Result:
    """The result of the parts of a trade that were closed, weighted by their shares of the initial size."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._gain = sum((Fraction(trade.gain(part.price)) * part.share / WHOLE for part in trade.parts), Fraction(0))

    @property
    def exact_r(self) -> Fraction | None:
        """In units of the risk at the fill, for sums; None without an initial stop."""
        return None if (risk := risk_of(self._trade)) is None else self._gain / Fraction(risk)

    @property
    def r(self) -> Decimal | None:
        """`exact_r`, rounded to 18 decimals."""
        return None if (exact := self.exact_r) is None else rounded(exact)

    @property
    def distance(self) -> Distance:
        """In the unit of the instrument's class."""
        return distance_of(self._trade.signal.pair, self._gain, self._trade.entry)

    @property
    def pips(self) -> Decimal | None:
        """In pips; None for instruments that are not counted in pips."""
        return self.distance.amount if self.distance.unit == PIPS else None

    @property
    def percent(self) -> Decimal | None:
        """Of the entry, without leverage; None for an entry at zero or below."""
        return quotient(self._gain * 100, self._trade.entry) if self._trade.entry > 0 else None

    @property
    def verdict(self) -> Verdict:
        """A win from +0.05R, a loss from -0.05R; without R the sign decides."""
        exact, margin = (self._gain, Fraction(0)) if self.exact_r is None else (self.exact_r, _EVEN_BELOW)
        if exact == 0 or abs(exact) < margin:
            return Verdict.BREAK_EVEN
        return Verdict.WIN if exact > 0 else Verdict.LOSS


def risk_of(trade: Trade) -> Decimal | None:
    """The distance from the entry to the stop at the fill, in price, above zero; None without one."""
    risk = None if trade.first_stop is None else trade.gain(trade.first_stop).copy_negate()
    return risk if risk is not None and risk > 0 else None


def r_of(trade: Trade, price: Decimal) -> Decimal | None:
    """The gain at `price` in R, rounded to 18 decimals; None without an initial stop."""
    return None if (risk := risk_of(trade)) is None else quotient(trade.gain(price), risk)


def result_of(trade: Trade) -> Result | None:
    """The result of a closed trade; None while it is live, and if nobody knows its last price."""
    if trade.state is not TradeState.CLOSED or trade.open_share > 0:
        return None
    return Result(trade)
