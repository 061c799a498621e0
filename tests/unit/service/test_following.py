"""Live signals are followed by the candles of a feed, whoever published them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from signalpost import clock
from signalpost.config.feeds import Candles
from signalpost.domain.change import Close, CloseReason, Flag, Update
from signalpost.domain.events import ChangeRefused, IncidentBegan, IncidentEnded, StoreMoved
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.trade import TradeState
from signalpost.errors import FeedFailed
from signalpost.service.following import FollowPlan, StreamKey
from signalpost.trading.feeds.port import Series
from tests.unit.service.follow_harness import (
    BY_HAND,
    EURO,
    M1,
    MINUTE,
    QUIET,
    START,
    CountedFeed,
    Following,
    bars,
    following,
    signal,
)

UP = ("1.1000", "1.1060", "1.0996", "1.1055")
DOWN = ("1.1000", "1.1004", "1.0940", "1.0945")
BEYOND = ("1.0940", "1.0944", "1.0930", "1.0935")
POUND = Instrument("GBP_USD")


def test_a_signal_by_hand_is_filled_at_the_next_open_and_followed_to_its_end() -> None:
    feed = CountedFeed(bars(QUIET, ("1.1002", "1.1004", "1.0996", "1.1000"), QUIET, UP))

    async def test(harness: Following) -> None:
        await harness.until(2.1)
        trade = await harness.trade()
        assert trade.fill is not None
        assert (trade.fill.price, trade.fill.at) == (Decimal("1.1002"), START + MINUTE)
        await harness.until(4.1)
        trade = await harness.trade()
        assert trade.end is not None
        assert (trade.end.reason, trade.end.price, trade.end.at) == (
            CloseReason.TARGET,
            Decimal("1.1050"),
            START + 4 * MINUTE,
        )
        assert (trade.flags, trade.version) == ((Flag.MID_PRICES,), 3)

    following(test, feed, signals=[signal()])


def test_each_candle_is_fetched_once_for_all_trades_a_moment_after_its_close() -> None:
    feed = CountedFeed({**bars(), **bars(pair=POUND)})

    async def test(harness: Following) -> None:
        await harness.until(3.5)
        harness.follower.listen(StoreMoved(is_well=True))
        assert feed.minutes() == pytest.approx([0, 2 + 1 / 60, 3 + 1 / 60])
        assert len(feed.minutes(POUND)) == 3

    following(test, feed, signals=[signal("s1"), signal("s2"), signal("s3", pair="GBP_USD")])


def test_only_candles_that_change_no_trade_wait_for_others_at_work() -> None:
    async def test(harness: Following) -> None:
        await harness.until(2.5)
        await harness.accept(signal("s2", pair="GBP_USD", valid_until=START + timedelta(hours=1)))
        with harness.together.at_work():
            await harness.until(4 + 1.1 / 60)
            trades = await harness.trades()
            assert trades["s2"].fill is not None
            assert trades["s1"].followed is not None
            assert trades["s1"].followed.since < START + 3 * MINUTE
            await harness.until(4 + 1.3 / 60)
        trade = await harness.trade("s1")
        assert trade.followed is not None
        assert trade.followed.since > START + 3 * MINUTE

    feed = CountedFeed({**bars(), **bars(pair=POUND)})
    following(test, feed, signals=[signal("s1")])


def test_nothing_is_fetched_once_no_trade_is_live_and_new_trades_are_followed_at_once() -> None:
    feed = CountedFeed(bars(QUIET, DOWN))

    async def test(harness: Following) -> None:
        await harness.until(10)
        assert (await harness.trade()).state is TradeState.CLOSED
        fetches = len(feed.fetched)
        await harness.until(20.4)
        assert len(feed.fetched) == fetches
        await harness.accept(signal("s2"))
        await harness.until(22.1)
        assert (await harness.trade("s2")).fill is not None

    following(test, feed, signals=[signal()])


def test_a_trade_joins_those_of_its_candles_at_once_if_its_first_candle_has_closed() -> None:
    """Such as a strategy's signal that was found after a while."""
    hours = Timeframe("H1")
    plan = FollowPlan(None, {StreamKey("cross", EURO, hours): Candles("feed", hours)})
    made = bars(QUIET, quiet=3)[EURO, M1]
    feed = CountedFeed({(EURO, hours): [each.but(time=START + n * 60 * MINUTE) for n, each in enumerate(made)]})
    known = {"strategy_name": "cross", "timeframe": "H1"}

    async def test(harness: Following) -> None:
        await harness.until(130)
        late = signal("late", timestamp=START - 60 * MINUTE, **known)
        await harness.accept(late)
        await harness.until(130.1)
        fill = (await harness.trade("late")).fill
        assert fill is not None
        assert (fill.at, (await harness.trade()).fill) == (START, None)

    following(test, feed, plan=plan, signals=[signal(timestamp=START + 120 * MINUTE, **known)])


def test_a_trade_of_another_process_is_found_soon() -> None:
    feed = CountedFeed(bars())

    async def test(harness: Following) -> None:
        assert await harness.intake.accept(signal())  # without an event on this bus
        await harness.until(2.1)
        assert (await harness.trade()).fill is not None

    following(test, feed)


