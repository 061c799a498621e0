"""The example of a settings file, made from the table of settings."""

from textwrap import fill
from typing import Any

from signalpost.config.setting import Setting
from signalpost.config.settings import (
    COLOUR_SETTINGS,
    COMPANION_SETTINGS,
    DELAY,
    DESTINATIONS,
    FALL_BACK_AFTER,
    FALLBACKS,
    FILE_SUFFIX,
    FILTER_SETTINGS,
    FOLLOW,
    FOLLOW_FEED,
    FOLLOW_TIMEFRAME,
    IF_ENDED,
    MESSAGE_SETTINGS,
    OANDA_VARIABLE,
    OPEN_FOR,
    RATE,
    RECAP_HOUR,
    RECAP_TIMEZONE,
    RECAPS,
    ROLE_KEYS,
    SETTINGS,
    SIGNALS,
    TICKET,
    USUAL_ROLE,
    VALID_FOR,
    WATCHDOG_SETTINGS,
)
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.domain.recap import Recurrence
from signalpost.sinks.discord.cards.look import Event, TicketLayout
from signalpost.trading.feeds import FEEDS
from signalpost.trading.strategies import STRATEGIES, USUAL_STRATEGY


def example() -> str:
    """A settings file with every setting, its default and its description."""
    usual = {each.name: each.messages_a_minute for each in USUAL_DESTINATIONS}
    tables = [
        "\n".join([f"[{DESTINATIONS}.{name}]", f"{RATE.key} = {rate}", *_WEBHOOKS.get(name, ())])
        for name, rate in usual.items()
    ]
    messages = [_CARDS + _example_of(MESSAGE_SETTINGS[0]), *map(_example_of, MESSAGE_SETTINGS[1:])]
    colours, companions = (
        "\n".join((start, *map(_line_of, settings)))
        for start, settings in ((_COLOURS, COLOUR_SETTINGS), (_COMPANIONS, COMPANION_SETTINGS))
    )
    signals = "\n\n".join((f"[{SIGNALS}]\n{_example_of(OPEN_FOR)}", _example_of(VALID_FOR)))
    filters = [_FILTERS + _example_of(FILTER_SETTINGS[0]), *map(_example_of, FILTER_SETTINGS[1:])]
    blocks = [_START, *map(_example_of, SETTINGS), signals, *filters, *messages, colours, companions, _ROLES]
    watchdogs = [_WATCHDOGS + _example_of(WATCHDOG_SETTINGS[0]), *map(_example_of, WATCHDOG_SETTINGS[1:])]
    return "\n\n".join((*blocks, _DESTINATIONS + tables[0], *tables[1:], _END, *watchdogs, _FEEDS))


def _example_of(setting: Setting[Any]) -> str:
    variable = f" ({setting.variable})" if setting.variable else ""
    return f"{_comment(f'{setting.description}{variable}')}\n{_line_of(setting)}"


def _line_of(setting: Setting[Any]) -> str:
    shown = setting.parser.show(setting.default)
    if shown == "":
        return f'#{setting.key} = "{_TEXTS[setting.key]}"'
    text = f'"{shown}"' if isinstance(shown, str) else str(shown).lower()
    return f"{setting.key} = {text}"


