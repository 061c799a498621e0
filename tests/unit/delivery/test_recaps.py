"""A recap counts each signal that a destination showed before it ended, once, and sums exactly."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from signalpost import Signal, UserTier
from signalpost.delivery.outbox.book import BookEntry, CardEntry
from signalpost.delivery.recaps import described, recap_of
from signalpost.domain.change import CancelOrder, Change, Close, CloseReason, Fill, Flag
from signalpost.domain.life import after, opened
from signalpost.domain.recap import RecapDays
from signalpost.domain.trade import FollowState, Trade
from signalpost.sinks.port import Shown

DAY = date(2026, 11, 23)
PERIOD = RecapDays().day(DAY)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PAIRS = ("EUR_USD", "XAU_USD", "BTC_USDT")
FREE, PREMIUM = "signals-free", "signals-premium"
MESSAGE = Shown("3", "2", "1")


class Made(NamedTuple):
    """A trade as the test knows it: it ends with this gain, on this risk, so many hours after noon."""

    pair: str
    gain: Decimal
    risk: Decimal | None
    ends_after: float | None
    cards: tuple[CardEntry, ...]
    order: bool = False
    is_followed: bool = False
    flags: tuple[Flag, ...] = ()


def trade(number: int, made: Made) -> Trade:
    opened_at = NOON - 48 * HOUR
    signal = Signal(
        signal_id=f"s{number}",
        pair=made.pair,
        timeframe="H4",
        signal_type="BUY",
        entry_price=1000,
        stop_loss=None if made.risk is None else 1000 - made.risk,
        order="limit" if made.order else "market",
        timestamp=opened_at - 4 * HOUR,
    )
    result = opened(signal, number, (UserTier.FREE,), opened_at)
    if made.ends_after is None:
        return result
    at = NOON + made.ends_after * HOUR
    changes: list[Change] = [CancelOrder(at=at)]
    if not made.order:
        changes = [Close(price=1000 + made.gain, at=at, from_feed=True, flags=made.flags)]
    for change in changes:
        result = after(result, change, at)
    return result.but(followed=FollowState(since=at)) if made.is_followed else result


def card(destination: str = FREE, *, was_live: bool = True, message: Shown | None = MESSAGE) -> CardEntry:
    return CardEntry(destination, UserTier.FREE, message, 1, NOON, was_live)


def entries(*made: Made) -> list[BookEntry]:
    return [BookEntry(trade(number, each), None, each.cards) for number, each in enumerate(made, 1)]


def recap(*made: Made, destination: str | None = FREE) -> dict[str, Any]:
    return described(recap_of(entries(*made), PERIOD, NOON + 13 * HOUR, destination))


GAINS = st.one_of(st.integers(-300, 300), st.sampled_from([5, -5, 4, -4])).map(Decimal)
CARDS = st.lists(st.sampled_from([card(), card(PREMIUM), card(was_live=False)]), max_size=2).map(tuple)
TRADES = st.builds(
    Made,
    st.sampled_from(PAIRS),
    GAINS,
    st.sampled_from([None, *map(Decimal, (3, 7, 100))]),
    st.one_of(st.none(), st.sampled_from([-13, -12, 0, 11.99, 12, 13])),
    CARDS,
    st.booleans(),
    st.booleans(),
)


@given(st.lists(TRADES, max_size=12), st.sampled_from([FREE, PREMIUM, None]))
def test_it_equals_a_computation_from_prices(made: list[Made], destination: str | None) -> None:
    """Here a trade is its gain and its risk; 12 hours around noon are the day."""
    seen = [each for each in made if any(destination in {None, one.destination} for one in each.cards)]
    live = [each for each in seen if any(one.was_live and destination in {None, one.destination} for one in each.cards)]
    over = [each for each in seen if each.ends_after is not None and -12 <= each.ends_after < 12]
    closed = sorted((each for each in over if each in live and not each.order), key=lambda each: each.ends_after or 0)
    units = [(each, each.gain and (Fraction(each.gain) / Fraction(each.risk or 1))) for each in closed]

    def outcome(gain: Fraction | Decimal, *, has_r: bool) -> str:
        least = Fraction(1, 20) if has_r else Fraction(1, 10**9)
        return "wins" if gain >= least else "losses" if gain <= -least else "break_even"

    outcomes = [outcome(unit, has_r=each.risk is not None) for each, unit in units]
    counts = Counter(outcomes)
    facts = recap(*made, destination=destination)
    assert {name: facts[name] for name in ("wins", "losses", "break_even")} == {
        name: counts[name] for name in ("wins", "losses", "break_even")
    }
    assert facts["open"] == sum(each.ends_after is None or each.ends_after >= 12 for each in live)
    assert facts["not_filled"] == sum(each.order for each in over if each in live)
    assert facts["not_shown"] == sum(each not in live for each in over)
    assert facts["no_r"] == sum(each.risk is None for each in closed)
    assert facts["hypothetical"] == sum(each.is_followed for each in closed)
    assert facts["worst_run"] == max((len([*run]) for what, run in groupby(outcomes) if what == "losses"), default=0)
    total = sum((Fraction(unit) for each, unit in units if each.risk is not None), Fraction(0))
    assert abs(Fraction(facts["r"]) - total) <= Fraction(1, 2 * 10**18)
    assert sum(each["wins"] for each in facts["per_pair"].values()) == facts["wins"]
    assert [*facts["per_pair"]] == [*dict.fromkeys(each.pair for each in closed)]
    assert facts["win_rate"] is None


def test_best_and_worst_are_linked_to_the_message_of_this_destination() -> None:
    made = [
        Made("EUR_USD", Decimal(gain), Decimal(100), hours, (card(PREMIUM, message=Shown("9")), card(message=message)))
        for gain, hours, message in ((100, 1, MESSAGE), (-300, 2, None), (250, 3, Shown("5", "4")))
    ]
    found = recap_of(entries(*made), PERIOD, NOON, FREE)
    assert found.best is not None
    assert found.worst is not None
    assert (found.best.number, found.best.r, found.best.message_id, found.best.channel, found.best.guild) == (
        3,
        Fraction(5, 2),
        "5",
        "4",
        None,
    )
    assert (found.worst.number, found.worst.r, found.worst.message_id) == (2, -3, None)


def test_what_a_reader_should_know_of_results_is_counted() -> None:
    facts = recap(
        Made("EUR_USD", Decimal(-100), Decimal(100), 1, (card(),), flags=(Flag.BOTH_TOUCHED,)),
        Made("EUR_USD", Decimal(100), Decimal(100), 1, (card(),), flags=(Flag.REPORTED,)),
    )
    assert (facts["both_touched"], facts["reported"], facts["r"]) == (1, 1, "0")


def test_a_signal_that_only_a_fallback_showed_was_not_missed_and_counts_there() -> None:
    backup = "signals-backup"
    moved = card(was_live=False, message=None)._replace(is_elsewhere=True)
    seen_first = card()._replace(is_elsewhere=True)
    lost = Made("EUR_USD", Decimal(-100), Decimal(100), 1, (moved, card(backup)))
    won = Made("EUR_USD", Decimal(100), Decimal(100), 2, (seen_first, card(backup)))
    never = Made("EUR_USD", Decimal(100), Decimal(100), 3, (moved, card(backup, was_live=False)))
    other_tier = Made("EUR_USD", Decimal(9), Decimal(9), 4, (moved, card(PREMIUM)._replace(tier=UserTier.PREMIUM)))
    counts = [
        (facts["wins"], facts["losses"], facts["not_shown"])
        for facts in (recap(lost, won, never, other_tier, destination=each) for each in (FREE, backup))
    ]
    assert counts == [(1, 0, 2), (1, 1, 1)]


def test_a_close_without_a_price_has_no_result() -> None:
    (entry,) = entries(Made("EUR_USD", Decimal(0), Decimal(100), None, (card(),)))
    ended = after(entry.trade, Close(reason=CloseReason.TIME, at=NOON, from_feed=True), NOON)
    facts = described(recap_of([entry._replace(trade=ended)], PERIOD, NOON, FREE))
    assert (facts["no_result"], facts["no_r"], facts["wins"], facts["per_pair"]) == (1, 1, 0, {})


def test_a_price_that_a_person_typed_is_not_hypothetical() -> None:
    (entry,) = entries(Made("EUR_USD", Decimal(0), Decimal(100), None, (card(),), is_followed=True))
    ended = after(entry.trade, Fill(price=1000, at=NOON), NOON)
    ended = after(ended, Close(price=1100, at=NOON), NOON).but(followed=FollowState(since=NOON))
    facts = described(recap_of([entry._replace(trade=ended)], PERIOD, NOON, FREE))
    assert (facts["hypothetical"], facts["reported"]) == (0, 1)


def test_a_trade_that_was_opened_after_the_period_does_not_count() -> None:
    made = entries(Made("EUR_USD", Decimal(0), None, None, (card(),)))
    days = RecapDays()
    assert recap_of(made, days.day(DAY - timedelta(days=3)), NOON, FREE).is_empty
    assert recap_of(made, days.day(DAY - timedelta(days=2)), NOON, FREE).open == 1


def test_30_trades_have_a_win_rate() -> None:
    made = [Made("EUR_USD", Decimal(100 if number else -1), Decimal(9), 1, (card(),)) for number in range(32)]
    assert recap(*made)["win_rate"] == "96.875"
