"""The symbols of exchanges, brokers and charts: how they are shown, and that different instruments never merge.

The marked tests come from public bug reports and from the documentation of TradingView, ccxt, Yahoo and MetaTrader.
"""

import copy
import pickle
from datetime import UTC, datetime

import pytest

from signalpost.domain.instrument import Instrument
from signalpost.domain.signal import Signal
from signalpost.errors import InvalidValue


def shown(symbol: str) -> str:
    """How an instrument is shown, or `refused: ` and the error."""
    try:
        return str(Instrument(symbol))
    except InvalidValue as fault:
        return f"refused: {fault}"


def signal_id(symbol: str) -> str:
    """The id of a signal on an instrument, or `refused: ` and the error."""
    try:
        opened = datetime(2025, 8, 20, 1, tzinfo=UTC)
        signal = Signal(pair=symbol, timeframe="H1", signal_type="BUY", entry_price=1, timestamp=opened)
    except InvalidValue as fault:
        return f"refused: {fault}"
    return signal.signal_id


@pytest.mark.parametrize(
    ("symbol", "as_shown"),
    [
        ("BTC/USDT:USDT", "BTC_USDT"),
        ("ETH/USDT:USDT", "ETH_USDT"),
        ("sol/usdc:usdc", "SOL_USDC"),
        ("BTC/USD:BTC", "BTC_USD"),
        ("XRP/USD:USDC", "XRP_USD"),
        ("1000PEPE/USDT:USDT", "1000PEPE_USDT"),
        ("BTC/USDT:USDT-260327", "BTC_USDT-260327"),
        ("ETH/USD:ETH-260626-4000-C", "ETH_USD-260626-4000-C"),
        ("BINANCE:BTC/USDT:USDT", "BTC_USDT"),
        ("BINANCE:BTCUSDT/BINANCE:ETHUSDT", "BTCUSDT/ETHUSDT"),
        ("NYMEX:CL1!-ICEEUR:BRN1!", "CL1!-BRN1!"),
        ("(BINANCE:BTCUSDT+BYBIT:BTCUSDT)/2", "(BTCUSDT+BTCUSDT)/2"),
        ("BTCUSDT/BINANCE:ETHUSDT", "BTCUSDT/BINANCE:ETHUSDT"),  # ambiguous: shown whole
        ("BTC/USDT:BNFCR", "BTC/USDT:BNFCR"),
        ("EUR/USD:USD", "EUR_USD"),
    ],
)
def test_the_text_after_a_colon_never_counts_as_the_whole_symbol(symbol: str, as_shown: str) -> None:
    assert shown(symbol) == as_shown


@pytest.mark.parametrize(
    "alike",
    [
        ("BTC/USDT", "BTC/USDT:USDT", "BTC/USDT:USDC", "BTC/USDT:USDT-260327", "BTC/USDT:USDT-260626"),
        ("BINANCE:BTCUSDT", "BYBIT:BTCUSDT", "BTCUSDT", "BTCUSDT.P"),
        ("NYSE:F", "XETR:F", "F"),
        ("EUR/USD", "EUR/USD:USD"),
        ("BINANCE:BTCUSDT/BINANCE:ETHUSDT", "BINANCE:BTCUSDT", "BINANCE:ETHUSDT"),
        ("BRK.B", "BRK_B", "BRKB"),
    ],
)
def test_signals_on_different_instruments_have_different_ids_though_shown_alike(alike: tuple[str, ...]) -> None:
    ids = {signal_id(symbol) for symbol in alike}
    assert len(ids) == len(alike)
    assert not any("refused" in each for each in ids), ids


@pytest.mark.parametrize(
    ("symbol", "as_shown"),
    [
        ("BINANCE:币安人生USDT.P", "币安人生USDT.P"),
        ("币安人生USDT", "币安人生USDT"),
        ("币安人生/USDT", "币安人生_USDT"),
        ("币安人生/USDT:USDT", "币安人生_USDT"),
        ("龙虾USDT", "龙虾USDT"),
        ("MOEX:СБЕР", "СБЕР"),
        ("СБЕР", "СБЕР"),
        ("トヨタ", "トヨタ"),
        ("삼성전자", "삼성전자"),
        ("ÅRU_SEK", "ÅRU_SEK"),
        ("टाटा", "टाटा"),
        ("ذهب", "ذهب"),
        ("\uff22\uff34\uff23", "\uff22\uff34\uff23"),
        ("MÜV2", "MÜV2"),
    ],
)
def test_letters_of_any_script_are_kept(symbol: str, as_shown: str) -> None:
    assert shown(symbol) == as_shown


def test_a_lookalike_never_becomes_an_ascii_letter() -> None:
    for symbol in ("\u212aRW", "\u0131nr", "\u017fek", "\ufb01", "stra\xdfe"):  # capitals or forms of ASCII letters
        assert len(Instrument(symbol)) == len(symbol)
        assert not Instrument(symbol).isascii()