def _comment(text: str) -> str:
    return fill(text, 119, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


_START = """\
# Every setting of signalpost with its default.
#
#   signalpost check --example > signalpost.toml     write this file
#   chmod 600 signalpost.toml                        a webhook is a password
#   signalpost check --config signalpost.toml        check your changes
#   export SIGNALPOST_CONFIG=$PWD/signalpost.toml    for `signalpost serve` and your own programs
#
# A command's flag overrides the environment, the environment overrides a .env file, and that overrides this file.
# Delete what you do not change. Lines that begin with # and no space are examples without a default."""
_WEBHOOKS = {
    "signals-free": ('#webhook = "https://discord.com/api/webhooks/ID/TOKEN"',),
    "signals-premium": (
        '#webhook_file = "/run/secrets/signals-premium"',
        f'#{RECAPS} = ["{Recurrence.DAILY}", "{Recurrence.WEEKLY}"]',
        f'#{RECAP_TIMEZONE.key} = "{RECAP_TIMEZONE.default}"',
        f"#{RECAP_HOUR.key} = {RECAP_HOUR.default}",
        f'#{FALLBACKS} = ["signals-gold"]',
        f'#{FALL_BACK_AFTER.key} = "{FALL_BACK_AFTER.parser.show(FALL_BACK_AFTER.default)}"',
    ),
}
_TEXTS = {
    "username": "Ann's signals",
    "avatar_url": "https://example.com/picture.png",
    "producer": "Ann Miller, who may trade these pairs",
    "footer": "ann.example",
}
_FILTERS = """\
# Which new signals are posted; by default, all. The others are recorded, and `signalpost signals show` and
# `signalpost deliveries why` show the rule that stopped them.
[filters]
"""
_CARDS = """\
# How messages look. `signalpost preview` shows them.
[cards]
"""
_COLOURS = """\
# The colours of cards. blue is a live BUY, orange a live SELL, green a win, red a loss, grey neither, and violet an
# analysis or announcement.
[cards.colours]"""
_COMPANIONS = """\
# A card is edited when its trade changes, or its alert is resolved, and an edit notifies nobody. So each change also
# posts a short message, a companion: with a notification (on), without one (silent), or not at all (off).
[cards.companions]"""
_ROLES = f"""\
# The id of the role that messages to a tier ping. To copy it in Discord, turn on Developer Mode. Each tier has its own
# table. `{USUAL_ROLE}` is pinged by a new signal, a critical alert, and a change on which readers have to act. Each of
# these can have another role, or none (false): {", ".join(ROLE_KEYS[1:])}.
#[cards.roles.premium]
#{USUAL_ROLE} = "1100000000000000005"
#{Event.STOP} = false"""
_DESTINATIONS = """\
# A destination is a webhook and a rate. Of these seven, only those with a webhook are used. Set each webhook once:
# here, in its own file (webhook_file; a relative path starts at the folder of this file), or in a variable. The
# variables here are DISCORD_WEBHOOK_SIGNALS_FREE, or DISCORD_WEBHOOK_SIGNALS_FREE_FILE for the path of a file.
# If a destination's webhook is gone, or it has been unreachable for fall_back_after, its fallbacks get its messages. No
# lower tier may read a fallback. With recaps, a destination gets the results of the signals that it showed. Days end at
# recap_hour in recap_timezone.
"""
_END = f"""\
# One webhook for everything, signals of all tiers included (DISCORD_WEBHOOK_URL). It is ignored if another destination
# has a webhook.
[destinations.default]
messages_a_minute = {RATE.default}

# Your own destination. Its variable is DISCORD_WEBHOOK_SIGNALS_GOLD.
#[destinations.signals-gold]
#messages_a_minute = {RATE.default}
#webhook_file = "signals-gold.secret"
#{TICKET.key} = "{TicketLayout.LINES}"

# Your own tier. Its rank decides who may read its signals: free is 0, premium 10, admin 20. No destination in
# signals_to may be read by a lower tier.
#[tiers.gold]
#rank = 15
#signals_to = ["signals-gold"]

# A tier's copies: 30 minutes later, without stop and targets until the trade is over, and only of signals with this
# confidence or more. A signal that ends before its release is shown as ended, or dropped. Other ends are shown at once.
#[tiers.free]
#{DELAY.key} = "30m"
#hide = ["stop", "targets"]
#{IF_ENDED.key} = "{IF_ENDED.default}"
#min_confidence = 0.7"""
_WATCHDOGS = """\
# Alerts about feeds that answer late or without new candles, and about the cache of strategies.
[watchdogs]
"""
_FEEDS = f"""\
# A feed: where strategies get their candles. Its kind is {", ".join(FEEDS)}, or the path of your own class,
# such as mypackage.feeds:MyFeed, which gets the other settings of its table. Its calendar says when the market trades:
# fx (Sunday 17:00 to Friday 17:00 in New York), always, or custom, with sessions. You get no alert about missing
# candles on its holidays. `signalpost feeds test NAME` fetches candles once.
#
# OANDA. The default url is that of the practice host; the live one is https://api-fxtrade.oanda.com. The variables for
# the token are {OANDA_VARIABLE}, and {OANDA_VARIABLE}{FILE_SUFFIX} for the path of a file.
#[feeds.practice]
#kind = "oanda"
#url = "https://api-fxpractice.oanda.com"
#token_file = "oanda.token"

# A crypto exchange, by its name in ccxt: pip install 'signalpost[ccxt]'. Its default calendar is always.
#[feeds.coins]
#kind = "ccxt"
#exchange = "kraken"

# A folder of candle files, such as EUR_USD_H4.csv or EUR_USD_H4.csv.gz. A relative path starts at the folder of this
# file.
#[feeds.shares]
#kind = "folder"
#path = "candles"
#calendar = "custom"
#sessions = ["Mon-Fri 09:30-16:00 America/New_York"]
#holidays = [2026-11-26, 2026-12-25]

# A strategy that the service runs on a feed's candles. Its kind is {", ".join(STRATEGIES)}, or the path of your own
# class, which gets the other settings of its table. Its signals are for `tiers`, and followed to their end unless
# `follow` is false. `signalpost strategies status` shows its last candle. Redis at REDIS_URL caches its state.
#[[strategy]]
#pair = "EUR_USD"
#timeframe = "H4"
#fast = 40
#slow = 140
#min_atr = 0.0002
#min_rr = 1.5
#feed = "practice"
#tiers = ["free", "premium"]
#follow = true
#kind = "{USUAL_STRATEGY}"

# The feed whose candles follow all live signals to their end. Without it, only the signals of strategies are followed,
# each on the candles of its strategy. Shorter candles are less ambiguous. A folder needs files of this timeframe.
#[{FOLLOW}]
#{FOLLOW_FEED.key} = "practice"
#{FOLLOW_TIMEFRAME.key} = "{FOLLOW_TIMEFRAME.default}"
"""
