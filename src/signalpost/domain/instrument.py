"""Traded instruments, and the only parser of symbols: every entry point passes it the text as sent."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, Self
from unicodedata import category, name

from signalpost.domain import not_symbols, precision
from signalpost.domain.asset_class import COIN_QUOTES, PERPETUAL, AssetClass, class_of
from signalpost.domain.exact import Number, positive
from signalpost.domain.exchanges import EXCHANGES
from signalpost.errors import InvalidValue

LONGEST_SYMBOL = 64
_PUNCTUATION = frozenset("_/-.:!&=^+*#%@() ")
_CATEGORIES = frozenset(("Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Mn", "Nd", "Nl", "No", "Sc"))
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that are invisible."""
_NOT_SIMPLE = re.compile(rf"[{re.escape(''.join(sorted(_PUNCTUATION - set('_/-'))))}]")
_BRACKETED = re.compile(r"\[([^()]+)\]")
"""Some MetaTrader brokers write an index this way: `[SP500]`."""
_PREFIX = re.compile(r"([A-Z0-9_]+):(?=[^:/])", re.ASCII)
"""A possible exchange before a symbol, as in TradingView: `BINANCE:`."""
_LEG = re.compile(rf"(?:(?<=[-+*/^(])|^){_PREFIX.pattern}(?=(.*))", re.ASCII)
_SIGNS = ("/", "-")
"""At the start of a symbol, as in thinkorswim's `/ES`, these are not separators."""
_SETTLED = re.compile(r"([^:/]+)/([^:/]+):([^:/-]+)((?:-[^:/]+)?)")
"""ccxt's contracts: `BTC/USDT:USDT`, `BTC/USD:BTC-260327`."""
_SETTLES_IN = frozenset(("USD", "USDT", "USDC", "USDE", "BUSD", "FDUSD", "EUR", "BTC", "ETH"))
_ARITHMETIC = frozenset("+*^()")
_YAHOO_PAIR = "=X"
_QUOTES = _SETTLES_IN.union(COIN_QUOTES)


class Instrument(str):
    """An instrument, under the symbol that people read: `EUR_USD`, `BTC_USDT`, `BRK.B`, `ES1!`.

    Accepts 1 to 64 characters: letters of any script, digits and the punctuation of exchanges. `EUR/USD`, `EURUSD`,
    `eur-usd`, `EUR:USD`, `OANDA:EURUSD` and `EURUSD=X` are all `EUR_USD`. A symbol of letters, digits, `/`, `-` and `_`
    is shown with `_`. A known exchange before it and a contract's settlement currency are not shown: `BINANCE:BTCUSDT`
    is `BTCUSDT`, `BTC/USDT:USDT` is `BTC_USDT`. `symbol` keeps both, except for a currency pair, and distinguishes
    instruments that look the same. Raises InvalidValue for any other text, for templates, and for Latin letters mixed
    with Cyrillic or Greek ones.
    """

    __slots__ = ("_class", "_symbol")
    _symbol: str
    _class: AssetClass | None

    def __new__(cls, value: str) -> Self:
        """Parse a symbol in any supported spelling."""
        if type(value) is cls:
            return value
        if not isinstance(value, str):
            raise _refusal(value, "not-text")
        read = _read(str(value))
        self = super().__new__(cls, read.shown)
        self._symbol = read.symbol
        self._class = class_of(read.shown)
        return self

    @property
    def symbol(self) -> str:
        """The whole symbol: two instruments are the same only if their symbols are equal.

        `Instrument(instrument.symbol)` is the same instrument. ASCII letters are not case-sensitive. A currency pair
        has one symbol, whatever its spelling.
        """
        return self._symbol

    @property
    def base(self) -> str:
        """The asset to buy or sell: the part before the first `_`, or the whole symbol if there is none."""
        return self.partition("_")[0]

    @property
    def quote(self) -> str:
        """The asset that the price is quoted in: the part after the first `_`; empty if there is none."""
        return self.partition("_")[2]

    @property
    def is_currency_pair(self) -> bool:
        """True if both parts are currencies or metals, which the market quotes against each other."""
        return precision.is_currency_pair(*self._symbol.partition("_")[::2])

    @property
    def asset_class(self) -> AssetClass | None:
        """The class that decides the unit of its distances; None if unknown (its distances are then per cent)."""
        return self._class

    @property
    def pip(self) -> Decimal | None:
        """The size of one pip, in price; None if not known (a pip is then one tick of the actual prices)."""
        known = precision.precision_of(self._symbol)
        return known.pip if known else None

    @property
    def quoted_pip(self) -> Decimal | None:
        """The pip that `quoted` set; None if it set none."""
        return precision.overridden_pip(self._symbol)

    @property
    def places(self) -> int | None:
        """Decimals of a price; None if only the actual prices show them."""
        known = precision.precision_of(self._symbol)
        return known.places if known else None

    @property
    def is_always_above_zero(self) -> bool:
        """True if the symbol shows that its price is always above zero, as `EUR_USD`, `XAU_USD` and `SOL_USDT` do.

        Oil, power, rates, spreads and unknown instruments can have zero or negative prices.
        """
        if self._symbol.count(":") > 1 or not _ARITHMETIC.isdisjoint(self._symbol):
            return False
        base, _, quote = self.removesuffix(PERPETUAL).partition("-")[0].partition("_")
        if not quote:
            return base.endswith(COIN_QUOTES)
        return precision.is_currency_pair(base, quote) or not {base, quote}.isdisjoint(COIN_QUOTES)

    def check_price(self, price: Decimal | None, name: str) -> None:
        """Raise InvalidValue if `price` must be above zero for this instrument but is not. None is accepted."""
        if price is not None and price <= 0 and self.is_always_above_zero:
            positive(price, name)

    def quoted(self, *, pip: Number, places: int) -> Self:
        """Set the pip and the decimals of this instrument for this process, and return the instrument.

        Raises InvalidValue for a pip that is not above zero or is finer than a price of `places` decimals.
        """
        precision.override(self._symbol, pip=pip, places=places)
        return self

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Instrument):
            return self._symbol == other._symbol
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self._symbol,)

    def __repr__(self) -> str:
        return f"Instrument({self._symbol!r})"