def test_an_end_is_found_after_a_pause_with_its_own_time_and_price() -> None:
    """All candles since are fetched, in several parts."""
    feed = CountedFeed(bars(QUIET, QUIET, DOWN), limit=2)

    async def test(harness: Following) -> None:
        await harness.stop()
        await harness.until(30)
        again = Following(feed, core=harness.outbox._core)
        await again.until(30.01)
        end = (await again.trade()).end
        assert end is not None
        assert (end.price, end.at) == (Decimal("1.0950"), START + 3 * MINUTE)
        await again.stop()

    following(test, feed, signals=[signal()])


def test_a_stop_that_a_person_moves_acts_from_the_next_candle() -> None:
    dip = ("1.1000", "1.1004", "1.0980", "1.1000")
    feed = CountedFeed(bars(QUIET, QUIET, dip, dip))

    async def test(harness: Following) -> None:
        await harness.until(2.5)
        await harness.intake.amend("s1", Update(stop_loss="1.0985"))
        await harness.until(3.2)
        assert (await harness.trade()).state is TradeState.OPEN
        await harness.until(4.1)
        end = (await harness.trade()).end
        assert end is not None
        assert (end.price, end.at) == (Decimal("1.0985"), START + 4 * MINUTE)

    following(test, feed, signals=[signal()])


def test_a_change_while_candles_are_fetched_is_not_overwritten() -> None:
    feed = CountedFeed(bars(QUIET, QUIET, UP))

    async def test(harness: Following) -> None:
        async def moved() -> None:
            if clock.now() > START + 3 * MINUTE:
                feed.before = None
                await harness.intake.amend("s1", Update(targets=["1.1100"]))

        feed.before = moved
        await harness.until(3.1)
        trade = await harness.trade()
        assert (trade.state, trade.targets[0].price) == (TradeState.OPEN, Decimal("1.1100"))
        assert len([at for at in feed.minutes() if at > 3]) == 2, "it is fetched again"

    following(test, feed, signals=[signal()])


def test_a_feed_that_fails_is_tried_again_and_delays_no_other() -> None:
    failing, well = CountedFeed(bars(QUIET, QUIET, DOWN)), CountedFeed(bars(QUIET, DOWN), name="well")
    plan = FollowPlan(Candles("feed", M1), {StreamKey("cross", EURO, M1): Candles("well", M1)})

    async def test(harness: Following) -> None:
        async def fails() -> None:
            raise FeedFailed(
                "the server answered 503", code="unavailable", retry_after=30 if clock.now() < START + MINUTE else None
            )

        failing.before = fails
        await harness.until(9)
        assert {name: trade.state.value for name, trade in (await harness.trades()).items()} == {
            "s1": "open",
            "of-strategy": "closed",
        }
        assert failing.minutes()[:4] == pytest.approx([0, 0.5, 1, 1 + 4 / 60])
        assert max(b - a for a, b in zip(failing.minutes(), failing.minutes()[1:], strict=False)) <= 1
        (began,) = harness.seen
        assert isinstance(began, IncidentBegan)
        assert (began.kind, began.name, began.since, began.reason) == ("feed", "feed", START, "the server answered 503")
        assert [reason.code for reason in harness.incidents.reasons(clock.now())] == ["feed-failed"]
        failing.before = None
        await harness.until(11)
        end = (await harness.trade()).end
        assert end is not None
        assert end.at == START + 3 * MINUTE
        assert [type(event) for event in harness.seen] == [IncidentBegan, IncidentEnded]
        assert not [*harness.incidents.reasons(clock.now())]

    following(test, failing, well, plan=plan, signals=[signal(), signal("of-strategy", strategy_name="cross")])


def test_a_trade_that_is_closed_by_hand_while_its_candles_fail_ends_the_incident() -> None:
    failing = CountedFeed(bars())

    async def fail() -> None:
        raise FeedFailed("the server answered 503")

    failing.before = fail

    async def test(harness: Following) -> None:
        await harness.until(2)
        assert [reason.code for reason in harness.incidents.reasons(clock.now())] == ["feed-failed"]
        await harness.intake.amend("s1", Close(price=Decimal("1.1")))
        await harness.until(4)
        began, ended = harness.seen
        assert isinstance(began, IncidentBegan)
        assert isinstance(ended, IncidentEnded)
        assert (ended.incident, ended.is_unused) == (began, True)
        assert not [*harness.incidents.reasons(clock.now())]

    following(test, failing, signals=[signal()])


def test_a_feed_that_requires_a_long_pause_is_alerted_meanwhile() -> None:
    failing = CountedFeed(bars())

    async def fail() -> None:
        raise FeedFailed("slow down", code="throttled", retry_after=600.0)

    failing.before = fail

    async def test(harness: Following) -> None:
        await harness.until(3)
        (began,) = harness.seen
        assert isinstance(began, IncidentBegan)
        assert (began.candles, len(failing.fetched)) == ((EURO, M1), 1)
        await harness.intake.amend("s1", Close(price=Decimal("1.1")))
        await harness.until(3.2)
        assert [type(event) for event in harness.seen] == [IncidentBegan, IncidentEnded]
        assert len(failing.fetched) == 1

    following(test, failing, signals=[signal()])


