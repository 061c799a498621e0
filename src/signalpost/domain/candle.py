"""One finished bar of a market."""

from collections.abc import Sequence
from copy import copy
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Self, cast

import msgspec

from signalpost.domain.exact import Number, decimal_of, non_negative
from signalpost.domain.instant import Instant, iso, utc
from signalpost.domain.value import Conversions, Value, fields_of
from signalpost.errors import InvalidValue


class Candle(Value, frozen=True, kw_only=True, tag="candle"):
    """A closed candle: `time` is its open, in UTC; prices are exact; low <= open, close <= high.

    A price may be zero or negative: oil, power, rates and spreads have traded there. Code that knows the instrument,
    such as `read_candle_file`, rejects such prices if the instrument cannot have them. Raises InvalidValue: with all
    faults of single fields (a naive time, NaN or infinity, a negative volume), or if there are none, for a price
    outside low..high.
    """

    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None = None

    if TYPE_CHECKING:

        def __init__(
            self, *, time: Instant, open: Number, high: Number, low: Number, close: Number, volume: Number | None = None
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set(**fields_of(self, _CONVERSION_BY_FIELD, ("time", *PRICES)))
        self._check_order()

    @classmethod
    def of_checked(cls, time: datetime, prices: Sequence[Decimal], volume: Decimal | None) -> Self:
        """A candle of values that were checked already: faster than the constructor, which checks them again.

        `prices` are open, high, low and close. Raises InvalidValue for a price outside low..high.
        """
        candle = copy(_TEMPLATE)
        for name, value in zip(_FIELDS, (time, *prices, volume), strict=True):
            _set(candle, name, value)
        candle._check_order()
        return cast("Self", candle)

    def _check_order(self) -> None:
        if not (self.low <= self.open <= self.high and self.low <= self.close <= self.high):
            wrong = "high" if self.high < max(self.open, self.low, self.close) else "low"
            text = (
                f"the candle of {iso(self.time)} has open {self.open}, high {self.high}, low {self.low}, "
                f"close {self.close}: high must be the highest and low the lowest; check that the columns are in order"
            )
            raise InvalidValue(text, code="conflict", field=wrong, value=str(getattr(self, wrong)))


_set = msgspec.structs.force_setattr
PRICES = ("open", "high", "low", "close")
_FIELDS = ("time", *PRICES, "volume")
_CONVERSION_BY_FIELD: Conversions = {
    "time": utc,
    **dict.fromkeys(PRICES, decimal_of),
    "volume": non_negative,
}
_TEMPLATE = Candle(time="1970-01-01T00:00:00Z", open=0, high=0, low=0, close=0)
