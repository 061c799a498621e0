"""The table of settings: the names, variables, defaults, parsers and descriptions of all settings.

The code that reads settings, `signalpost check`, the example file (`config.example`), the errors and the page of names
all use it or are checked against it.
"""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from signalpost.config import parsers
from signalpost.config.parsers import HttpAddress, Parser
from signalpost.config.setting import Setting
from signalpost.delivery.deduplication import MOST_DIGITS, NO_FILTERS
from signalpost.domain import exact
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.domain.instrument import Instrument
from signalpost.domain.recap import RecapDays
from signalpost.domain.tier import AT_ONCE, IfEnded
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.validity import OPEN_FOR as OPEN_FOR_USUALLY
from signalpost.domain.validity import SIGNAL_WITHOUT_TIMEFRAME
from signalpost.secret import Secret
from signalpost.sinks.discord.cards.look import (
    LONGEST_DISCLAIMER,
    LONGEST_USERNAME,
    ChartTheme,
    Colours,
    Event,
    Look,
    Sending,
    TicketLayout,
)
from signalpost.trading.redis_url import WANTED, masked, redis_url
from signalpost.trading.watchdogs import USUAL_LIMITS

HOME = Setting(
    "home",
    "SIGNALPOST_HOME",
    Path("~/.local/share/signalpost"),
    parsers.FOLDER,
    "The data folder, which contains the store `outbox.db`. Each service needs its own, on a local disk. In a settings "
    "file, a relative path starts at the folder of that file. If `XDG_DATA_HOME` is set, the default is `signalpost` "
    "in it.",
)
WORKERS = Setting(
    "workers",
    "SIGNALPOST_WORKERS",
    2,
    parsers.whole_number(1, 16),
    "Senders per destination, 1 to 16. One of them sends only URGENT and HIGH, the others everything. A single sender "
    "sends everything in order. More senders help only if answers are slow: usually the limits determine the speed.",
)
LIMITS = Setting(
    "limits",
    "SIGNALPOST_LIMITS",
    True,
    parsers.SWITCH,
    "Whether to assume Discord's limits before its answers report them: some are never reported, others too late. Turn "
    "this off only for your own server. That also turns off the rates of the destinations. Limits in answers "
    "always apply.",
)
RESERVE = Setting(
    "reserve",
    "SIGNALPOST_RESERVE",
    True,
    parsers.SWITCH,
    "Whether to reserve some slots of each limit for URGENT and HIGH. Without them, an urgent message waits for the "
    "next free slot during a flood of ordinary ones.",
)
AT_MOST_ONCE: Setting[frozenset[str]] = Setting(
    "at_most_once",
    "SIGNALPOST_AT_MOST_ONCE",
    frozenset(),
    parsers.KINDS_OR_NONE,
    "Kinds that are not sent again once they may have been shown: some of `signal`, `alert`, `market_analysis`, "
    "`system_status` and `announcement`, separated by commas, or `none`. All others are sent at least once: if Discord "
    "does not answer, a second message may repeat the first, and is marked as a possible repeat.",
)
RETENTION = Setting(
    "retention",
    "SIGNALPOST_RETENTION",
    timedelta(days=30),
    parsers.RETENTION,
    "How long ended notifications are kept, such as `12h`, `30d` or `8w`: long enough to look up a signal of last "
    "month, short enough to keep the store small.",
)
HTTP: Setting[HttpAddress | None] = Setting(
    "http",
    "SIGNALPOST_HTTP",
    HttpAddress("127.0.0.1", 8750),
    parsers.ADDRESS,
    "The address that `signalpost serve` listens on: HOST:PORT (port 0: any free one), or `off`. By default, only this "
    "machine can connect, because connections are not encrypted.",
)
DRY_RUN = Setting(
    "dry_run",
    "SIGNALPOST_DRY_RUN",
    False,
    parsers.SWITCH,
    "Whether to send everything to the sandbox on this machine and nothing to Discord. No webhook is read. The data "
    "folder is `dry-run` in the usual one, so messages queued for Discord are not sent to it.",
)

SETTINGS: tuple[Setting[Any], ...] = (HOME, WORKERS, LIMITS, RESERVE, AT_MOST_ONCE, RETENTION, HTTP, DRY_RUN)