def test_a_candle_that_closes_later_by_our_clock_waits() -> None:
    class Ahead(CountedFeed):
        async def quotes(self, *arguments: Any, **options: Any) -> Any:
            self.fetched.append((str(EURO), clock.now()))
            with clock_ahead():
                return await super(CountedFeed, self).quotes(*arguments, **options)

    class clock_ahead:  # noqa: N801
        def __enter__(self) -> None:
            now = clock.now() + 90 * timedelta(seconds=1)
            self.before = clock.install(type("Ahead", (), {"now": lambda _: now})())

        def __exit__(self, *_: object) -> None:
            clock.install(self.before)

    feed = Ahead(bars(QUIET, QUIET, DOWN))

    async def test(harness: Following) -> None:
        await harness.until(2.9)
        assert (await harness.trade()).state is TradeState.OPEN
        await harness.until(3.1)
        end = (await harness.trade()).end
        assert end is not None
        assert (end.at, harness.seen) == (START + 3 * MINUTE, [])

    following(test, feed, signals=[signal()])


def test_a_store_that_fails_is_tried_again_and_nothing_is_skipped() -> None:
    feed = CountedFeed(bars(QUIET, QUIET, DOWN))

    async def test(harness: Following) -> None:
        await harness.until(1.5)
        harness.outbox.fails = True
        await harness.until(5)
        assert (await harness.intake.amend("s1", Update(note="Held"))).outcome == "held"
        harness.outbox.fails = False
        await harness.until(5.2)
        trade = await harness.trade()
        assert trade.end is not None
        assert (trade.end.at, trade.note) == (START + 3 * MINUTE, "Held")

    following(test, feed, signals=[signal()])


def test_a_change_that_is_held_is_saved_before_those_of_candles() -> None:
    feed = CountedFeed(bars(QUIET, QUIET, DOWN))

    async def test(harness: Following) -> None:
        await harness.until(3 + 0.9 / 60)  # the follower looks before the intake tries again
        harness.outbox.fails = True
        await harness.intake.amend("s1", Update(stop_loss="1.0960", note="Held"))  # refused once it has ended
        harness.outbox.fails = False
        await harness.until(3.2)
        assert not [event for event in harness.events if isinstance(event, ChangeRefused)]
        trade = await harness.trade()
        assert (trade.note, trade.state) == ("Held", TradeState.CLOSED)

    following(test, feed, signals=[signal()])


def test_a_change_that_a_trade_refuses_is_logged_and_the_next_candle_counts(caplog: pytest.LogCaptureFixture) -> None:
    wrong = ("-1", "1", "-1", "1")
    feed = CountedFeed(bars(QUIET, wrong))

    async def test(harness: Following) -> None:
        await harness.until(3.1)
        fill = (await harness.trade()).fill
        assert fill is not None
        assert fill.at == START + 2 * MINUTE

    following(test, feed, signals=[signal(stop_loss=None, targets=())])
    assert [(record.levelname, record.args and record.args[0]) for record in caplog.records] == [("ERROR", "s1")]


def test_a_strategy_is_followed_by_its_own_candles_from_the_close_of_its_candle() -> None:
    feed = CountedFeed(bars(BEYOND))
    plan = FollowPlan(None, {StreamKey("cross", EURO, M1): Candles("feed", M1)})

    async def test(harness: Following) -> None:
        await harness.until(1.1)
        found = await harness.trades()
        assert (found["of-strategy"].state, found["of-strategy"].flags) == (
            TradeState.CANCELLED,
            (Flag.GAPPED,),
        )
        await harness.until(30)
        assert (await harness.trade()).version == 1, "nothing follows it"

    following(test, feed, plan=plan, signals=[signal(), signal("of-strategy", strategy_name="cross")])


def test_the_plan_gives_each_signal_its_candles() -> None:
    hours = Timeframe("H4")
    own = FollowPlan(
        Candles("finest", M1),
        {
            StreamKey("cross", EURO, hours): Candles("its-own", hours),
            StreamKey("unfollowed", EURO, hours): None,
        },
    )
    by_hand, cross, unfollowed = (signal(strategy_name=name, timeframe="H4") for name in (None, "cross", "unfollowed"))
    assert own.source_of(by_hand) == Series("finest", EURO, M1)
    assert own.source_of(cross) == Series("its-own", EURO, hours)
    assert own.source_of(unfollowed) is None
    assert [own.is_of_strategy(each) for each in (by_hand, cross, unfollowed)] == [False, True, True]
    assert own.source_of(cross.but(pair="GBP_USD")) == Series("finest", POUND, M1)
    assert FollowPlan(None, {}).source_of(by_hand) is None
    assert BY_HAND.source_of(cross) == Series("feed", EURO, M1)
