"""Reads the feeds of candles from all sources of settings, and makes them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from signalpost.config import parsers
from signalpost.config.classes import is_path, made
from signalpost.config.destinations import NAME
from signalpost.config.parsers import advice, shown, shown_name, shown_path
from signalpost.config.secrets import find_secret, read_given
from signalpost.config.settings import (
    CALENDAR,
    FEED_KEYS,
    FEEDS,
    FOLLOW,
    FOLLOW_FEED,
    FOLLOW_TIMEFRAME,
    HOLIDAYS,
    OANDA_VARIABLE,
    SESSIONS,
)
from signalpost.config.sources import FILE, Sources, Table, add_unknown, text_of
from signalpost.domain.sessions import OpeningHours, overlapping
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import Fault, InvalidConfiguration, InvalidValue
from signalpost.secret import Secret
from signalpost.trading.calendar import CALENDARS, FX, Calendar, calendar_of
from signalpost.trading.feeds import FEEDS as KINDS
from signalpost.trading.feeds import TIMEFRAMES
from signalpost.trading.feeds.port import Feed

_KEYS = {"folder": ("path",), "oanda": ("url", "token_file"), "ccxt": ("exchange", "url"), "replay": ()}
"""The settings of each kind, in addition to those of every feed."""
_OPTIONAL = ("url", "token_file")
_USUAL_CALENDAR = {"ccxt": "always"}
_METHODS = ("fetch", "quotes", "close")


class FeedConfig(NamedTuple):
    """A feed of candles, as configured. `make_feeds` makes the live ones."""

    name: str
    kind: str
    """One of `signalpost.trading.feeds.FEEDS`, or the path of a user's own class."""
    calendar: Calendar = FX
    arguments: Mapping[str, object] = {}
    """The other arguments of its class."""


class Candles(NamedTuple):
    """The candles of a feed in one timeframe."""

    feed: str
    """The name of the feed."""
    timeframe: Timeframe


def make_feeds(feeds: Iterable[FeedConfig]) -> dict[str, Feed]:
    """The live feeds by name; nothing is fetched yet. Raises InvalidConfiguration with all faults."""
    live: dict[str, Feed] = {}
    faults: list[Fault] = []
    for each in feeds:
        try:
            live[each.name] = _made(each)
        except InvalidConfiguration as error:
            place = f"{FEEDS}.{each.name}"
            texts = (fault.text if place in fault.text else f"{place}: {fault.text}" for fault in error.errors)
            faults += (fault._replace(text=text) for fault, text in zip(error.errors, texts, strict=True))
    if faults:
        raise InvalidConfiguration.of_all(faults)
    return live


def _made(config: FeedConfig) -> Feed:
    field = f"{FEEDS}.{config.name}.kind"
    arguments = {"name": config.name, "calendar": config.calendar, **config.arguments}
    feed: Feed = made(KINDS.get(config.kind, config.kind), arguments, field)
    if missing := [each for each in _METHODS if not hasattr(feed, each)]:
        text = f"{config.kind} has no {', '.join(missing)}: a feed needs {', '.join(_METHODS)}"
        raise InvalidConfiguration(text, code="not-a-feed", field=field, value=config.kind, limit=", ".join(_METHODS))
    return feed


def find_feeds(sources: Sources) -> tuple[FeedConfig, ...]:
    """The feeds of the settings file."""
    feeds = (_feed(sources, name, table) for name, table in sources.tables(FEEDS).items())
    return tuple(feed for feed in feeds if feed is not None)


