"""How finely an instrument is quoted: its pip and its decimals, by rule, with a table that overrides the rules.

Conventions of the spot FX market as OANDA quotes it (v20 instrument list, 2025): a pip is the fourth decimal, but
the second where the quote currency is JPY or HUF, the third for CZK, the first for gold, the second for silver;
prices carry one decimal more than the pip. What is no currency pair has no rule: there a pip is one tick of its own
prices.
"""

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from signalpost.domain.exact import Number, places_of, plain, positive, whole
from signalpost.errors import InvalidValue

MOST_PLACES = 12

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
"""ISO 4217 codes that are quoted against each other, with the yuan abroad (CNH) and the four metals."""

_PIP_BY_METAL = {"XAU": Decimal("0.1"), "XAG": Decimal("0.01")}
_PIP_BY_QUOTE = {"JPY": Decimal("0.01"), "HUF": Decimal("0.01"), "CZK": Decimal("0.001")}
_PIP = Decimal("0.0001")


class Precision(NamedTuple):
    """How an instrument is quoted."""

    pip: Decimal
    """The size of one pip, in price."""
    places: int
    """Decimals of a price."""


_overrides: dict[str, Precision] = {}


def is_currency_pair(base: str, quote: str) -> bool:
    """Whether both names are currencies or metals that the market quotes against each other."""
    return base in CURRENCIES and quote in CURRENCIES


def precision_of(symbol: str) -> Precision | None:
    """How the instrument with this canonical symbol is quoted; None where neither the table nor a rule says."""
    return _overrides.get(symbol) or _by_rule(symbol)


def override(symbol: str, *, pip: Number, places: int) -> None:
    """Set, for this process, how the instrument with this canonical symbol is quoted.

    Raises InvalidValue for a pip that is not above zero or is finer than a price of `places` decimals.
    """
    size = plain(positive(pip, "pip"))
    decimals = whole(places, "places", most=MOST_PLACES)
    if places_of(size) > decimals:
        raise InvalidValue(f"pip {size} of {symbol} is finer than a price of {decimals} decimals: raise places")
    _overrides[symbol] = Precision(size, decimals)


def forget_override(symbol: str) -> None:
    """Return to the rule for the instrument with this canonical symbol."""
    _overrides.pop(symbol, None)


@lru_cache(maxsize=1024)
def _by_rule(symbol: str) -> Precision | None:
    base, _, quote = symbol.partition("_")
    if not is_currency_pair(base, quote):
        return None
    pip = _PIP_BY_METAL.get(base) or _PIP_BY_QUOTE.get(quote, _PIP)
    return Precision(pip, places_of(pip) + 1)
