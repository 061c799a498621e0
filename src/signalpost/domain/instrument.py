"""What is traded, under one symbol: `EUR/USD`, `EURUSD`, `eur-usd` and `EUR_USD` are the same instrument."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Self

from signalpost.domain import precision
from signalpost.domain.exact import Number
from signalpost.domain.text import shown
from signalpost.errors import InvalidValue

_SYMBOL = re.compile(r"[A-Za-z0-9_/-]{2,20}")


class Instrument(str):
    """An instrument's canonical symbol: 2 to 20 of A-Z, 0-9 and `_`.

    `/` and `-` count as `_`, small letters as capitals. Six letters that are two known currencies are split (`EURUSD`
    is `EUR_USD`); nothing else is, so `BTCUSDT` and `BTC_USDT` stay two symbols. Raises InvalidValue for any other
    text.
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """The instrument that `value` spells."""
        if type(value) is cls:
            return value
        if not isinstance(value, str):
            raise _refusal(value)
        return super().__new__(cls, _canonical(value))

    @property
    def base(self) -> str:
        """What is bought or sold: the part before the first `_`, or the whole symbol where there is none."""
        return self.partition("_")[0]

    @property
    def quote(self) -> str:
        """What the price is in: the part after the first `_`, empty where there is none."""
        return self.partition("_")[2]

    @property
    def is_currency_pair(self) -> bool:
        """Whether both parts are currencies or metals that the market quotes against each other."""
        return precision.is_currency_pair(self.base, self.quote)

    @property
    def pip(self) -> Decimal | None:
        """The size of one pip in price; None where only the prices themselves can tell (a pip is one tick then)."""
        known = precision.precision_of(self)
        return known.pip if known else None

    @property
    def places(self) -> int | None:
        """Decimals of a price; None where only the prices themselves can tell."""
        known = precision.precision_of(self)
        return known.places if known else None

    def quoted(self, *, pip: Number, places: int) -> Self:
        """Set, for this process, the pip and the decimals of this instrument, and return it.

        Raises InvalidValue for a pip that is not above zero or is finer than a price of `places` decimals.
        """
        precision.override(self, pip=pip, places=places)
        return self

    def __repr__(self) -> str:
        return f"Instrument({str.__str__(self)!r})"


@lru_cache(maxsize=4096)
def _canonical(given: str) -> str:
    spelling = given.strip()
    if not _SYMBOL.fullmatch(spelling):
        raise _refusal(given)
    symbol = spelling.upper().replace("/", "_").replace("-", "_")
    if precision.is_currency_pair(symbol[:3], symbol[3:]):
        return f"{symbol[:3]}_{symbol[3:]}"
    return symbol


def _refusal(given: object) -> InvalidValue:
    return InvalidValue(
        f"pair is {shown(given)}: give a symbol of 2 to 20 letters, digits and '_', such as 'EUR_USD' or 'BTC/USDT'"
    )
