from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.instrument import Instrument
from signalpost.sinks.discord.cards.view import CardLink
from signalpost.sinks.discord.cards.wording import (
    card_text,
    count_text,
    duration_text,
    fact_text,
    first_sentence,
    headline,
    is_perpetual,
    name_of,
    packed,
    share_text,
    short_id,
    signed,
    small,
    ticket_symbol,
    unsigned,
    until_text,
    visible_length,
)
from tests.unit.sinks.discord.cards.lives import NOON


@given(st.fractions(-1000, 1000), st.integers(0, 4))
def test_a_number_is_rounded_half_away_from_zero(number: Fraction, places: int) -> None:
    shown = Fraction(signed(number, places))
    unit = Fraction(1, 10**places)
    assert abs(shown - number) <= unit / 2
    assert abs(shown - number) < unit / 2 or abs(shown) > abs(number)
    assert signed(-number, places).lstrip("+-") == signed(number, places).lstrip("+-") == unsigned(number, places)


@pytest.mark.parametrize(
    ("number", "places", "text"),
    [("0", 2, "0.00"), ("-0.004", 2, "0.00"), ("-0.005", 2, "-0.01"), ("1.345", 2, "+1.35"), ("82.5", 0, "+83")],
)
def test_a_number_has_a_sign_unless_it_is_shown_as_zero(number: str, places: int, text: str) -> None:
    assert signed(Decimal(number), places) == text


def test_shares_and_counts_have_only_the_marks_they_need() -> None:
    assert [share_text(Fraction(share)) for share in ("50", "100/3", "12.5")] == ["50%", "33.33%", "12.50%"]
    assert [count_text(number) for number in (9999, 10000, -12345)] == ["9999", "10,000", "-12,345"]


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=59), "<1 min"),
        (timedelta(seconds=-5), "<1 min"),
        (timedelta(minutes=45, seconds=59), "45 min"),
        (timedelta(hours=5, minutes=20), "5 h 20 min"),
        (timedelta(days=1, hours=6, minutes=59), "1 d 6 h"),
        (timedelta(days=3), "3 d"),
        (timedelta(days=3, minutes=5), "3 d"),
    ],
)
def test_a_duration_has_its_two_largest_units(length: timedelta, text: str) -> None:
    assert duration_text(length) == text


def test_a_time_more_than_a_day_ahead_has_its_date() -> None:
    day = timedelta(days=1)
    assert ":R>" in until_text(NOON + day, NOON)
    assert ":d>" in until_text(NOON + day + timedelta(seconds=1), NOON)


@pytest.mark.parametrize(
    ("pair", "symbol", "name", "perpetual"),
    [
        ("EURUSD", "EURUSD", "EUR/USD", False),
        ("OANDA:XAU_USD", "XAUUSD", "XAU/USD", False),
        ("BTC/USDT", "BTC/USDT", "BTC/USDT", False),
        ("BTC/USDT:USDT", "BTC/USDT", "BTC/USDT", True),
        ("BTC/USDT:USDT-261225", "BTC/USDT-261225", "BTC/USDT-261225", False),
        ("BINANCE:BTCUSDT.P", "BTC/USDT", "BTC/USDT", True),
        ("SOLUSD", "SOL/USD", "SOL/USD", False),
        ("BINANCE:BTCUSDT/BINANCE:ETHUSDT", "BTCUSDT/ETHUSDT", "BTCUSDT/ETHUSDT", False),
        ("BTCUSDT_ETHUSDT", "BTCUSDT/ETHUSDT", "BTCUSDT/ETHUSDT", False),
        ("BINANCE:BTCUSDT-BINANCE:ETHUSDT", "BTCUSDT-ETHUSDT", "BTCUSDT-ETHUSDT", False),
        ("US500", "US500", "US500", False),
        ("BRK.B", "BRK.B", "BRK.B", False),
        ("CL1!*RB1!", "CL1!\\*RB1!", "CL1!\\*RB1!", False),
    ],
)
def test_a_symbol_is_spelt_for_programs_and_a_name_for_people(
    pair: str, symbol: str, name: str, perpetual: bool
) -> None:
    instrument = Instrument(pair)
    assert (ticket_symbol(instrument), name_of(instrument), is_perpetual(instrument)) == (symbol, name, perpetual)


def test_the_short_id_differs_between_replays() -> None:
    assert len({short_id("a"), short_id("a", "march"), short_id("a", "april"), short_id("b")}) == 4
    assert len(short_id("a")) == 6


def test_facts_share_lines_until_one_is_full_and_are_never_broken() -> None:
    assert packed(["a" * 20, "b" * 20, "c", "d" * 60], 42) == ["a" * 20, "b" * 20 + " · c", "d" * 60]
    assert packed([], 42) == []


def test_each_line_of_a_small_text_is_small() -> None:
    assert small("one\n\n two") == ["-# one", "-#  two"]


def test_the_visible_length_leaves_out_markup() -> None:
    assert visible_length("-# **a** [b](https://discord.com/channels/1/2/3)") == 3
    assert visible_length("<t:1795788000:R>") == 12


def test_only_the_name_in_a_headline_is_cut() -> None:
    assert headline("CLOSED · ", "ABCDEFGH", " #1", 16) == "CLOSED · ABC… #1"
    assert headline("CLOSED · ", "ABCDEFGH", " #1", 3) == "CLOSED · A… #1"


@pytest.mark.parametrize(
    ("text", "first", "rest"),
    [
        ("One. Two.", "One", "Two."),
        ("One.\nTwo", "One", "Two"),
        ("One\nTwo\nThree", "One", "Two\nThree"),
        ("4.1 GB left", "4.1 GB left", ""),
        ("Why? Because", "Why?", "Because"),
        ("", "", ""),
    ],
)
def test_the_first_sentence_ends_with_its_line_or_its_full_stop(text: str, first: str, rest: str) -> None:
    assert first_sentence(text) == (first, rest)
    assert first_sentence("One. Two.", keeps_end=True) == ("One.", "Two.")


def test_a_fact_is_escaped_and_a_boolean_is_yes_or_no() -> None:
    facts = {"is_news": True, "held": False, "spread": 0.8, "why": None, "who": "@everyone *now*"}
    texts = [fact_text(name, value) for name, value in facts.items()]
    assert texts[:4] == ["is news yes", "held no", "spread 0.8", "why -"]
    assert "@everyone" not in texts[4]
    assert "\\*now\\*" in texts[4]


def test_a_card_without_a_link_is_named_alone() -> None:
    assert card_text(CardLink(7)) == "Card #7"
