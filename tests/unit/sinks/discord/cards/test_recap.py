"""What the cards of recaps show beyond the usual one."""

from datetime import date, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import notification_of
from signalpost.domain.recap import Period, Recap, RecapDays, RecapLine, RecapTrade
from signalpost.sinks.discord import limits
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.message import message
from signalpost.sinks.port import Item

FRIDAY = date(2026, 11, 27)
DAY, WEEK = RecapDays().day(FRIDAY), RecapDays().week(FRIDAY)
ONE = RecapLine(Instrument("EUR_USD"), 1, 0, 0, Fraction(3, 2))


def body(period: Period = DAY, *lines: RecapLine, look: Look = Look(), item: Any = {}, **fields: Any) -> dict[str, Any]:  # noqa: B006, B008
    usual = {"with_r": sum(each.trades for each in lines), "timestamp": datetime.fromisoformat("2026-11-28T00:05:00Z")}
    made = Recap(destination="signals-free", period=period, lines=lines, **usual | fields)
    return message([Item(notification_of(made), **item)], look, made.timestamp, guild="77")


def text(*arguments: Any, **fields: Any) -> str:
    found: str = body(*arguments, **fields)["embeds"][0]["description"]
    return found


def test_a_daily_recap_is_silent_and_a_weekly_one_notifies() -> None:
    assert body(DAY, ONE)["flags"] == limits.SILENT
    assert "flags" not in body(WEEK, ONE)


def test_it_names_the_time_zone_and_the_hour_at_which_a_day_ends() -> None:
    days = RecapDays("America/New_York", 17)
    assert "Day in America/New_York, until 17:00" in text(days.day(FRIDAY), ONE)
    assert "23 to 29 Nov (America/New_York, until 17:00)" in text(days.week(FRIDAY), ONE)
    assert "28 Sep to 4 Oct (UTC)" in text(RecapDays().week(date(2026, 10, 1)), ONE)


def test_a_period_that_was_adjusted_names_both_of_its_ends() -> None:
    days, last_end = RecapDays("America/New_York", 17), datetime.fromisoformat("2026-11-26T05:30:00Z")
    day, week = (days.following(each, last_end) for each in (days.day(FRIDAY), days.week(FRIDAY)))
    assert "26 Nov 00:30 to 27 Nov 17:00 (America/New_York), before costs" in text(day, ONE)
    assert "26 Nov 00:30 to 29 Nov 17:00 (America/New_York)" in text(week, ONE)


@pytest.mark.parametrize("trades", [29, 30])
def test_a_win_rate_is_shown_from_30_trades_on(trades: int) -> None:
    line = RecapLine(Instrument("EUR_USD"), 10, trades - 10, 0, Fraction(-1))
    assert ("Win rate 33.33%" in text(DAY, line)) == (trades == 30)
    assert ("win rate 33.33%" in text(WEEK, line)) == (trades == 30)


def test_what_limits_the_results_is_counted() -> None:
    shown = text(DAY, ONE, no_r=3, no_result=1, reported=4, both_touched=5, hypothetical=1, with_r=0, not_filled=2)
    for count in ("2 without a stop", "1 closed without a result", "4 with a reported price", "5 touched SL and TP"):
        assert count in shown
    assert "hypothetical" in shown
    assert "2 never filled" in shown
    assert "hypothetical" not in text(DAY, ONE)


def test_without_any_r_the_headline_has_none_and_a_result_that_nobody_knows_has_no_table() -> None:
    line = RecapLine(Instrument("EUR_USD"), 1, 0, 0)
    assert body(DAY, line, with_r=0, no_r=1)["content"] == "FRI 27 NOV · 1 won, 0 lost"
    unknown = body(WEEK, no_result=1, no_r=1)
    assert unknown["content"] == "WEEK 48 · 0 won, 0 lost"
    assert "```" not in str(unknown)
    assert "Average" not in str(unknown)


def test_a_headline_that_is_too_long_leaves_the_sum_to_the_table() -> None:
    long = body(WEEK, RecapLine(Instrument("EUR_USD"), 1042, 1043, 0, Fraction(1234)))
    assert long["content"] == "WEEK 48 · 1042 won, 1043 lost"
    assert "+1234.00" in str(long)


