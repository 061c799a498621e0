"""When the price of a followed trade has come far enough for a note on its card."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.change import Close, Correct, Fill, NotePrice, Reopen, Update
from signalpost.domain.life import after
from signalpost.domain.price_step import PriceStep
from signalpost.domain.trade import Trade, TradeState
from signalpost.errors import NotPossible
from signalpost.trading.lives import Life, advance, price_note
from signalpost.trading.outcomes import QuoteCandle, begin
from tests.unit.trading.outcomes.lives import M1, MINUTE, START, at, mid, sides, trade

HALF_R = PriceStep.of("0.5R")
STOPS = {"BUY": "0.9000", "SELL": "1.1000"}
SIGN = {"BUY": 1, "SELL": -1}
CLOSES = st.lists(st.integers(-190, 190), min_size=1, max_size=40)
SIDES = st.sampled_from(["BUY", "SELL"])


def quotes_of(side: str, hundredths: Sequence[int]) -> list[QuoteCandle]:
    """Flat candles whose closes are that many hundredths of R from the entry at 1.0000, after one that fills it."""
    prices = [Decimal(1) + SIGN[side] * Decimal(each) / 1000 for each in (0, *hundredths)]
    return [mid(number, *[price] * 4) for number, price in enumerate(prices)]


def life(side: str = "BUY", stop: str | None = "wide", *targets: str) -> Life:
    """A life whose stop is far away, and R is 0.1."""
    new = trade(side, "1", STOPS[side] if stop == "wide" else stop, *targets)
    return Life(new, begin(new, M1, by_strategy=False))


def notes_of(made: Life, quotes: Sequence[QuoteCandle], step: PriceStep | None = HALF_R) -> list[Fraction]:
    """The levels of the notes, in R."""
    done = advance([made], quotes, quotes[-1].closes_at, step)
    assert done.refused == []
    return [level_of(change, made.trade) for _, change in done.changes if isinstance(change, NotePrice)]


def level_of(note: NotePrice, of: Trade) -> Fraction:
    return Fraction(of.gain(note.level)) * 10


def in_r(text: str) -> list[Fraction]:
    return [Fraction(each) for each in text.split()]


@pytest.mark.parametrize("side", ["BUY", "SELL"])
@pytest.mark.parametrize(
    ("closes", "levels"),
    [
        ([0, 49, -49], ""),
        ([50], "1/2"),
        ([49, 51, 49, 51, 99, 1], "1/2"),
        ([50, 0, 50], "1/2 0 1/2"),
        ([50, 100, 149, 51, 50], "1/2 1 1/2"),
        ([170], "3/2"),
        ([170, -40, -50], "3/2 0 -1/2"),
        ([-49, -50, -99], "-1/2"),
    ],
)
def test_a_note_names_the_next_level_that_a_close_has_passed(side: str, closes: list[int], levels: str) -> None:
    assert notes_of(life(side), quotes_of(side, closes)) == in_r(levels)


@given(side=SIDES, closes=CLOSES)
def test_no_level_is_noted_twice_unless_the_price_was_a_whole_step_away(side: str, closes: list[int]) -> None:
    closes = [each for each in closes if each > -100]  # above the stop
    last = Fraction(0)
    made = life(side)
    for quotes, close in zip(quotes_of(side, closes)[1:], closes, strict=True):
        advance([made], quotes_of(side, [])[:1], quotes.closes_at)  # a candle that was taken changes nothing
        found = notes_of(made, [quotes])
        moved = abs(Fraction(close, 50) - last * 2)
        assert len(found) == (moved >= 1)
        for level in found:
            assert level != last
            assert 0 <= (Fraction(close, 100) - level) * (1 if level > last else -1) < Fraction(1, 2)
            last = level


@given(side=SIDES, closes=CLOSES, cuts=st.lists(st.integers(0, 40)))
def test_a_restart_at_any_point_gives_the_same_notes(side: str, closes: list[int], cuts: list[int]) -> None:
    quotes = quotes_of(side, closes)
    whole = life(side)
    done = advance([whole], quotes, quotes[-1].closes_at, HALF_R)
    made, changes = life(side), []
    for first, end in zip((0, *sorted(cuts)), (*sorted(cuts), None), strict=True):
        made = Life(Trade.from_json(made.trade.to_json()), type(made.state).from_json(made.state.to_json()))
        repeated = quotes[max(0, first - 2) : end]
        changes += advance([made], repeated, quotes[-1].closes_at, HALF_R).changes
    assert changes == done.changes
    assert made.trade == whole.trade


@given(closes=CLOSES)
def test_candles_that_are_not_newer_than_the_last_one_cause_no_notes(closes: list[int]) -> None:
    made = life()
    quotes = quotes_of("BUY", [each for each in closes if each > -100])
    notes_of(made, quotes)
    assert notes_of(made, quotes[::-1]) == []


def test_a_long_is_noted_at_the_bid_and_a_short_at_the_ask() -> None:
    far, near = ("1.0500",) * 4, ("1.0499",) * 4
    opening = sides(0, ("1",) * 4, ("1",) * 4)
    assert notes_of(life("BUY"), [opening, sides(1, far, ("1.0501",) * 4)]) == in_r("1/2")
    assert notes_of(life("BUY"), [opening, sides(1, near, far)]) == []
    assert notes_of(life("SELL"), [opening, sides(1, ("0.9499",) * 4, ("0.9501",) * 4)]) == []


def test_without_a_step_or_a_size_of_it_there_are_no_notes() -> None:
    quotes = quotes_of("BUY", [60, 150])
    assert notes_of(life(), quotes, None) == []
    assert notes_of(life("BUY", None), quotes) == []
    assert notes_of(life("BUY", None), quotes, PriceStep.of("5%")) == in_r("1/2 3/2")
    assert notes_of(life(), quotes, PriceStep.of("500 pips")) == in_r("1/2 3/2")


def test_another_step_after_a_restart_goes_on_from_the_last_level() -> None:
    made = life()
    quotes = quotes_of("BUY", [70, 85, 90, 60, 59])
    assert notes_of(made, quotes[:2], PriceStep.of("0.7R")) == [Fraction("0.7")]
    assert notes_of(made, quotes[2:], PriceStep.of("0.3R")) == [Fraction("0.9"), Fraction("0.6")]


def test_a_note_comes_after_the_changes_of_its_candle() -> None:
    made = life("BUY", "wide", "1.05", "1.2")
    done = advance([made], quotes_of("BUY", [60]), at(9), HALF_R)
    assert [type(change) for _, change in done.changes] == [Fill, Update, NotePrice]
    assert (made.trade.version, made.trade.hits) == (4, 1)
    noted = made.trade.price_note
    assert noted is not None
    assert (noted.level, noted.price, noted.at) == (Decimal("1.05"), Decimal("1.06"), at(2))
    done = advance([made], [mid(2, *["0.9"] * 4)], at(9), HALF_R)
    assert [type(change) for _, change in done.changes] == [Close]


def test_a_trade_that_is_not_filled_or_filled_later_has_no_notes() -> None:
    quotes = mid(0, *["1.08"] * 4)
    waiting = trade("BUY", "1", "0.9", order="limit")
    assert price_note(waiting, quotes, HALF_R) is None
    assert price_note(trade("BUY", "1", "0.9"), quotes, HALF_R) is None
    later = after(trade("BUY", "1", "0.9"), Fill(price="1", at=at(1)), at(1))
    assert price_note(later, quotes, HALF_R) is None
    assert price_note(later, mid(1, *["1.08"] * 4), HALF_R) is not None


def test_a_part_that_a_person_closed_since_comes_before_the_note() -> None:
    filled = after(trade("BUY", "1", "0.9"), Fill(price="1", at=at(0)), at(0))
    closed = after(filled, Update(close_part=50, price="1.07"), at(5))
    note = price_note(closed, mid(1, *["1.08"] * 4), HALF_R)
    assert note is not None
    assert note.at == at(5)
    assert after(closed, note, at(6)).price_note is not None


def test_a_note_changes_nothing_but_itself_and_only_an_open_trade_has_one() -> None:
    filled = after(trade("BUY", "1", "0.9"), Fill(price="1", at=at(0)), at(0))
    note = NotePrice(level=Decimal("1.05"), price=Decimal("1.06"), at=at(1), from_feed=True)
    noted = after(filled, note, at(1))
    assert noted == filled.but(
        price_note=noted.price_note, version=3, changed_at=at(1), last_change=NotePrice.from_json(note.to_json())
    )
    assert after(noted, note, at(1)) is noted
    ended = after(noted, Close(price="1.06"), at(2))
    assert ended.state is TradeState.CLOSED
    for live in (ended, trade("BUY", "1", "0.9", order="limit")):
        with pytest.raises(NotPossible) as error:
            after(live, note.but(at=at(3)), at(3))
        assert error.value.errors[0].field == "price"
    assert after(ended, Reopen(), at(3)).price_note == noted.price_note


def test_a_corrected_entry_counts_from_the_last_level() -> None:
    made = life()
    assert notes_of(made, quotes_of("BUY", [50])) == in_r("1/2")
    made.trade = after(made.trade, Correct(stop_loss="0.95"), START + timedelta(hours=1))
    done = advance([made], [mid(2, *["1.08"] * 4)], START + 90 * MINUTE, HALF_R)
    assert [change.level for _, change in done.changes if isinstance(change, NotePrice)] == [Decimal("1.075")]
    assert floor(Fraction("0.08") / Fraction("0.025")) == 3