def find_follow(sources: Sources, feed: str | None, timeframe: Timeframe) -> Candles | None:
    """The candles that follow signals; None if no feed is set, or it is not configured."""
    known, place = tuple(sources.tables(FEEDS)), sources.file.place(FOLLOW, FOLLOW_FEED.key)
    if feed is None:
        if sources.origin_by_key[FOLLOW_TIMEFRAME.name] == FILE:
            problem = "timeframe has no effect without a feed: set feed, or remove timeframe"
            sources.findings.add(f"{place}: {problem}", "missing", place.field)
        return None
    if feed not in known:
        problem = advice(feed, known) if known else f"add a [feeds.{shown_name(feed)}]"
        text = f"{place}: {shown(feed)} is not a configured feed: {problem}"
        sources.findings.add(text, "unknown-word", place.field, ", ".join(known))
        return None
    if fault := timeframe_fault(sources, feed, timeframe):
        place = sources.file.place(FOLLOW, FOLLOW_TIMEFRAME.key)
        sources.findings.faults.append(fault._replace(text=f"{place}: {fault.text}", field=place.field))
    return Candles(feed, timeframe)


def timeframe_fault(sources: Sources, feed: str, timeframe: Timeframe) -> Fault | None:
    """The fault if a configured feed never has candles of this length; None if it may have them."""
    kind = sources.table(FEEDS, feed).get("kind")
    known = TIMEFRAMES.get(kind) if isinstance(kind, str) else None
    if known is None or timeframe in known:
        return None
    limit = ", ".join(known)
    text = f"the feed {feed} has no {timeframe} candles: use one of {limit}"
    return Fault("unknown-timeframe", text, "timeframe", str(timeframe), limit)


def _feed(sources: Sources, name: str, table: Table) -> FeedConfig | None:
    findings, place = sources.findings, sources.file.place(FEEDS, name)
    faults_before = len(findings.faults)
    if not NAME.fullmatch(name):
        problem = "not a valid name of a feed: use 1 to 32 of a-z, 0-9, - and _, the first a letter or digit"
        findings.add(f"{place}: {problem}", "invalid-name", FEEDS)
    for kind in _kind(sources, name, table):
        if kind in _KEYS:
            add_unknown(table, (*FEED_KEYS, *_KEYS[kind]), f"{place}.", findings)
        calendars = _calendar(sources, name, table, _USUAL_CALENDAR.get(kind, "fx"))
        arguments = dict(_arguments(sources, name, table, kind))
        if len(findings.faults) == faults_before:
            sources.origin_by_key[f"{FEEDS}.{name}"] = FILE
            return FeedConfig(name, kind, calendars[0], arguments)
    return None


def _kind(sources: Sources, name: str, table: Table) -> tuple[str, ...]:
    place = sources.file.place(FEEDS, name, "kind")
    known = ", ".join(KINDS)
    if "kind" not in table:
        sources.findings.add(f"{place}: no kind is set: add one of {known}", "missing", place.field, known)
        return ()
    kinds = sources.findings.checked(place, text_of, table["kind"], str, f"text in quotes: {known}")
    for kind in kinds:
        if kind not in KINDS and not ((":" in kind or "." in kind) and is_path(kind)):
            problem = f"{shown(kind)} is not a kind of feed: {advice(kind, KINDS)}"
            sources.findings.add(f"{place}: {problem}", "unknown-word", place.field, known)
            return ()
    return kinds


def _calendar(sources: Sources, name: str, table: Table, usual: str) -> tuple[Calendar, ...]:
    findings, at = sources.findings, sources.file.place(FEEDS, name, SESSIONS)
    names = findings.checked(sources.file.place(FEEDS, name, CALENDAR), _calendar_name, table.get(CALENDAR, usual))
    sessions = findings.checked(at, _sessions, table.get(SESSIONS, []))
    holidays = findings.checked(sources.file.place(FEEDS, name, HOLIDAYS), _holidays, table.get(HOLIDAYS, []))
    if not (names and sessions and holidays):
        return ()
    return findings.checked(at, _calendar_of, names[0], sessions[0], holidays[0])


def _calendar_name(value: object) -> str:
    known = ", ".join(CALENDARS)
    name = text_of(value, str, f"text in quotes: {known}")
    if name not in CALENDARS:
        problem = f"{shown(name)} is not a calendar: {advice(name, CALENDARS)}"
        raise InvalidConfiguration(problem, code="unknown-word", value=shown(name), limit=known)
    return name


