import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from decimal import Context, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain import precision
from signalpost.domain.instrument import Instrument
from signalpost.errors import InvalidValue
from tests.surface.errors import Facts, facts_of

Hostile = Callable[[], AbstractContextManager[Context]]
SYMBOLS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", min_size=1, max_size=64).filter(
    lambda text: text[0] != "_" and any(map(str.isalnum, text)) and text not in {"NONE", "NULL", "NAN", "N_A"}
)


@pytest.fixture
def odd() -> Iterator[Instrument]:
    """An instrument for tests that override its precision."""
    instrument = Instrument("ODD_ONE")
    yield instrument
    precision.forget_override(instrument)


@pytest.mark.parametrize(
    "spelling",
    ["EUR/USD", "EURUSD", "EUR_USD", "eur-usd", " eurusd\n", "Eur/Usd", np.str_("EURUSD"), Instrument("EURUSD")],
)
def test_every_spelling_of_a_currency_pair_is_one_instrument(spelling: str) -> None:
    instrument = Instrument(spelling)
    assert type(instrument) is Instrument
    assert instrument == "EUR_USD"
    assert (instrument.base, instrument.quote, instrument.is_currency_pair) == ("EUR", "USD", True)


@pytest.mark.parametrize(
    "symbol", ["BTCUSDT", "BTC_USDT", "US500", "NAS100_USD", "EURXXX", "__", "A1", "A" * 20, "ABCDEF"]
)
def test_only_currency_pairs_are_split(symbol: str) -> None:
    assert Instrument(symbol) == symbol
    assert not Instrument(symbol).is_currency_pair


def test_a_symbol_without_a_separator_is_all_base() -> None:
    assert (Instrument("BTCUSDT").base, Instrument("BTCUSDT").quote) == ("BTCUSDT", "")
    assert (Instrument("A_B_C").base, Instrument("A_B_C").quote) == ("A", "B_C")


@given(SYMBOLS)
def test_1_to_64_valid_characters_are_a_symbol_that_parses_to_itself(symbol: str) -> None:
    instrument = Instrument(symbol)
    assert instrument.replace("_", "") == symbol.replace("_", "")
    assert Instrument(str(instrument)) == Instrument(symbol.lower().replace("_", "/")) == instrument


@pytest.mark.parametrize(
    "given", [None, 1, True, b"EURUSD", 10**5000, [], "9" * 5000], ids=lambda given: type(given).__name__
)
def test_a_symbol_that_is_not_text_or_too_long_is_refused_in_a_short_error(given: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Instrument(given)  # type: ignore[arg-type]
    assert refusal.value.code == ("too-long" if isinstance(given, str) else "not-text")
    assert refusal.value.field == "pair"
    assert len(str(refusal.value)) < 250


@pytest.mark.parametrize(
    ("symbol", "pip", "places"),
    [
        ("EUR_USD", "0.0001", 5),
        ("USD_JPY", "0.01", 3),
        ("GBP_JPY", "0.01", 3),
        ("EUR_HUF", "0.01", 3),
        ("EUR_CZK", "0.001", 4),
        ("XAU_USD", "0.1", 3),
        ("XAU_JPY", "0.1", 3),
        ("XAG_USD", "0.01", 5),
        ("XPT_USD", "0.0001", 5),
    ],
)
def test_a_pip_follows_the_quote_currency_or_the_metal(symbol: str, pip: str, places: int) -> None:
    assert (Instrument(symbol).pip, Instrument(symbol).places) == (Decimal(pip), places)


@pytest.mark.parametrize("symbol", ["BTC_USDT", "BTCUSDT", "US500", "EURXXX"])
def test_only_currency_pairs_have_a_rule(symbol: str) -> None:
    assert Instrument(symbol).pip is None
    assert Instrument(symbol).places is None


def test_an_override_replaces_the_rule_until_it_is_removed(odd: Instrument, hostile: Hostile) -> None:
    with hostile():
        assert odd.quoted(pip="0.250", places=np.int64(2)) is odd
    assert (str(odd.pip), odd.places) == ("0.25", 2)
    assert type(odd.places) is int
    assert Instrument("odd/one").pip == odd.pip
    precision.forget_override(odd)
    assert odd.pip is None


@pytest.mark.parametrize(
    ("pip", "places", "expected"),
    [
        (0, 2, Facts("out-of-range", "pip", "0", "above 0")),
        ("0.001", 2, Facts("out-of-range", "pip", "0.001", "2 decimals")),
        (1, 19, Facts("out-of-range", "places", "19", "0 to 18")),
        (1, -1, Facts("out-of-range", "places", "-1", "0 to 18")),
        (1, True, Facts("out-of-range", "places", "True", "0 to 18")),
        (1, 2.0, Facts("out-of-range", "places", "2.0", "0 to 18")),
    ],
)
def test_an_impossible_precision_is_refused_and_changes_nothing(
    odd: Instrument, pip: object, places: object, expected: Facts
) -> None:
    with pytest.raises(InvalidValue) as refusal:
        odd.quoted(pip=pip, places=places)  # type: ignore[arg-type]
    assert facts_of(refusal.value) == [expected]
    assert odd.pip is None


def test_every_currency_code_has_three_letters() -> None:
    assert {len(code) for code in precision.CURRENCIES} == {3}
    assert {"USD", "CNH", "XAU"} <= precision.CURRENCIES


def test_an_instrument_survives_copying_and_its_repr_shows_its_type() -> None:
    instrument = Instrument("EURUSD")
    for twin in (copy.copy(instrument), copy.deepcopy(instrument), pickle.loads(pickle.dumps(instrument))):
        assert (type(twin), twin) == (Instrument, instrument)
    assert repr(instrument) == "Instrument('EUR_USD')"
    assert f"{instrument}" == "EUR_USD"
