"""Computes recaps from the signal book, and shows them as plain data for JSON. Pure and exact."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Any

from signalpost.delivery.outbox.book import BookEntry, CardEntry
from signalpost.domain.change import Flag
from signalpost.domain.exact import rounded
from signalpost.domain.instant import iso
from signalpost.domain.instrument import Instrument
from signalpost.domain.recap import Period, Recap, RecapLine, RecapTrade
from signalpost.domain.trade import Result, Trade, TradeState, Verdict, result_of


def recap_of(entries: Sequence[BookEntry], period: Period, now: datetime, destination: str | None = None) -> Recap:
    """The recap of a period: of the trades that a destination, or any if None, showed before they ended.

    `entries` are trades outside replays, in any order; those that ended before the period, or were opened after it, do
    not count.
    """
    cards = {each.trade.number: _cards(each, destination) for each in entries}
    known = [each.trade for each in entries if cards[each.trade.number] and _counts(each.trade, period)]
    is_shown = {number: any(card.was_live for card in found) for number, found in cards.items()}
    ended = sorted((each for each in known if _has_ended(each, period)), key=_end_of)
    shown = [each for each in ended if is_shown[each.number]]
    closed = [each for each in shown if each.state is TradeState.CLOSED]
    results = [(each, result) for each in closed if (result := result_of(each)) is not None]
    by_r = [RecapTrade(each.number, r) for each, result in results if (r := result.exact_r) is not None]
    best, worst = (choose(by_r, key=lambda each: each.r, default=None) for choose in (max, min))
    return Recap(
        destination=destination,
        period=period,
        timestamp=now,
        lines=_lines(results),
        open=sum(is_shown[each.number] for each in known) - len(shown),
        not_filled=len(shown) - len(closed),
        not_shown=len(ended) - len(shown),
        no_result=len(closed) - len(results),
        no_r=len(closed) - len(by_r),
        with_r=len(by_r),
        reported=sum(Flag.REPORTED in each.flags for each in closed),
        both_touched=sum(Flag.BOTH_TOUCHED in each.flags for each in closed),
        hypothetical=sum(_is_by_candles(each) for each, _ in results),
        worst_run=_worst_run([result.verdict for _, result in results]),
        best=best and _linked(best, cards[best.number]),
        worst=worst and _linked(worst, cards[worst.number]),
    )


def described(recap: Recap) -> dict[str, Any]:
    """A recap with its R as text without trailing zeros, rounded half to even to 18 decimals."""
    period, rate = recap.period, recap.win_rate
    return {
        "destination": recap.destination,
        "period": period.recurrence.value,
        "since": iso(period.since),
        "until": iso(period.until),
        "timezone": period.zone,
        "wins": recap.wins,
        "losses": recap.losses,
        "break_even": recap.break_even,
        "open": recap.open,
        "not_filled": recap.not_filled,
        "not_shown": recap.not_shown,
        "no_r": recap.no_r,
        "no_result": recap.no_result,
        "reported": recap.reported,
        "both_touched": recap.both_touched,
        "hypothetical": recap.hypothetical,
        "worst_run": recap.worst_run,
        "win_rate": None if rate is None else format(rounded(rate), "f"),
        "r": format(rounded(recap.r), "f"),
        "per_pair": {line.pair.symbol: _line(line) for line in recap.lines},
    }


def _line(line: RecapLine) -> dict[str, Any]:
    counts = {"wins": line.wins, "losses": line.losses, "break_even": line.break_even}
    return {**counts, "r": format(rounded(line.r), "f")}


def _cards(entry: BookEntry, destination: str | None) -> list[CardEntry]:
    return [
        card for card in entry.cards if destination in {None, card.destination} and not _is_for_another(card, entry)
    ]


def _is_for_another(card: CardEntry, entry: BookEntry) -> bool:
    """Whether only a fallback of the destination has shown the trade: its readers missed nothing."""
    is_missing = card.is_elsewhere and not card.was_live
    return is_missing and any(other.was_live and other.tier == card.tier for other in entry.cards)


def _counts(trade: Trade, period: Period) -> bool:
    return trade.opened_at < period.until and (trade.end is None or trade.end.at >= period.since)


def _has_ended(trade: Trade, period: Period) -> bool:
    return trade.end is not None and trade.end.at < period.until


def _end_of(trade: Trade) -> tuple[datetime, int]:
    assert trade.end is not None  # noqa: S101  # for mypy
    return trade.end.at, trade.number


def _lines(results: Sequence[tuple[Trade, Result]]) -> tuple[RecapLine, ...]:
    by_pair: dict[Instrument, list[Result]] = {}
    for trade, result in results:
        by_pair.setdefault(trade.signal.pair, []).append(result)
    return tuple(_line_of(pair, found) for pair, found in by_pair.items())


def _line_of(pair: Instrument, results: Sequence[Result]) -> RecapLine:
    counts = Counter(result.verdict for result in results)
    r = sum((result.exact_r or Fraction(0) for result in results), Fraction(0))
    return RecapLine(pair, counts[Verdict.WIN], counts[Verdict.LOSS], counts[Verdict.BREAK_EVEN], r)


def _is_by_candles(trade: Trade) -> bool:
    """Whether candles gave a price of the result."""
    return trade.followed is not None and not all(part.is_reported for part in trade.parts)


def _worst_run(verdicts: Iterable[Verdict]) -> int:
    runs = (len(list(run)) for verdict, run in groupby(verdicts) if verdict is Verdict.LOSS)
    return max(runs, default=0)


def _linked(found: RecapTrade, cards: Iterable[CardEntry]) -> RecapTrade:
    """The same trade, with the message of the first card that has one."""
    message = next((card.message for card in cards if card.message is not None), None)
    if message is None:
        return found
    return RecapTrade(found.number, found.r, message.message_id, message.channel, message.guild)