def read_pair(value: str, _: str) -> Instrument:
    """`value` as an instrument; the signature fits `Conversions`."""
    return Instrument(value)


class _Reading(NamedTuple):
    symbol: str
    shown: str


@lru_cache(maxsize=4096)
def _read(given: str) -> _Reading:
    text = given.strip()
    if (code := _fault(text)) is not None:
        raise _refusal(given, code)
    symbol = "".join(each.upper() if each.isascii() else each for each in text)
    prefix = _PREFIX.match(symbol)
    pair = _currency_pair(symbol) or (_currency_pair(symbol[prefix.end() :]) if prefix else None)
    if pair is not None:
        return _Reading(pair, pair)
    if not _NOT_SIMPLE.search(symbol):
        symbol = _joined(symbol)
        return _Reading(symbol, symbol)
    return _Reading(symbol, _shown(symbol))


def _fault(text: str) -> str | None:
    """The fault of a symbol, as a code; None if it is valid."""
    if not_symbols.is_template(text):
        return "placeholder"
    if len(text) > LONGEST_SYMBOL:
        return "too-long"
    if not text:
        return "missing"
    bracketed = _BRACKETED.fullmatch(text)
    inner = bracketed[1] if bracketed else text
    is_legal = all(each in _PUNCTUATION or category(each) in _CATEGORIES for each in inner)
    is_link = "://" in text
    is_one = is_legal and all(map(_is_named, inner.split(":"))) and not is_link and not _INVISIBLE.search(text)
    return None if is_one and not not_symbols.is_missing_value(text) and _lookalike(text) is None else "invalid-symbol"


def _is_named(part: str) -> bool:
    """True if this side of a colon is not empty."""
    return any(each.isalnum() or each == "_" for each in part)


def _lookalike(text: str) -> str | None:
    """A letter of another script among Latin ones; the name of an exchange may always be Latin."""
    exchange, _, rest = text.partition(":")
    return not_symbols.lookalike(rest if exchange.upper() in EXCHANGES else text)


def _currency_pair(symbol: str) -> str | None:
    """The canonical symbol of a currency pair in any usual spelling; None for any other symbol."""
    letters = symbol.removesuffix(_YAHOO_PAIR)
    if len(letters) == 7 and letters[3] in "/-_:":
        letters = letters[:3] + letters[4:]
    base, quote = letters[:3], letters[3:]
    return f"{base}_{quote}" if precision.is_currency_pair(base, quote) else None


def _shown(symbol: str) -> str:
    rest = _LEG.sub(_without_exchange, symbol, count=1) if _PREFIX.match(symbol) else symbol
    if (settled := _SETTLED.fullmatch(rest)) and _is_contract(*settled.groups()[:3]):
        return f"{settled[1]}_{settled[2]}{settled[4]}"
    if rest == symbol and settled:  # either a contract or a ratio of two symbols: show it whole
        return symbol
    short = _LEG.sub(_without_exchange, symbol)
    return short if ":" in rest or _NOT_SIMPLE.search(short) else _joined(short)


def _without_exchange(prefix: re.Match[str]) -> str:
    """Empty for an exchange, unless a quote follows: in `GEMINI:USDT`, GEMINI is the coin."""
    return "" if prefix[1] in EXCHANGES and prefix[2] not in _QUOTES else prefix[0]


def _is_contract(base: str, quote: str, settlement: str) -> bool:
    return settlement in {base, quote} or (quote in _SETTLES_IN and settlement in _SETTLES_IN)


def _joined(symbol: str) -> str:
    sign = symbol[:1] if symbol.startswith(_SIGNS) else ""
    return sign + symbol[len(sign) :].replace("/", "_").replace("-", "_")


def _refusal(given: object, code: str) -> InvalidValue:
    if code == "placeholder":
        advice = "the placeholder was not filled in; check its spelling, or send the symbol itself"
    elif isinstance(given, str) and code == "invalid-symbol" and (letter := _lookalike(given)) is not None:
        advice = f"{letter!r} (U+{ord(letter):04X}, {name(letter)}) looks like a Latin letter; retype the symbol"
    else:
        advice = (
            f"use a symbol of 1 to {LONGEST_SYMBOL} letters, digits and any of "
            f"{''.join(sorted(_PUNCTUATION)).strip()}, such as 'EUR_USD', 'BTC/USDT:USDT' or 'BRK.B'"
        )
    return InvalidValue.of("pair", given, f"{advice}", code=code, limit=str(LONGEST_SYMBOL))
