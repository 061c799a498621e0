"""One finished bar of a market."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from signalpost.domain.exact import Number, non_negative, positive
from signalpost.domain.instant import Instant, iso, utc
from signalpost.domain.value import Value
from signalpost.errors import InvalidValue


class Candle(Value, frozen=True, kw_only=True, tag="candle"):
    """A closed candle: `time` is its open, in UTC; prices are exact and above zero; low <= open, close <= high.

    Raises InvalidValue for a naive time, NaN or infinity, a price that is not above zero, or a price outside low..high.
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
        self._set(
            time=utc(self.time, "time"),
            open=positive(self.open, "open"),
            high=positive(self.high, "high"),
            low=positive(self.low, "low"),
            close=positive(self.close, "close"),
            volume=None if self.volume is None else non_negative(self.volume, "volume"),
        )
        if not (self.low <= self.open <= self.high and self.low <= self.close <= self.high):
            raise InvalidValue(
                f"the candle of {iso(self.time)} has open {self.open}, high {self.high}, low {self.low}, "
                f"close {self.close}: high must be the highest and low the lowest; check that the columns are in order"
            )
