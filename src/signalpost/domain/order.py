"""How a trade is entered: the kind of order, and a zone around the entry."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from signalpost.domain.exact import Number, decimal_of, positive
from signalpost.domain.side import SignalStatus
from signalpost.domain.words import Word
from signalpost.errors import InvalidValue, shown

_LEVERAGE = re.compile(
    r"(?:cross|isolated)?\s*\(?(?:x|1:)?(?P<number>\d{1,6}(?:\.\d{1,6})?)x?\)?", re.ASCII | re.IGNORECASE
)


class OrderKind(Word):
    """How a trade is entered: MARKET at once; LIMIT and STOP when price reaches the entry."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"

    @property
    def is_pending(self) -> bool:
        """True if the order waits until price reaches the entry."""
        return self is not OrderKind.MARKET

    @property
    def first_status(self) -> SignalStatus:
        """The status of a new signal: PENDING for an order that waits, otherwise ACTIVE."""
        return SignalStatus.PENDING if self.is_pending else SignalStatus.ACTIVE


class EntryZone(msgspec.Struct, frozen=True):
    """A range of prices at which a trade can be entered, from `low` to `high`.

    Raises InvalidValue unless `low` is below `high`.
    """

    low: Decimal
    high: Decimal

    if TYPE_CHECKING:

        def __init__(self, low: Number, high: Number) -> None: ...

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            msgspec.structs.force_setattr(self, name, decimal_of(getattr(self, name), name))
        if self.low >= self.high:
            text = f"low is {self.low} and high is {self.high}: low must be below high"
            raise InvalidValue(text, code="out-of-range", field="low", value=str(self.low), limit=f"below {self.high}")


def leverage_of(value: Number, name: str) -> Decimal:
    """`value` as a leverage above zero; text can be `5x`, `x5`, `1:5` or `Cross (5x)`. Raises InvalidValue."""
    found = _LEVERAGE.fullmatch(value.strip()) if isinstance(value, str) else None
    return positive(found["number"] if found else value, name)


def zone_of(value: Any, name: str) -> EntryZone:
    """`value` as a zone: an EntryZone, two prices in any order, or a mapping with `low` and `high`.

    Raises InvalidValue with `name` as the field.
    """
    if isinstance(value, EntryZone):
        return value
    if isinstance(value, Mapping) and value.keys() == {"low", "high"}:
        value = (value["low"], value["high"])
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InvalidValue.of(
            name, value, "use two prices, such as [1.1630, 1.1640]", code="not-readable", limit="2 prices"
        )
    low, high = sorted(decimal_of(price, name) for price in value)
    try:
        return EntryZone(low, high)
    except InvalidValue as error:
        raise InvalidValue.of_all(
            [fault._replace(text=f"{name} is {shown(value)}: {fault.text}", field=name) for fault in error.errors]
        ) from None
