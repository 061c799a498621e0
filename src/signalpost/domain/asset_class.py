"""The asset class of an instrument, from its symbol.

Currencies and metals are those of `precision`. Index symbols are those of OANDA's v20 list and of TradingView, of
brokers on MetaTrader (https://www.fxcm.com/ca/indices/underlying-markets/,
https://get.exness.help/hc/en-us/articles/360008553360, https://jppro.com/indices/), and the roots of CME's equity
futures (https://kb.esignal.com/hc/en-us/articles/6362169777179; micros:
https://www.tradestation.com/learn/market-basics/futures/micro-e-mini-futures/micro-e-mini-futures-contract-specifications).
Coins are the most traded ones. All sources were read in 2026.
"""

import re
from functools import lru_cache

from signalpost.domain.precision import CURRENCIES, is_currency_pair
from signalpost.domain.words import Word


class AssetClass(Word):
    """The class of an instrument. It decides the unit of its distances and whether trading sessions matter."""

    FX = "FX"
    METAL = "METAL"
    INDEX = "INDEX"
    STOCK = "STOCK"
    CRYPTO = "CRYPTO"

    @property
    def has_sessions(self) -> bool:
        """True if this class is traded around the clock in the sessions of the FX centres."""
        return self in _WITH_SESSIONS


METALS = frozenset(("XAU", "XAG", "XPT", "XPD"))
COIN_QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "BTC", "ETH", "BNB")
"""The usual quotes of coins, and the coins most often quoted in currencies."""
PERPETUAL = ".P"
"""The end of a perpetual's symbol on TradingView."""

_WITH_SESSIONS = (AssetClass.FX, AssetClass.METAL)
_METAL_NAMES = frozenset(("GOLD", "SILVER"))
_COINS = frozenset(
    """
    AAVE ADA ALGO APT ARB ATOM AVAX BCH DOGE DOT ETC FIL HBAR ICP INJ LINK LTC MATIC NEAR OP PEPE POL SHIB SOL SUI TON
    TRX UNI XBT XLM XMR XRP
    """.split()  # noqa: SIM905  # a block reads better than one a line
).union(COIN_QUOTES)
_BARE_COINS = frozenset(("BTC", "ETH", "USDT", "USDC", "XBT"))
"""Coins that are sent without a quote. Other names of coins are also tickers of shares."""
_INDICES = frozenset(
    """
    SPX SPX500 SP500 US500 USA500 SPXM GSPC INX
    NDX NAS100 NASDAQ100 US100 USA100 USTEC USTECH USTECH100 NSX NSXUSD IXIC
    DJI DJ30 US30 USA30 WS30 WALLSTREET30 DJIA
    RUT US2000 RUS2000 RUSS2000 USSC2000 VIX DXY USDX USDOLLAR
    DAX DAX30 DAX40 DE30 DE40 DEU30 DEU40 GER30 GER40 GDAXI MDAX TECDAX
    UKX UK100 GBR100 FTSE FTSE100 EU50 EUR50 EUSTX50 ESTX50 ESX50 STOXX50 STOXX50E SX5E EUROPE50
    CAC CAC40 FR40 FRA40 PX1 IBEX IBEX35 ES35 ESP35 SPA35 ESPIX FTSEMIB IT40 ITA40
    SMI CH20 SUI20 SWI20 SWISS20 AEX NL25 NETH25 NTH25 BEL20 OMX30 OMXS30 NOR25 SE30 PL20 WIG20
    JP225 JP225Y JPN225 JAP225 JPY225 NI225 NKY NIKKEI225 N225 TOPIX
    HK33 HK50 HKG33 HKG50 HSI HSTECH CN50 CHN50 CHINA50 CHINAA50 A50 CHINAH CHNIND HKIND
    AU200 AUS200 ASX200 XJO AXJO IN50 IND50 INDIA50 NIFTY NIFTY50 BANKNIFTY SENSEX
    SG20 SG25 SG30 SGP20 SING30 STI TWIX TW50 KOSPI KOSPI200 TSX60 CA60 ZA40 SA40 IBOV
    """.split()  # noqa: SIM905  # a block reads better than one a line
)
_FUTURE = re.compile(
    r"/?(?:ES|NQ|YM|RTY|MES|MNQ|MYM|M2K|EMD|NKD|NIY|FDAX|FDXM|FDXS|FESX|Z|HSI|NK|FTI)"
    r"(?:[FGHJKMNQUVXZ]\d{1,4}|\d!|=F| \d\d-\d\d)",
    re.ASCII,
)
"""Index futures: `ESZ2026` (a contract month), `ES1!` (TradingView), `ES=F` (Yahoo), `ES 12-26` (NinjaTrader)."""
_FUTURE_ROOT = re.compile(r"/(?:ES|NQ|YM|RTY|MES|MNQ|MYM|M2K|EMD|NKD)(?:[FGHJKMNQUVXZ]\d{1,4})?", re.ASCII)
"""thinkorswim's futures: `/ES`, `/MNQZ26`. Without the slash, ES is a share."""
_INDEX_SIGN = re.compile(r"[\[^.$#]+([A-Z0-9]+)\]?", re.ASCII)
"""`^GSPC`, `.DJI`, `$SPX`, `#US30` and `[SP500]`."""
_TICKER = re.compile(r"(?:[A-Z]{1,5}|\d{4,6})(?:\.[A-Z]{1,3}|_[A-Z])?", re.ASCII)
"""A share or a fund: `AAPL`, `BRK.B`, `VOD.L`, `7203.T`."""


@lru_cache(maxsize=1024)
def class_of(symbol: str) -> AssetClass | None:
    """The class of the instrument that is shown as `symbol`; None if unknown, as for oil and spreads."""
    base, _, quote = symbol.partition("_")
    if is_currency_pair(base, quote):
        return AssetClass.FX if METALS.isdisjoint((base, quote)) else AssetClass.METAL
    if symbol.partition(".")[0] in _METAL_NAMES:
        return AssetClass.METAL
    if _is_crypto(symbol):
        return AssetClass.CRYPTO
    if _is_index(symbol):
        return AssetClass.INDEX
    return AssetClass.STOCK if _TICKER.fullmatch(symbol) else None


def _is_crypto(symbol: str) -> bool:
    base, _, quote = symbol.removesuffix(PERPETUAL).partition("-")[0].removesuffix("PERP").partition("_")
    if quote or base != symbol:  # a pair, or one of a coin's contracts
        return base in _COINS or quote in COIN_QUOTES or _is_joined_pair(base)
    return base in _BARE_COINS or _is_joined_pair(base)


def _is_joined_pair(letters: str) -> bool:
    """True for `SOLUSDT` and `BTCUSD`."""
    if letters[-3:] in CURRENCIES and letters[:-3] in _COINS:
        return True
    return any(letters.endswith(coin) and len(letters) - len(coin) > 1 for coin in COIN_QUOTES)


def _is_index(symbol: str) -> bool:
    if _FUTURE.fullmatch(symbol) or _FUTURE_ROOT.fullmatch(symbol):
        return True
    signed = _INDEX_SIGN.fullmatch(symbol)
    name, _, quote = (signed[1] if signed else symbol).partition("_")
    if quote and quote not in CURRENCIES:
        return False
    name = name.partition(".")[0]  # a broker's suffix, such as `.cash`
    is_joined = name[-3:] in CURRENCIES and name[:-3] in _INDICES
    return name in _INDICES or is_joined or name.removesuffix("M") in _INDICES