SIGNALS = "signals"
OPEN_FOR = Setting(
    "open_for",
    "SIGNALPOST_OPEN_FOR",
    OPEN_FOR_USUALLY,
    parsers.RETENTION,
    "How long a signal stays live without a change, such as `90d`. Then a waiting order expires, and an open trade "
    "ends without a result, marked as not followed.",
    SIGNALS,
)
VALID_FOR = Setting(
    "valid_for",
    "SIGNALPOST_VALID_FOR",
    SIGNAL_WITHOUT_TIMEFRAME,
    parsers.VALIDITY,
    "How long a signal without a timeframe may still be posted and entered, such as `30m`, after it was known. Time "
    "in which its market is closed does not count. A signal can have a `valid_until` of its own.",
    SIGNALS,
)
SIGNAL_SETTINGS: tuple[Setting[Any], ...] = (OPEN_FOR, VALID_FOR)

FOLLOW = "follow"
FOLLOW_FEED: Setting[str | None] = Setting("feed", "", None, parsers.NAME_OF_FEED, table=FOLLOW)
FOLLOW_TIMEFRAME = Setting("timeframe", "", Timeframe("M1"), parsers.TIMEFRAME, table=FOLLOW)
FOLLOW_SETTINGS: tuple[Setting[Any], ...] = (FOLLOW_FEED, FOLLOW_TIMEFRAME)


def _field_of(
    usual: object, table: str, key: str, variable: str, parser: Parser[Any], description: str = ""
) -> Setting[Any]:
    """The setting of a table whose default is the field of `usual` with the same name."""
    return Setting(key, variable, getattr(usual, key), parser, description, table)


WATCHDOGS = "watchdogs"
_SILENT = (
    "You get an alert if a feed answers, but this many candles in a row are missing although its market is open. They "
    "must cover at least 10 minutes."
)
_LATE = "You get an alert if a candle arrives later than this after its close, such as `30s` or `5m`."
_STALE = (
    "You get an alert if the cache in `REDIS_URL` does not save the state of a strategy at this many closes in a row."
)
_OFTEN = parsers.whole_number(0, 1000, "; 0 turns this off")
WATCHDOG_SETTINGS: tuple[Setting[Any], ...] = tuple(
    _field_of(USUAL_LIMITS, WATCHDOGS, key, "", parser, f"{text} 0 turns this off.")
    for key, parser, text in (
        ("silent_candles", _OFTEN, _SILENT),
        ("late_after", parsers.DELAY, _LATE),
        ("stale_cache_rounds", _OFTEN, _STALE),
    )
)

REDIS_URL: Setting[Secret | None] = Setting(
    "redis_url",
    "REDIS_URL",
    None,
    Parser(redis_url, masked, WANTED),
    "The Redis or Valkey server that caches the states of strategies, such as `redis://:PASSWORD@127.0.0.1:6379/0`. "
    "Needs the extra `redis`. It cannot be set in a settings file, because it may contain a password.",
)

FILTERS = "filters"
_NO_LIMIT = "0 is no limit."


_filter = partial(_field_of, NO_FILTERS, FILTERS)
_COUNT = parsers.whole_number(0, 10**MOST_DIGITS - 1, "; 0 is no limit")
FILTER_SETTINGS: tuple[Setting[Any], ...] = (
    _filter(
        "notifications_enabled",
        "DISCORD_NOTIFICATIONS_ENABLED",
        parsers.SWITCH,
        "Whether new signals are posted. Changes of posted signals, alerts and all other notifications always are.",
    ),
    _filter(
        "pairs",
        "DISCORD_ENABLED_PAIRS",
        parsers.some_or_all(Instrument, "EUR/USD, XAU/USD"),
        "The pairs whose signals are posted, separated by commas, such as `EUR/USD, XAU/USD`, or `all`.",
    ),
    _filter(
        "timeframes",
        "DISCORD_ENABLED_TIMEFRAMES",
        parsers.some_or_all(Timeframe, "H1, H4, D"),
        "The timeframes whose signals are posted, separated by commas, such as `H1, H4, D`, or `all`. A signal without "
        "a timeframe is posted only if this is `all`.",
    ),
    _filter(
        "min_confidence",
        "DISCORD_MIN_CONFIDENCE",
        parsers.decimal(exact.share, "a number from 0 to 1, such as 0.7; 0 is no limit", "0 to 1"),
        "The minimum confidence of a signal, from 0 to 1. With a minimum, a signal without a confidence is not posted. "
        f"{_NO_LIMIT}",
    ),
    _filter(
        "min_rr",
        "DISCORD_MIN_RR_RATIO",
        parsers.decimal(exact.non_negative, "a number such as 1.5; 0 is no limit", "0 or more"),
        "The minimum ratio of a signal's reward to its risk. With a minimum, a signal without a stop or target is not "
        f"posted. {_NO_LIMIT}",
    ),
    _filter(
        "one_per_candle",
        "",
        parsers.SWITCH,
        "Whether only the first signal of a strategy, pair, timeframe, side and candle is posted, even if the others "
        "have other ids.",
    ),
    _filter(
        "pair_cooldown_minutes",
        "DISCORD_PAIR_COOLDOWN_MINUTES",
        _COUNT,
        "The minutes after a pair's last posted signal in which no other signal of the same side is posted. Signals of "
        f"the other side are not affected. {_NO_LIMIT}",
    ),
    _filter(
        "max_per_minute",
        "DISCORD_MAX_SIGNALS_PER_MINUTE",
        _COUNT,
        "The maximum number of new signals that are posted within a minute. Others are recorded, and are not posted "
        f"later. {_NO_LIMIT}",
    ),
    _filter("max_per_hour", "DISCORD_MAX_SIGNALS_PER_HOUR", _COUNT, f"The same within an hour. {_NO_LIMIT}"),
    _filter("max_per_day", "DISCORD_MAX_SIGNALS_PER_DAY", _COUNT, f"The same within 24 hours. {_NO_LIMIT}"),
    _filter(
        "price_notes",
        "SIGNALPOST_PRICE_NOTES",
        parsers.PRICE_STEP,
        "The distance between the levels at which the card of a followed signal gets a price note: a multiple of its "
        "risk such as `0.5R`, `20 pips`, `1%` of the entry, or `off`. Notes notify nobody. The cooldown and the maxima "
        "also limit notes, but notes never count against signals.",
    ),
)

