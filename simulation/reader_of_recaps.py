"""Reads recaps as a subscriber's program does: the period and the results, from the text of the message."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

_KIND = re.compile(r"(Daily|Weekly) recap\b")
_ORIGIN = re.compile(r"^-# Of (\S+) only$", re.MULTILINE)
_DAY = re.compile(r"\w{3} (\d+) (\w{3})\b")
_OF_A_DAY = re.compile(r"Day in (?P<zone>[\w/+-]+)(?:, until (?P<hour>\d\d):00)?")
_OF_A_WEEK = re.compile(r"\d+(?: \w{3})? to (?P<day>\d+ \w{3}) \((?P<zone>[\w/+-]+)(?:, until (?P<hour>\d\d):00)?\)")
_ADJUSTED = re.compile(r"(?P<since>\d+ \w{3} \d\d:\d\d) to (?P<until>\d+ \w{3} \d\d:\d\d) \((?P<zone>[\w/+-]+)\)")
_RESULTS = re.compile(r"\*\*(\d+) won, (\d+) lost, (\d+) break-even\*\*")
_TOTAL = re.compile(r"^Total +\d+ +\d+ +\d+ +([+-]?\d+\.\d\d)$", re.MULTILINE)
_COUNTS = {
    "open": re.compile(r"(\d+) still open"),
    "not_filled": re.compile(r"(\d+) never filled"),
    "no_result": re.compile(r"(\d+) closed without a result"),
    "not_shown": re.compile(r"(\d+) ended before being shown here"),
}
_YEAR = 2025
_LENGTHS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}


class Results(NamedTuple):
    """The trades of a period, as a recap counts them."""

    won: int = 0
    lost: int = 0
    even: int = 0
    r: Fraction = Fraction(0)
    """The sum of the results, rounded to hundredths."""
    open: int = 0
    not_filled: int = 0
    no_result: int = 0
    not_shown: int = 0


class RecapRead(NamedTuple):
    """What a recap says."""

    kind: str
    """`daily` or `weekly`."""
    of: str
    """The destination that it is about."""
    since: datetime
    until: datetime
    results: Results
    may_repeat: bool

    @property
    def ref(self) -> str:
        """A name by its destination and its period."""
        return ref_of(self.kind, self.of, self.since, self.until)


def ref_of(kind: str, of: str, since: datetime, until: datetime) -> str:
    """The name of a recap, by which all its deliveries and messages are known."""
    return f"{kind} recap of {of} from {since:%d %H:%M} until {until:%d %H:%M}"


def recap_in(message: Mapping[str, Any], place: str) -> RecapRead | None:
    """Read a message of a destination; None if it is not a recap."""
    embeds = message.get("embeds") or ()
    kind = _KIND.match(embeds[0]["footer"]["text"]) if embeds else None
    if kind is None:
        return None
    name, text = kind[1].lower(), embeds[0]["description"]
    origin = _ORIGIN.search(text)
    since, until = _period(name, message["content"], text)
    marked = "may repeat" in embeds[0]["footer"]["text"]
    return RecapRead(name, origin[1] if origin else place, since, until, _results(text), marked)


def _period(kind: str, headline: str, text: str) -> tuple[datetime, datetime]:
    if (found := _ADJUSTED.search(text)) is not None:
        return _moment(found["since"], found["zone"]), _moment(found["until"], found["zone"])
    found = (_OF_A_DAY if kind == "daily" else _OF_A_WEEK).search(text)
    assert found is not None, text
    day = _DAY.search(headline)
    last = found["day"] if kind == "weekly" else f"{day[1]} {day[2].title()}" if day else ""
    until = _moment(f"{last} {found['hour'] or '00'}:00", found["zone"])
    until += timedelta(days=1) * (found["hour"] is None)  # it ends at midnight
    return until - _LENGTHS[kind], until


def _moment(text: str, zone: str) -> datetime:
    """A local time such as `24 Aug 18:00`, in UTC."""
    naive = datetime.strptime(f"{text} {_YEAR}", "%d %b %H:%M %Y")  # noqa: DTZ007  # the zone follows
    return naive.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _results(text: str) -> Results:
    counts = {name: int(found[1]) for name, each in _COUNTS.items() if (found := each.search(text)) is not None}
    won, lost, even = (int(each) for each in found.groups()) if (found := _RESULTS.search(text)) else (0, 0, 0)
    total = _TOTAL.search(text)
    return Results(won, lost, even, Fraction(total[1]) if total else Fraction(0), **counts)