@pytest.mark.parametrize(
    ("symbol", "as_shown"),
    [
        ("F", "F"),
        ("V", "V"),
        ("NYSE:F", "F"),
        ("7", "7"),
        ("NSE:BANKNIFTY240403C47000", "BANKNIFTY240403C47000"),
        ("CBOE:SPX260320C05500000", "SPX260320C05500000"),
        ("NFO:RELIANCE26MAR2900CE_WEEKLY", "RELIANCE26MAR2900CE_WEEKLY"),
        ("BTC-27MAR2026-100000-C", "BTC_27MAR2026_100000_C"),
        ("A" * 64, "A" * 64),
        (" f\n", "F"),
        ("BRK.B", "BRK.B"),
        ("NQ1!", "NQ1!"),
        ("CME_MINI:ES1!", "ES1!"),
        ("OANDA:EURUSD", "EUR_USD"),
        ("fx:eur/usd", "EUR_USD"),
        ("EURUSD=X", "EUR_USD"),
        ("JPY=X", "JPY=X"),
        ("M&M", "M&M"),
        ("NSE:M&M", "M&M"),
        ("^GSPC", "^GSPC"),
        ("GC=F", "GC=F"),
        ("#AAPL", "#AAPL"),
        ("EURUSD.pro", "EURUSD.PRO"),
        ("EURUSD+", "EURUSD+"),
        ("$SPX", "$SPX"),
        ("@ES", "@ES"),
        ("005930.KS", "005930.KS"),
        ("Volatility 75 Index", "VOLATILITY 75 INDEX"),
        ("BINANCE:BTCUSDT.P", "BTCUSDT.P"),
        ("CRYPTOCAP:TOTAL2", "TOTAL2"),
    ],
)
def test_symbols_of_1_to_64_characters_keep_their_punctuation(symbol: str, as_shown: str) -> None:
    assert shown(symbol) == as_shown