CARDS = "cards"
COLOURS, COMPANIONS, ROLES = f"{CARDS}.colours", f"{CARDS}.companions", f"{CARDS}.roles"
_LOOK = Look()


_card = partial(_field_of, _LOOK, CARDS)


def _of_look(field: str, variable: str, wanted: str, description: str) -> Setting[Any]:
    return _card(field, variable, parsers.of_look(field, wanted), description)


TICKET: Setting[TicketLayout] = _card(
    "ticket",
    "",
    parsers.one_of(TicketLayout),
    "The layout of a new signal's prices in the text that people copy. `short` puts as many prices on a line as fit. "
    "`lines` puts each price on its own line, for programs that read only the first price of a line. A destination can "
    "have its own `ticket`.",
)
_CHART_TEXT = (
    "The colours of the chart on the card of a new signal: `dark`, `light`, or `off` for none. It is added after the "
    "text, if `signalpost[chart]` is installed and a feed has the candles."
)
_WITHIN_TEXT = "How long after a new card its chart may still be added, such as `60s`."
MESSAGE_SETTINGS: tuple[Setting[Any], ...] = (
    _of_look(
        "username",
        "SIGNALPOST_USERNAME",
        f"1 to {LONGEST_USERNAME} characters, without clyde and discord",
        "The name that Discord shows as the author of each message, at most 80 characters. Without it, Discord shows "
        "the name of the webhook.",
    ),
    _of_look(
        "avatar_url",
        "",
        "the address of a picture, which begins with https://",
        "The address of the picture next to each message. Without it, Discord shows the picture of the webhook.",
    ),
    _of_look(
        "producer",
        "SIGNALPOST_PRODUCER",
        "a name and its conflicts of interest",
        "Who makes the signals, and their conflicts of interest, such as `Ann Miller, who may trade these pairs`. "
        "Shown on each signal and analysis. Many countries require it, so `signalpost check` warns if it is not set.",
    ),
    _of_look(
        "footer", "", "a few words", "A few words for the end of each footer, shown if they fit into 27 characters."
    ),
    _of_look(
        "disclaimer",
        "SIGNALPOST_DISCLAIMER",
        f"1 to {LONGEST_DISCLAIMER} characters",
        f"A sentence on each analysis, at most {LONGEST_DISCLAIMER} characters. You can change it, but not remove it.",
    ),
    _card("disclaimer_on_signals", "", parsers.SWITCH, "Whether signals show the disclaimer, too."),
    TICKET,
    _card("chart", "", parsers.one_of(ChartTheme), _CHART_TEXT),
    _card("chart_within", "", parsers.CHART_WITHIN, _WITHIN_TEXT),
)
COLOUR_SETTINGS = tuple(
    _field_of(_LOOK.colours, COLOURS, name, "", parsers.COLOUR) for name in Colours.__struct_fields__
)
COMPANION_SETTINGS = tuple(
    Setting(event.value, "", _LOOK.sending(event), parsers.one_of(Sending), table=COMPANIONS)
    for event in Event
    if event not in {Event.NEW, Event.CRITICAL}
)
CARD_SETTINGS: tuple[Setting[Any], ...] = (*MESSAGE_SETTINGS, *COLOUR_SETTINGS, *COMPANION_SETTINGS)
"""The settings of messages: the fields of `Look`, except roles, which belong to tiers."""
ALL_SETTINGS = (
    *(*SETTINGS, REDIS_URL, *SIGNAL_SETTINGS, *FILTER_SETTINGS),
    *(*FOLLOW_SETTINGS, *WATCHDOG_SETTINGS, *CARD_SETTINGS),
)
_TABLES = dict.fromkeys(each.table for each in ALL_SETTINGS if each.table)
TABLE_KEYS = {table: tuple(each.key for each in ALL_SETTINGS if each.table == table) for table in _TABLES}
"""The keys of each table with a fixed name."""
TABLE_KEYS[CARDS] += ("colours", "companions", "roles")
USUAL_ROLE = "usual"
ROLE_KEYS = (
    USUAL_ROLE,
    *(Event.NEW, Event.STOP, Event.PART, Event.CLOSED_BY_HAND, Event.CANCELLED, Event.EXPIRED, Event.CRITICAL),
)
"""The usual role, and the events that can ping: those on which readers have to act."""

