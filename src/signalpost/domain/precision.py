"""The pip and the decimals of an instrument, by rule, with a table of overrides.

The rules follow the spot FX market as quoted by OANDA (v20 instrument list, 2025): a pip is the fourth decimal, or the
second if the quote currency is JPY or HUF, the third for CZK, the first for gold, the second for silver. Prices have
one decimal more than the pip. Other instruments have no rule: their pip is one tick of their own prices.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from signalpost.domain.exact import Number, places_of, plain, positive, whole
from signalpost.errors import InvalidValue

MOST_PLACES = 18
"""The maximum number of decimals of a market's prices: as many as a derived value has."""
_MOST_SHOWN = 30
"""The maximum number of decimals of one price in a message: as many as any number may have."""
_MOST_QUOTED_DIGITS = 15
"""No market quotes more digits than these, and a binary float keeps all of them."""
_BILLION = 10**9

CURRENCIES = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
    CDF CHF CLP CNH CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF
    GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK
    LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR
    PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
    SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW
    XAU XAG XPT XPD
    """.split()  # noqa: SIM905  # a hundred and sixty codes read better as a block than one a line
)
"""ISO 4217 codes that are quoted against each other, with the offshore yuan (CNH) and the four metals."""

_PIP_BY_METAL = {"XAU": Decimal("0.1"), "XAG": Decimal("0.01")}
_PLACES_BY_METAL = {"XAU": 3, "XAG": 5}
_PIP_BY_QUOTE = {"JPY": Decimal("0.01"), "HUF": Decimal("0.01"), "CZK": Decimal("0.001")}
_PIP = Decimal("0.0001")


class Precision(NamedTuple):
    """An instrument's pip and places."""

    pip: Decimal
    """The size of one pip, in price."""
    places: int
    """Decimals of a price."""


_overrides: dict[str, Precision] = {}


def is_currency_pair(base: str, quote: str) -> bool:
    """True if both names are currencies or metals, which the market quotes against each other."""
    return base in CURRENCIES and quote in CURRENCIES


def precision_of(symbol: str) -> Precision | None:
    """The precision of the instrument with this canonical symbol; None if neither an override nor a rule exists."""
    return _overrides.get(symbol) or _by_rule(symbol)


def override(symbol: str, *, pip: Number, places: int) -> None:
    """Set the precision of the instrument with this canonical symbol for this process.

    Raises InvalidValue for a pip that is not above zero or is finer than a price of `places` decimals.
    """
    size = plain(positive(pip, "pip"))
    decimals = whole(places, "places", most=MOST_PLACES)
    if places_of(size) > decimals:
        text = f"pip {size} of {symbol} is finer than a price of {decimals} decimals: raise places"
        raise InvalidValue(text, code="out-of-range", field="pip", value=str(size), limit=f"{decimals} decimals")
    _overrides[symbol] = Precision(size, decimals)


def overridden_pip(symbol: str) -> Decimal | None:
    """The pip that was set for the instrument with this canonical symbol; None if none was."""
    known = _overrides.get(symbol)
    return known.pip if known else None


def forget_override(symbol: str) -> None:
    """Remove the override of the instrument with this canonical symbol."""
    _overrides.pop(symbol, None)


def quoted_places(price: Decimal) -> int | None:
    """The decimals of a quoted price; None for the result of float arithmetic or of a division."""
    _, digits, exponent = price.as_tuple()
    if len(digits) > _MOST_QUOTED_DIGITS or not isinstance(exponent, int):
        return None
    return -exponent if exponent < 0 else 0


def finest_of(prices: Iterable[Decimal | None], at_least: int | None) -> int:
    """The most decimals among the quoted prices, which belong to one market; not less than `at_least`.

    If there is no quoted price and no `at_least`, the fewest decimals that show the first price to within a billionth
    of itself.
    """
    finest = at_least
    first = None
    for price in prices:
        if price is not None:
            first = price if first is None else first
            places = quoted_places(price)
            if places is not None and (finest is None or places > finest):
                finest = places
    if finest is not None:
        return min(finest, _MOST_SHOWN)
    exact = Fraction(first or 0)
    return next((n for n in range(_MOST_SHOWN) if abs(round(exact, n) - exact) * _BILLION <= abs(exact)), _MOST_SHOWN)


def places_for(price: Decimal, places: int) -> int:
    """`places`, or more if `price` would otherwise be shown as zero."""
    needed = -price.adjusted()
    return places if needed <= places or price == 0 else min(needed, _MOST_SHOWN)


def signal_places(value: object, name: str) -> int:
    """`value` as a number of decimals of a signal's prices. Raises InvalidValue if it is invalid."""
    return whole(value, name, most=_MOST_SHOWN)


@lru_cache(maxsize=1024)
def _by_rule(symbol: str) -> Precision | None:
    base, _, quote = symbol.partition("_")
    if not is_currency_pair(base, quote):
        return None
    pip = _PIP_BY_METAL.get(base) or _PIP_BY_QUOTE.get(quote, _PIP)
    return Precision(pip, _PLACES_BY_METAL.get(base, places_of(pip) + 1))