def _sessions(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        problem = 'this must list sessions, such as ["Mon-Fri 09:30-16:00 America/New_York"]'
        raise InvalidConfiguration(problem, code="not-a-list")
    for number, each in enumerate(value, start=1):
        if fault := _fault_of(each):
            problem = f"session {number} of the list is not valid: use {fault.limit}"
            raise InvalidConfiguration(problem, code=fault.code, limit=fault.limit)
    if (places := overlapping([OpeningHours.of(each) for each in value])) is not None:
        one, other = (place + 1 for place in places)
        problem = f"sessions {one} and {other} of the list overlap: shorten one of them, or join them"
        raise InvalidConfiguration(problem, code="overlap", limit="sessions that do not overlap")
    return value


def _holidays(value: object) -> list[date]:
    if isinstance(value, list) and all(type(each) is date for each in value):
        return value
    problem = "this must list dates without quotes, such as [2026-11-26, 2026-12-25]"
    raise InvalidConfiguration(problem, code="not-a-list", limit="dates")


def _fault_of(session: str) -> Fault | None:
    """The fault of a session. Its text may quote a misplaced secret, so it is not used."""
    try:
        OpeningHours.of(session)
    except InvalidValue as error:
        return error.errors[0]
    return None


def _calendar_of(name: str, sessions: list[str], holidays: list[date]) -> Calendar:
    try:
        return calendar_of(name, sessions, holidays)
    except InvalidValue as error:
        raise InvalidConfiguration.of_all(error.errors) from None


def _arguments(sources: Sources, name: str, table: Table, kind: str) -> Iterator[tuple[str, object]]:
    if kind not in _KEYS:
        yield from ((key, value) for key, value in table.items() if key not in FEED_KEYS)
    for key in _KEYS.get(kind, ()):
        place = sources.file.place(FEEDS, name, key)
        if key == "token_file":
            yield from (("token", token) for token in _token(sources, name))
        elif key in table:
            found = sources.findings.checked(place, _parsed, key, table[key], sources.file.path.parent)
            yield from ((key, value) for value in found)
        elif key not in _OPTIONAL:
            sources.findings.add(f"{place}: no {key} is set: add it", "missing", place.field)


def _parsed(key: str, value: object, base: Path) -> str | Path:
    text = text_of(value, str, "text in quotes")
    if key == "url" and not text.startswith(("http://", "https://")):
        raise InvalidConfiguration("this is not a URL: use one that begins with https://", code="not-a-url")
    if key == "url" and not _is_public(text):  # before anything shows it
        problem = "a URL must not contain a user, a password or a query: use one such as https://host"
        raise InvalidConfiguration(problem, code="invalid-url")
    if key == "exchange":
        from signalpost.trading.feeds.exchange import check_exchange  # loaded only for such a feed

        check_exchange(text)
    if key != "path":
        return text
    folder = (base / parsers.FOLDER.parse(text)).absolute()
    if not folder.is_dir():
        problem = f"{shown_path(str(folder))} is not a folder: create it, or correct the path"
        raise InvalidConfiguration(problem, code="no-such-folder")
    return folder


def _is_public(url: str) -> bool:
    """True if a URL has no part that may be a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return "@" not in parts.netloc and not (parts.query or parts.fragment)


def _token(sources: Sources, name: str) -> tuple[Secret, ...]:
    """The token of OANDA, from the first source that has it."""
    findings, faults_before = sources.findings, len(sources.findings.faults)
    given = find_secret(sources, OANDA_VARIABLE, FEEDS, name, "token_file")
    if given is not None:
        return read_given(sources, given, "token")
    if len(findings.faults) == faults_before:
        problem = f"no token is set: save it in a file, and set token_file to its path, or set {OANDA_VARIABLE}"
        place = sources.file.place(FEEDS, name, "token_file")
        findings.add(f"{place}: {problem}", "missing", place.field)
    return ()
