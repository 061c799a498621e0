"""The follower against an independent computation, on random candles with gaps and spreads."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from hypothesis import assume, given
from hypothesis import strategies as st

from signalpost.domain.change import CancelOrder, Change, Close, CloseReason, ExpireOrder, Fill, Flag, Update
from signalpost.domain.trade import Filled, Trade, result_of
from signalpost.errors import NotPossible
from signalpost.trading.outcomes import QuoteCandle
from tests.unit.trading.outcomes.lives import Life, at, begun, mid, sides, trade
from tests.unit.trading.outcomes.reference import Bar, Event, Plan, Story, story

ENTRY = 10_000
Ticks = tuple[int, int, int, int]


class Case(NamedTuple):
    """A plan and candles for a BUY, in ticks; `turned` makes the SELL in the mirror of the entry."""

    order: str
    stop: int | None
    targets: list[int]
    shares: list[int]
    bids: list[Ticks]
    spread: int | None
    """None for mid prices."""
    moves: dict[int, int]
    ends: int | None
    leaves: int | None
    side: str = "BUY"

    @property
    def bars(self) -> list[tuple[Ticks, Ticks]]:
        """Bid and ask."""
        return [(bid, tuple(price + (self.spread or 0) for price in bid)) for bid in self.bids]  # type: ignore[misc]

    def turned(self) -> "Case":
        other = "SELL" if self.side == "BUY" else "BUY"
        bids = [
            tuple(2 * ENTRY - ask[index] for index in (0, 2, 1, 3))  # high and low change places
            for _, ask in self.bars
        ]
        return self._replace(
            side=other,
            stop=None if self.stop is None else 2 * ENTRY - self.stop,
            targets=[2 * ENTRY - target for target in self.targets],
            bids=bids,  # type: ignore[arg-type]
            moves={number: 2 * ENTRY - stop for number, stop in self.moves.items()},
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    stop = draw(st.none() | st.integers(1, 25))
    steps = draw(st.lists(st.integers(1, 12), max_size=4))
    shares = draw(st.just([]) | st.lists(st.integers(1, 25), min_size=len(steps), max_size=len(steps)))
    price, bids = ENTRY + draw(st.integers(-15, 15)), []
    small, gap = st.integers(0, 12), st.just(0) | st.integers(-25, 25)
    for _ in range(draw(st.integers(1, 10))):
        opened = price + draw(gap)
        price = opened + draw(st.integers(-15, 15))
        bids.append((opened, max(opened, price) + draw(small), min(opened, price) - draw(small), price))
    return Case(
        order=draw(st.sampled_from(["MARKET", "LIMIT", "STOP"])),
        stop=None if stop is None else ENTRY - stop,
        targets=[ENTRY + sum(steps[: number + 1]) for number in range(len(steps))],
        shares=shares,
        bids=bids,
        spread=draw(st.none() | st.integers(0, 6)),
        moves=draw(st.dictionaries(st.integers(0, 9), st.integers(ENTRY - 20, ENTRY + 20), max_size=3)),
        ends=draw(st.none() | st.integers(1, 10)),
        leaves=draw(st.none() | st.integers(0, 9)),
    )


def decimal(ticks: int) -> Decimal:
    return Decimal(ticks).scaleb(-4)


def trade_of(case: Case) -> Trade:
    prices = [decimal(target) for target in case.targets]
    targets = list(zip(prices, case.shares, strict=True)) if case.shares else prices
    stop = None if case.stop is None else str(decimal(case.stop))
    until = None if case.ends is None or case.order == "MARKET" else at(case.ends)
    return trade(case.side, str(decimal(ENTRY)), stop, *targets, order=case.order, good_until=until)


def quotes_of(case: Case) -> list[QuoteCandle]:
    if case.spread is None:
        return [mid(number, *map(decimal, bid)) for number, (bid, _) in enumerate(case.bars)]
    return [sides(number, map(decimal, bid), map(decimal, ask)) for number, (bid, ask) in enumerate(case.bars)]


def reversal_of(case: Case, number: int) -> Filled | None:
    """The fill of an opposite trade: a sale at the bid, a purchase at the ask."""
    bid, ask = case.bars[number]
    return Filled(decimal((bid if case.side == "BUY" else ask)[0]), at(number)) if number == case.leaves else None


def lived(case: Case) -> tuple[Life, dict[int, int]]:
    """The life, and the moves of the stop that were possible."""
    life, moved = begun(trade_of(case)), {}
    for number, quotes in enumerate(quotes_of(case)):
        if number in case.moves and life.trade.state.is_live:
            try:
                moved_life = life.change(Update(stop_loss=decimal(case.moves[number])), number + 0.5)
            except NotPossible:
                pass
            else:
                life, moved[number] = moved_life, case.moves[number]
        life = life.take(quotes, reversal=reversal_of(case, number))
    return life, moved


def played(case: Case, moves: dict[int, int]) -> Story:
    plan = Plan(
        side=case.side,
        order=case.order,
        entry=Fraction(ENTRY),
        stop=None if case.stop is None else Fraction(case.stop),
        targets=[Fraction(target) for target in case.targets],
        shares=[Fraction(share, 100) for share in case.shares],
        ends=case.ends,
        leaves=case.leaves,
    )
    bars = [Bar(tuple(map(Fraction, bid)), tuple(map(Fraction, ask))) for bid, ask in case.bars]  # type: ignore[arg-type]
    return story(plan, bars, {number: Fraction(stop) for number, stop in moves.items()})


def time_of(change: Change) -> datetime:
    when: datetime = getattr(change, "at")  # noqa: B009  # not every change has one
    return when


def event_of(change: Change) -> Event:
    """The change in the words of the reference. The number of its candle is found by its time."""
    assert not isinstance(change, Update) or change.target_hit
    price = getattr(change, "price", None)
    ticks = None if price is None else Fraction(price) * 10_000
    match change:
        case Fill():
            what, target = "filled", None
        case Update():
            what, target = "target", change.target_hit
        case Close(reason=CloseReason.STOP):
            what, target = "stop", None
        case Close(reason=CloseReason.REVERSED):
            what, target = "reversed", None
        case CancelOrder():
            what, target = "cancelled", None
        case ExpireOrder():
            what, target = "expired", None
        case _:
            raise AssertionError(change)
    return Event(what, 0, ticks, target)


@given(cases(), st.booleans())
def test_the_changes_equal_those_of_an_independent_computation(given_case: Case, is_sale: bool) -> None:
    case = given_case.turned() if is_sale else given_case
    life, moves = lived(case)
    expected = played(case, moves)
    events = [event_of(change) for change in life.changes]
    targets = {number: Fraction(target) for number, target in enumerate(case.targets, 1)}
    shown = [event._replace(price=targets[event.target]) if event.target else event for event in events]
    assert shown == [event._replace(candle=0) for event in expected.events]
    result = result_of(life.trade)
    if expected.r is not None:
        assert result is not None
        assert result.r == Decimal(round(expected.r * 10**18)).scaleb(-18)
    else:
        assert result is None or result.r is None
    assert (Flag.BOTH_TOUCHED in life.trade.flags) is ("both" in expected.flags)
    assert (Flag.GAPPED in life.trade.flags) is ("gapped" in expected.flags)


@given(cases(), st.booleans())
def test_each_change_happens_in_its_candle_and_in_order(given_case: Case, is_sale: bool) -> None:
    case = given_case.turned() if is_sale else given_case
    life, moves = lived(case)
    times = [time_of(change) for change in life.changes if not isinstance(change, ExpireOrder)]
    expected = [event for event in played(case, moves).events if event.what != "expired"]
    assert times == sorted(times)
    for when, event in zip(times, expected, strict=True):
        assert when in (at(event.candle), at(event.candle + 1))


@given(cases())
def test_a_sell_on_mirrored_candles_ends_like_the_buy(case: Case) -> None:
    bought, moves = lived(case)
    sold, turned_moves = lived(case.turned())
    assert {number: 2 * ENTRY - stop for number, stop in moves.items()} == turned_moves
    assert [type(change) for change in bought.changes] == [type(change) for change in sold.changes]
    for one, other in zip(bought.changes, sold.changes, strict=True):
        assert time_of(one) == time_of(other)
        assert getattr(one, "flags", None) == getattr(other, "flags", None)
        price, mirrored = (getattr(change, "price", None) for change in (one, other))
        assert (price is None) is (mirrored is None)
        if price is not None and mirrored is not None:
            assert Fraction(price) + Fraction(mirrored) == 2
    first, second = result_of(bought.trade), result_of(sold.trade)
    assert (first is None) is (second is None)
    if first is not None and second is not None:
        assert (first.r, first.verdict) == (second.r, second.verdict)


@given(cases(), st.booleans(), st.integers(1, 9))
def test_a_stored_state_and_a_repeated_candle_change_nothing(given_case: Case, is_sale: bool, again: int) -> None:
    case = given_case.turned() if is_sale else given_case
    quotes = quotes_of(case)
    assume(again < len(quotes))
    life = begun(trade_of(case))
    for number, each in enumerate(quotes):
        reversal = reversal_of(case, number)
        life = life._replace(
            state=type(life.state).from_json(life.state.to_json()), trade=Trade.from_json(life.trade.to_json())
        )
        life = life.take(each, reversal=reversal)
        if number == again:
            assert life.take(each) == life
            assert life.take(quotes[0]) == life
    whole = begun(trade_of(case))
    for number, each in enumerate(quotes):
        whole = whole.take(each, reversal=reversal_of(case, number))
    assert whole == life
