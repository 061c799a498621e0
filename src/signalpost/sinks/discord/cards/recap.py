"""The card of a recap: the results of a day or a week, by pair."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from signalpost.domain.recap import Recap, RecapLine, RecapTrade, Recurrence
from signalpost.sinks.discord.cards.body import edit, embed, footer, post
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.cards.view import MessageLink, View
from signalpost.sinks.discord.cards.wording import (
    DOT,
    HEADLINE,
    SHORTEST_NAME,
    SMALL_LINE,
    plain_name,
    prefixed,
    signed,
    small,
    small_facts,
    unsigned,
)
from signalpost.sinks.discord.escape import cut, escaped

_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FENCE = "```"
_MOST_LINES = 12
_OTHERS = "Others"
_NOTHING, _NONE_SHOWN = "No trade closed", "No results"
_WIDTH, _NAME = 25, 8
_LEAST_WIDTHS = (3, 3, 4, 7)
"""The least widths of the columns W, L, BE and R, with the space before each."""


def recap_card(
    recap: Recap, look: Look, view: View, guild: str | None = None, origin: str | None = None
) -> dict[str, Any]:
    """The body of a recap. `guild` is the Discord server of a message that does not name its own.

    `origin` is the destination that it is about, if a fallback shows it.
    """
    is_daily = recap.period.recurrence is Recurrence.DAILY
    lines = [
        *(_results(recap, guild) if recap.closed else [f"**{_nothing(recap)}.** {_rest(recap)}".rstrip()]),
        *small_facts([f"Of {escaped(origin, SMALL_LINE)} only"] if origin else []),
        *_small_print(recap, look),
    ]
    name = "Daily recap" if is_daily else "Weekly recap"
    made = embed(lines, look.colours.violet, recap.timestamp, footer(look, name, marks=view.marks))
    headline = _headline(recap, view)
    return edit(headline, [made]) if view.is_edit else post(look, [headline], [made], is_silent=is_daily)


def _headline(recap: Recap, view: View) -> str:
    last = recap.period.last_day
    day = f"{_DAYS[last.weekday()]} {last.day} {_MONTHS[last.month - 1].upper()}"
    when = day if recap.period.recurrence is Recurrence.DAILY else f"WEEK {last.isocalendar().week}"
    if not recap.closed:
        return prefixed(when, _nothing(recap), view)
    counts = f"{recap.wins} won, {recap.losses} lost"
    r = [f"{signed(recap.r, 2)}R"] if recap.with_r else []
    if len(DOT.join((when, *r, counts))) > HEADLINE:
        r = []  # the table has it
    return prefixed(when, DOT.join((*r, counts)), view)


def _nothing(recap: Recap) -> str:
    """The text of a recap without results. Trades may have ended that the destination did not show before."""
    return _NONE_SHOWN if recap.not_shown else _NOTHING


def _results(recap: Recap, guild: str | None) -> Iterator[str]:
    yield f"**{recap.wins} won, {recap.losses} lost, {recap.break_even} break-even**"
    is_weekly = recap.period.recurrence is Recurrence.WEEKLY
    rates = [f"Average {signed(recap.r / recap.with_r, 2)}R"] if is_weekly and recap.with_r else []
    if recap.win_rate is not None:
        rates.append(f"{'win' if rates else 'Win'} rate {unsigned(recap.win_rate, 2)}%")
    yield from [DOT.join(rates)] if rates else []
    if recap.lines:
        yield from (_FENCE, *_table(recap), _FENCE)
    if is_weekly and recap.best is not None and recap.worst is not None:
        run = [f"{recap.worst_run} losses in a row"] if recap.worst_run > 1 else []
        yield DOT.join((f"Best {_linked(recap.best, guild)}", f"worst {_linked(recap.worst, guild)}", *run))
    if rest := _rest(recap).removesuffix("."):
        yield rest


def _linked(trade: RecapTrade, guild: str | None) -> str:
    label = f"#{trade.number}"
    server = trade.guild or guild
    if trade.message_id is not None and trade.channel is not None and server is not None:
        label = f"[{label}]({MessageLink(server, trade.channel, trade.message_id).url})"
    return f"{signed(trade.r, 2)}R {label}"


def _rest(recap: Recap) -> str:
    """The signals without a result, such as `2 still open, 1 never filled.`, or nothing."""
    never = "never filled" if recap.period.recurrence is Recurrence.DAILY else "never filled or cancelled"
    counts = (
        (recap.open, "still open"),
        (recap.not_filled, never),
        (recap.no_result, "closed without a result"),
        (recap.not_shown, "ended before being shown here"),
    )
    text = ", ".join(f"{count} {what}" for count, what in counts if count)
    return f"{text}." if text else ""


def _small_print(recap: Recap, look: Look) -> Iterator[str]:
    without_stop = recap.no_r - recap.no_result
    counts = (
        (without_stop, "without a stop, so without R"),
        (recap.reported, "with a reported price"),
        (recap.both_touched, "touched SL and TP: counted as the stop"),
    )
    yield from small_facts(f"{count} {what}" for count, what in counts if count)
    if recap.hypothetical:
        yield from small("Results computed from candles are hypothetical")
    disclaimer = look.disclaimer.rstrip(".")
    if not recap.closed:
        yield from small_facts([_period(recap)])
    elif recap.period.recurrence is Recurrence.DAILY:
        first = disclaimer[0].lower() if disclaimer[1:2].islower() else disclaimer[0]
        yield from small_facts([f"{_period(recap)}, before costs", f"{first}{disclaimer[1:]}"])
    else:
        counted = "Signals shown before they ended," if recap.not_shown else "Every signal of"
        yield from small_facts([f"{counted} {_period(recap)}", "before costs"], ", ")
        yield from small("Past results do not predict the next ones")
        yield from small(disclaimer)


def _period(recap: Recap) -> str:
    """`Day in UTC`, or `23 to 27 Nov (UTC)`; with the time at which a day ends, unless that is midnight.

    An adjusted period is neither a day nor a week, so both of its ends are named.
    """
    period = recap.period
    if period.is_adjusted:
        return f"{_moment(period.since, period.zone)} to {_moment(period.until, period.zone)} ({period.zone})"
    zone = period.zone if not period.ends_at.hour else f"{period.zone}, until {period.ends_at:%H:%M}"
    if period.recurrence is Recurrence.DAILY:
        return f"Day in {zone}"
    first, last = period.first_day, period.last_day
    month = "" if first.month == last.month else f" {_MONTHS[first.month - 1]}"
    return f"{first.day}{month} to {_day(last)} ({zone})"


def _moment(at: datetime, zone: str) -> str:
    """`22 Nov 17:00`."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{_day(local.date())} {local:%H:%M}"


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]}"