@pytest.mark.parametrize(
    ("symbol", "code"),
    [
        ("", "missing"),
        ("  ", "missing"),
        ("A" * 65, "too-long"),
        *((each, "placeholder") for each in ("{{ticker}}", "{{exchange}}:{{ticker}}", "{pair}", "BTC{{", "x}}")),
        *((each, "invalid-symbol") for each in ("...", "/", "EUR\0USD", "a\nb", "A\u202eB", "A\u200bB", "\u3164")),
        *((each, "invalid-symbol") for each in ("<@123>", "[a](b)", "`x`", "||x||", "a\\b", "https://a.com", "a'b")),
        *((each, "invalid-symbol") for each in ("A\ufe0f", "\ud800", "[[A]]", "[A](b)", "[]", "[A", "A]")),
    ],
)
def test_formatting_hidden_characters_and_placeholders_are_refused(symbol: str, code: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Instrument(symbol)
    assert (refusal.value.code, refusal.value.field) == (code, "pair")


@pytest.mark.parametrize(
    "symbol", ["BTC/USDT:USDT", "BINANCE:BTCUSDT", "EURUSD", "ES1!", "BINANCE:A/NYSE:B", "NSE:M&M"]
)
def test_an_instrument_is_read_again_from_its_own_symbol(symbol: str) -> None:
    instrument = Instrument(symbol)
    for twin in (Instrument(instrument.symbol), copy.deepcopy(instrument), pickle.loads(pickle.dumps(instrument))):
        assert (twin, str(twin), twin.symbol) == (instrument, str(instrument), instrument.symbol)
    signal = Signal(pair=symbol, timeframe="H1", signal_type="BUY", entry_price=1, timestamp="2025-08-20T01:00:00Z")
    assert Signal.from_json(signal.to_json()).pair.symbol == instrument.symbol


def test_instruments_shown_alike_are_equal_only_if_their_symbols_are() -> None:
    spot, perpetual = Instrument("BTC/USDT"), Instrument("BTC/USDT:USDT")
    assert spot != perpetual
    assert len({spot, perpetual, Instrument("btc-usdt"), Instrument("btc/usdt:usdt")}) == 2
    assert spot == "BTC_USDT" == perpetual
    assert spot != "BTC/USDT"


def test_a_contract_on_two_currencies_is_not_their_pair() -> None:
    assert Instrument("EUR/USD:USD").pip is None
    assert not Instrument("EUR/USD:USD").is_currency_pair


@pytest.mark.parametrize(
    ("symbol", "as_shown"),
    [
        ("tDOGE:USD", "TDOGE:USD"),
        ("tLINK:USD", "TLINK:USD"),
        ("tLINK:BTC", "TLINK:BTC"),
        ("BTC:USDT", "BTC:USDT"),
        ("XAU:USD", "XAU_USD"),
        ("eur:usd", "EUR_USD"),
        ("AAPL:US", "AAPL:US"),
        ("VOD:LN", "VOD:LN"),
        ("BTCUSDT:BINANCE", "BTCUSDT:BINANCE"),
        ("EURUSD:CUR", "EURUSD:CUR"),
        ("BTCUSDT:PERP", "BTCUSDT:PERP"),
        ("ETH-USD:1", "ETH-USD:1"),
        ("GEMINI:USDT", "GEMINI:USDT"),  # an exchange is not traded in tether
        ("AAPL:US/MSFT:US", "AAPL:US/MSFT:US"),
        ("X:BTC:USD", "X:BTC:USD"),
    ],
)
def test_only_a_known_exchange_is_dropped_before_a_colon(symbol: str, as_shown: str) -> None:
    assert shown(symbol) == as_shown


@pytest.mark.parametrize(
    ("symbol", "as_shown"),
    [
        ("BINANCE:BTCUSDT", "BTCUSDT"),
        ("binanceus:btcusdt", "BTCUSDT"),
        ("FX_IDC:USDEUR", "USD_EUR"),
        ("UNLISTED:EURUSD", "EUR_USD"),  # the rest can only be a pair
        ("CRYPTOCAP:USDT.D", "USDT.D"),
        ("EUR/X:USD", "EUR/X:USD"),
        ("NASDAQ:AAPL/NYSE:F", "AAPL/F"),
    ],
)
def test_a_known_exchange_is_dropped(symbol: str, as_shown: str) -> None:
    assert shown(symbol) == as_shown


def refusal_of(symbol: str) -> str | None:
    """The code with which a symbol is refused; None if it is accepted."""
    try:
        Instrument(symbol)
    except InvalidValue as fault:
        return fault.code
    return None


@pytest.mark.parametrize("symbol", ["BINANCE:", ":EURUSD", "A::B", "BINANCE: ", "NASDAQ:!", "BINANCE:A/NYSE:"])
def test_a_colon_needs_text_on_both_sides(symbol: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Instrument(symbol)
    assert getattr(refusal.value, "code", None) == "invalid-symbol"


@pytest.mark.parametrize(
    ("symbol", "letter"),
    [("\u0415URUSD", "U+0415"), ("BTCUSD\u0422", "U+0422"), ("\u0391APL", "U+0391"), ("NYSE:A\u0430", "U+0430")],
)
def test_a_symbol_of_latin_and_cyrillic_or_greek_letters_is_refused_by_the_letter(symbol: str, letter: str) -> None:
    assert "refused" in shown(symbol)
    assert letter in shown(symbol)


@pytest.mark.parametrize(
    "symbol",
    [
        "%TICKER%",
        "%s",
        "%s/USDT",
        "%(pair)s",
        "%1",
        "$(PAIR)",
        "$1",
        "$PAIR",
        "__TICKER__",
        "@@TICKER@@",
        "*SYMBOL*",
        "=A1",
        "=$B$2",
        "syminfo.ticker",
        "syminfo.tickerid",
        "Symbol()",
        "str(pair)",
        "_Symbol",
    ],
)
def test_a_template_or_code_is_not_a_symbol(symbol: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Instrument(symbol)
    assert getattr(refusal.value, "code", None) == "placeholder"


@pytest.mark.parametrize(
    "symbol", ["None", "null", "undefined", "nan", "NaN", "N/A", "n/a", "#N/A", "#REF!", "#DIV/0!"]
)
def test_a_mark_of_a_missing_value_is_not_a_symbol(symbol: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Instrument(symbol)
    assert getattr(refusal.value, "code", None) == "invalid-symbol"


@pytest.mark.parametrize(
    "symbol",
    [
        "$SPX",
        "^GSPC",
        "=X",
        "JPY=X",
        "GC=F",
        "TRUE",
        "NAN",
        "NA",
        "@ES",
        "@ES#C",
        "#AAPL",
        "M&M",
        "A*B*C",
        "$1INCH",
        "BRK(B)",
        "NULL",
        "SYMBOL",
        "TICKER",
        "_A",
        "EURUSD_i",
        "7",
        "A%",
    ],
)
def test_a_symbol_that_resembles_a_template_is_accepted(symbol: str) -> None:
    assert refusal_of(symbol) is None


@pytest.mark.parametrize("symbol", ["/ES", "/CL", "/6E", "-ES", "[SP500]", "[DJI30]"])
def test_a_leading_sign_and_brackets_are_shown(symbol: str) -> None:
    assert shown(symbol) == symbol
    assert shown(Instrument(symbol).symbol) == symbol


def test_a_template_in_brackets_is_not_a_symbol() -> None:
    assert refusal_of("[TICKER]") == "placeholder"