RATE = Setting("messages_a_minute", "", 30, parsers.whole_number(1, 10_000))
RANK = Setting("rank", "", 0, parsers.whole_number(0, 1000, "; free is 0, premium 10, admin 20"))
DESTINATIONS, TIERS, STRATEGY = "destinations", "tiers", "strategy"
FALLBACKS, RECAPS = "fallbacks", "recaps"
FALL_BACK_AFTER = Setting("fall_back_after", "", timedelta(minutes=5), parsers.DELAY)
RECAP_TIMEZONE = Setting("recap_timezone", "", RecapDays().zone, parsers.TIME_ZONE)
RECAP_HOUR = Setting("recap_hour", "", RecapDays().hour, parsers.whole_number(0, 23))
DESTINATION_KEYS = (
    *("webhook", "webhook_file", RATE.key, TICKET.key, FALLBACKS, FALL_BACK_AFTER.key),
    *(RECAPS, RECAP_TIMEZONE.key, RECAP_HOUR.key),
)
DELAY = Setting("delay", "", AT_ONCE, parsers.DELAY)
IF_ENDED = Setting("if_ended", "", IfEnded.SHOW, parsers.one_of(IfEnded))
FEEDS = "feeds"
CALENDAR, SESSIONS, HOLIDAYS = "calendar", "sessions", "holidays"
FEED_KEYS = ("kind", CALENDAR, SESSIONS, HOLIDAYS)
"""The settings of every feed; each kind has more."""
TIER_KEYS = (RANK.key, "signals_to", DELAY.key, "hide", IF_ENDED.key, "min_confidence")

STORE_FILE = "outbox.db"
CONFIG_FILE = "SIGNALPOST_CONFIG"
ONLY_WEBHOOK = "DISCORD_WEBHOOK_URL"
ONLY_DESTINATION = "default"
"""The name of the destination if `DISCORD_WEBHOOK_URL` is the only webhook."""
FILE_SUFFIX = "_FILE"
"""The end of the name of a variable with the path of a file that contains the secret."""
OANDA_VARIABLE = "OANDA_TOKEN"
PREFIXES = (
    *("SIGNALPOST_", "OANDA_TOKEN_", "DISCORD_WEBHOOK_", "DISCORD_NOTIFICATIONS_", "DISCORD_ENABLED_", "DISCORD_MIN_"),
    *("DISCORD_MAX_SIGNALS_", "DISCORD_PAIR_COOLDOWN_"),
)

_VARIABLE_BY_NAME = {usual.name: usual.variable for usual in USUAL_DESTINATIONS} | {ONLY_DESTINATION: ONLY_WEBHOOK}


def variable_of(destination: str) -> str:
    """The variable for a destination's webhook. If the destination is not a usual one, it is made from the name."""
    made = f"DISCORD_WEBHOOK_{destination.upper().replace('-', '_')}"
    return _VARIABLE_BY_NAME.get(destination, made)


def has_our_prefix(variable: str) -> bool:
    """Whether a variable is probably intended for signalpost; upper and lower case do not matter."""
    return f"{variable.upper()}_".startswith(PREFIXES) or variable.upper() == REDIS_URL.variable


def known_variables(destinations: tuple[str, ...] = ()) -> list[str]:
    """Every variable that is read, including those of these destinations."""
    secrets = [*_VARIABLE_BY_NAME.values(), *map(variable_of, destinations), OANDA_VARIABLE]
    others = [setting.variable for setting in ALL_SETTINGS if setting.variable]
    return [*dict.fromkeys([*others, CONFIG_FILE, *secrets, *(f"{each}{FILE_SUFFIX}" for each in secrets)])]