def _table(recap: Recap) -> list[str]:
    rows = [("", "W", "L", "BE", "R"), *map(_cells, _most_traded(recap.lines))]
    total = ("Total", *map(str, (recap.wins, recap.losses, recap.break_even)), signed(recap.r, 2))
    widths = [
        max(least, 1 + max(len(row[column]) for row in (*rows, total)))
        for column, least in enumerate(_LEAST_WIDTHS, start=1)
    ]
    name = max(SHORTEST_NAME, min(_NAME, _WIDTH - sum(widths)))
    drawn = [
        f"{cut(row[0], name):<{name}}"
        + "".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths, strict=True))
        for row in (*rows, total)
    ]
    return [*drawn[:-1], "-" * max(map(len, drawn)), drawn[-1]]


def _cells(line: tuple[str, RecapLine]) -> tuple[str, ...]:
    name, found = line
    return (name, *map(str, (found.wins, found.losses, found.break_even)), signed(found.r, 2))


def _most_traded(lines: tuple[RecapLine, ...]) -> Iterable[tuple[str, RecapLine]]:
    """Each line with its name. If there are more than 12: the 11 with the most trades, then one for the others."""
    named = [(plain_name(line.pair), line) for line in lines]
    if len(lines) <= _MOST_LINES:
        return named
    most = sorted(lines, key=lambda line: -line.trades)[: _MOST_LINES - 1]
    kept = [(name, line) for name, line in named if line in most]
    return [*kept, (_OTHERS, _sum_of([line for line in lines if line not in most]))]


def _sum_of(lines: list[RecapLine]) -> RecapLine:
    wins, losses, even = (sum(getattr(line, field) for line in lines) for field in ("wins", "losses", "break_even"))
    return RecapLine(lines[0].pair, wins, losses, even, sum((line.r for line in lines), Fraction(0)))