@pytest.mark.parametrize("period", [DAY, WEEK])
def test_trades_that_ended_before_they_were_shown_are_counted_and_nothing_claims_that_all_are(period: Period) -> None:
    none = body(period, not_shown=2)
    assert "No trade closed" not in str(none)
    assert "2 ended before being shown" in str(none)
    some = text(period, ONE, not_shown=2)
    assert "2 ended before being shown" in some
    assert "Every signal" not in some
    assert ("Every signal" in text(period, ONE)) is (period is WEEK)
    assert "before being shown" not in text(period, ONE)


@pytest.mark.parametrize(("losses", "is_shown"), [(0, False), (1, False), (2, True)])
def test_a_week_names_the_most_losses_in_a_row(losses: int, is_shown: bool) -> None:
    trades = {"best": RecapTrade(1, Fraction(1)), "worst": RecapTrade(2, Fraction(-1))}
    assert (f"{losses} losses in a row" in text(WEEK, ONE, worst_run=losses, **trades)) is is_shown


def test_an_empty_week_with_nothing_open_says_so() -> None:
    assert (body(WEEK)["content"], text(WEEK).splitlines()[0]) == ("WEEK 48 · No trade closed", "**No trade closed.**")


def test_best_and_worst_are_linked_if_their_message_is_known() -> None:
    best, worst = RecapTrade(7, Fraction(2), "300", "200"), RecapTrade(8, Fraction(-1))
    shown = text(WEEK, ONE, best=best, worst=worst)
    assert "Best +2.00R [#7](https://discord.com/channels/77/200/300) · worst -1.00R #8" in shown
    assert "Best" not in text(DAY, ONE, best=best, worst=worst)


def test_the_disclaimer_is_the_operators() -> None:
    assert "· trading is risky" in text(DAY, ONE, look=Look(disclaimer="Trading is risky."))
    assert "\n-# NFA" in text(WEEK, ONE, look=Look(disclaimer="NFA"))
    assert "· NFA" in text(DAY, ONE, look=Look(disclaimer="NFA"))
    assert "· X" in text(DAY, ONE, look=Look(disclaimer="X"))


def test_of_more_than_12_pairs_the_11_with_the_most_trades_are_shown() -> None:
    lines = [RecapLine(Instrument(f"A{letter}A_USD"), 2, 0, 0, Fraction(1)) for letter in "BCDEFGHIJKL"]
    rare = [RecapLine(Instrument(f"R{letter}R_USD"), 1, 0, 0, Fraction(1, 3)) for letter in "AB"]
    shown = text(DAY, rare[0], *lines, rare[1])
    rows = shown.split("```")[1].strip("\n").splitlines()
    assert len(rows) == 1 + 12 + 2
    assert [row.split() for row in rows[-3:]] == [
        ["Others", "2", "0", "0", "+0.67"],
        ["-" * 25],
        ["Total", "24", "0", "0", "+11.67"],
    ]
    assert "RAR_USD" in text(DAY, rare[0], *lines)


COUNTS = st.integers(0, 10**5)
MAJORS = ("EUR_USD", "GBP_USD", "USD_JPY", "USD_CHF", "AUD_USD", "USD_CAD", "NZD_USD", "EUR_GBP", "EUR_JPY", "GBP_JPY")
LINES = st.builds(
    RecapLine,
    st.sampled_from([Instrument(each) for each in (*MAJORS, "1000PEPE/USDT:USDT", "US500", "GOLDMAN_SACHS_PREFERRED")]),
    st.integers(1, 10**5),
    COUNTS,
    COUNTS,
    st.fractions(-(10**6), 10**6),
)


@given(st.lists(LINES, min_size=1, unique_by=lambda line: line.pair), st.sampled_from([DAY, WEEK]), COUNTS)
def test_columns_stay_apart_and_the_message_fits(lines: list[RecapLine], period: Period, count: int) -> None:
    made = body(period, *lines, open=count, not_filled=count, reported=count)
    assert len(made["content"]) <= 36
    assert limits.size(made["embeds"][0]) < 900
    rows = made["embeds"][0]["description"].split("```")[1].strip("\n").splitlines()
    width = len(rows[-2])
    assert {len(row) for row in rows} <= {width, len(rows[0])}
    for row in (*rows[1:-2], rows[-1]):
        *_, wins, losses, even, r = row.split()
        assert float(r) == float(r)
        assert all(each.isdigit() for each in (wins, losses, even))


def test_a_repeat_is_marked() -> None:
    assert "may repeat" in body(DAY, ONE, item={"may_repeat": True})["embeds"][0]["footer"]["text"]
