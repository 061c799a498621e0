"""`signalpost signals recap`: the results of a day or a week."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta

import click
from rich.table import Table

from signalpost.cli.options import Flags, Utf8Text, configured
from signalpost.cli.output import examples, json_option, say, say_json
from signalpost.cli.store import Store
from signalpost.cli.tables import console, table
from signalpost.config import Config
from signalpost.delivery.outbox.book import FindTrades
from signalpost.delivery.recaps import described, recap_of
from signalpost.domain.recap import Period, Recap, RecapDays, Recurrence
from signalpost.errors import InvalidValue, shown
from signalpost.sinks.discord.cards.wording import signed, unsigned

_WEEK = re.compile(r"(?:(?P<year>\d{4})-)?W?(?P<week>\d{1,2})", re.ASCII | re.IGNORECASE)
_CLOCKS_DIFFER = timedelta(minutes=1)
_YEARS_TO_A_LONG_ONE = 8
"""One more than the most years from a year with 53 weeks to the next such year."""
_YEARS = range(2, 9999)
"""The years whose periods begin and end at times that can be computed in every time zone."""


@examples(
    "signalpost signals recap",
    "signalpost signals recap --week 48 --destination signals-premium",
    "signalpost signals recap --day 2026-11-27 --json | jq -r .r",
)
@click.command()
@click.option("--day", help="The recap of this day, such as 2026-11-27.")
@click.option("--week", help="The recap of this ISO week, such as 48 or 2026-W48.  [default: this week until now]")
@click.option("--destination", type=Utf8Text(), help="Only signals that this destination showed before they ended.")
@configured
@json_option("Print the recap as JSON.")
def recap(day: str | None, week: str | None, destination: str | None, flags: Flags, as_json: bool) -> None:
    """Show the results of the signals that ended in a day or a week, by pair.

    It counts signals that were shown before they ended, by the day on which they ended: in UTC, or by the destination's
    recap_timezone and recap_hour. A trade of +0.05R or more is won, one of -0.05R or less is lost, and one in between
    is break-even. Results are before costs. Results that are computed from candles are hypothetical.
    """
    if day is not None and week is not None:
        raise click.UsageError("Give --day or --week, not both.")
    config = flags.config()
    days = _days_of(config, destination)
    with Store(config) as store:
        today = days.day_at(store.now)
        period = days.week(_day_in(week, today)) if day is None else days.day(_day(day))
        _check_begun(period, "--week" if day is None else "--day", day or week or "", store.now, today)
        entries = store.trades(FindTrades(changed_since=period.since - _CLOCKS_DIFFER))
        now = store.now
        _check_known(destination, config, store)
    made = recap_of(entries, period, now, destination)
    if as_json:
        say_json(described(made))
    else:
        console().print(_table(made))
        say(*_lines(made))


def _days_of(config: Config, destination: str | None) -> RecapDays:
    return next((each.recap_days for each in config.destinations if each.name == destination), RecapDays())


def _check_known(destination: str | None, config: Config, store: Store) -> None:
    known = {each.name for each in config.destinations}
    if destination is None or destination in known:
        return
    known |= {card.destination for each in store.trades(FindTrades()) for card in each.cards}
    if destination not in known:
        names = ", ".join(sorted(known)) or "none"
        text = f"--destination {shown(destination)} is unknown. Known destinations: {names}"
        raise InvalidValue(text, code="unknown-word", field="--destination", value=shown(destination), limit=names)


def _day(text: str) -> date:
    with suppress(ValueError):
        if (found := date.fromisoformat(text)).year in _YEARS:
            return found
    advice = "use a date such as 2026-11-27"
    raise InvalidValue.of("--day", text, advice, code="invalid-time", limit="YYYY-MM-DD")


def _day_in(week: str | None, today: date) -> date:
    """A day of a week. If no year is given, of the newest week with that number that has begun."""
    if week is None:
        return today
    found = _WEEK.fullmatch(week)
    year = found and found["year"]
    years = [int(year)] if year else range(today.year + 1, today.year - _YEARS_TO_A_LONG_ONE, -1)
    for each in (each for each in years if found and each in _YEARS):
        try:
            monday = date.fromisocalendar(each, int(found["week"] if found else 0), 1)
        except ValueError:
            continue
        if year or monday <= today:
            return monday
    advice = "use a week such as 48 or 2026-W48"
    raise InvalidValue.of("--week", week, advice, code="invalid-time", limit="1 to 53")


def _check_begun(period: Period, option: str, text: str, now: datetime, today: date) -> None:
    if period.since > now:
        year, week, _ = today.isocalendar()
        newest = f"{year}-W{week:02}" if period.recurrence is Recurrence.WEEKLY else today.isoformat()
        advice = f"it has not begun: the newest one is {newest}"
        raise InvalidValue.of(option, text, advice, code="invalid-time", limit=f"until {newest}")


def _table(made: Recap) -> Table:
    columns = ("won", "lost", "even", "R")
    drawn = table(_title(made.period, made.destination), "pair", *columns, right=columns, wraps="pair")
    for line in made.lines:
        drawn.add_row(str(line.pair), str(line.wins), str(line.losses), str(line.break_even), signed(line.r, 2))
    drawn.add_section()
    drawn.add_row("total", str(made.wins), str(made.losses), str(made.break_even), signed(made.r, 2))
    return drawn


def _title(period: Period, destination: str | None) -> str:
    first, last = period.first_day, period.last_day
    is_daily = period.recurrence is Recurrence.DAILY
    name = f"{last}" if is_daily else f"Week {last.isocalendar().week}, {first} to {last}"
    ends = f" until {period.ends_at:%H:%M}" if period.ends_at.hour else ""
    return f"{name} ({period.zone}{ends}), {destination or 'all destinations'}"


def _lines(made: Recap) -> Iterator[str]:
    if made.win_rate is not None:
        yield f"win rate {unsigned(made.win_rate, 2)}%"
    counts = {
        "still open": made.open,
        "never filled or cancelled": made.not_filled,
        "ended before they were shown": made.not_shown,
        "without R": made.no_r,
        "with a reported price": made.reported,
        "touched stop and target in one candle: counted as stopped": made.both_touched,
        "hypothetical, computed from candles": made.hypothetical,
        "losses in a row": made.worst_run,
    }
    yield from (f"{count} {what}" for what, count in counts.items() if count)
