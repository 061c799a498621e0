"""The configuration of a service, made by a program or read from the sources of settings."""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from signalpost.config.cards import find_copies, find_look, slower_tiers
from signalpost.config.destinations import (
    DestinationConfig,
    Destinations,
    fallback_faults,
    find_destinations,
    find_tiers,
    own_names,
    unknown_fallbacks,
)
from signalpost.config.feeds import Candles, FeedConfig, find_feeds, find_follow
from signalpost.config.parsers import WORDS_FOR_ON, HttpAddress, advice, shown_name
from signalpost.config.settings import (
    ALL_SETTINGS,
    AT_MOST_ONCE,
    DRY_RUN,
    FILTER_SETTINGS,
    FOLLOW_FEED,
    FOLLOW_TIMEFRAME,
    HOME,
    HTTP,
    LIMITS,
    ONLY_DESTINATION,
    ONLY_WEBHOOK,
    OPEN_FOR,
    RESERVE,
    RETENTION,
    SIGNAL_SETTINGS,
    VALID_FOR,
    WATCHDOG_SETTINGS,
    WORKERS,
    has_our_prefix,
    known_variables,
)
from signalpost.config.sources import DEFAULT, NO_FILE, Sources
from signalpost.config.strategies import StrategyConfig, find_strategies
from signalpost.delivery.deduplication import NO_FILTERS, Filters
from signalpost.delivery.outbox.heartbeat import USUAL, Heartbeat
from signalpost.delivery.pacing.limits import HOST_RATE, Rate
from signalpost.delivery.routing import Routing, Tier, in_order, ranks_of
from signalpost.domain.destinations import SIGNALS_BY_TIER, USUAL_DESTINATIONS
from signalpost.domain.notification import KINDS
from signalpost.domain.tier import TierCopy, UserTier
from signalpost.errors import Fault, InvalidConfiguration
from signalpost.proxies import proxy_for
from signalpost.secret import Secret
from signalpost.sinks.discord.address import API_HOST
from signalpost.sinks.discord.cards.look import Look
from signalpost.trading.watchdogs import USUAL_LIMITS, WatchdogLimits

SET_A_WEBHOOK = f"set {ONLY_WEBHOOK}, or {', '.join(usual.variable for usual in USUAL_DESTINATIONS)}"
NO_WEBHOOK_SET = f"no webhook is set, so every notification will be refused: {SET_A_WEBHOOK}"
DOT_ENV_FILE = Path(".env")
DRY_RUN_FOLDER = "dry-run"
"""The data folder of dry runs, in the usual one: the sandbox must not receive messages that are queued for Discord."""

_LOOPBACK = re.compile(r"localhost|::1|127(\.\d{1,3}){3}", re.ASCII)


class Reading(NamedTuple):
    """The settings from all sources, and the source of each."""

    fields: Mapping[str, Any]
    """Those of a `Config`."""
    shown: Mapping[str, bool | int | float | str]
    """The value of each setting by its name, as a settings file has it."""
    origin_by_key: Mapping[str, str]
    """The source of each setting, destination and tier: flag, environment, .env, file or default."""
    file: Path | None
    """The settings file, if one was named."""
    faults: tuple[Fault, ...]
    """Everything that is wrong in any source; never shows a webhook."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of a service."""

    home: Path
    """The data folder. Text becomes a path. A relative one starts at the current folder, and is absolute from then on.

    Raises InvalidConfiguration if it is neither.
    """
    destinations: tuple[DestinationConfig, ...] = ()
    """Where messages go. Raises InvalidConfiguration for a webhook with an invalid URL."""
    tiers: Mapping[UserTier, Tier] = {}
    """Tiers other than FREE, PREMIUM and ADMIN, and the destinations of their signals."""
    open_for: timedelta = OPEN_FOR.default
    """How long a signal stays live without a change."""
    valid_for: timedelta = VALID_FOR.default
    """How long a signal without a timeframe is valid."""
    filters: Filters = NO_FILTERS
    """Which new signals are posted."""
    copies: Mapping[UserTier, TierCopy] = {}
    """The tiers that get their signals later, or less of them."""
    feeds: tuple[FeedConfig, ...] = ()
    """Where strategies get their candles."""
    strategies: tuple[StrategyConfig, ...] = ()
    """The strategies that the owner of the data folder runs."""
    redis_url: Secret | None = None
    """The server that caches their states; None for no cache."""
    follow: Candles | None = None
    """The candles that follow all live signals; None to follow only those of strategies, each by its own candles.

    Raises InvalidConfiguration if `feeds` does not have its feed."""
    watchdogs: WatchdogLimits = USUAL_LIMITS
    """When operators are alerted to silent feeds, late candles and a stale cache."""
    workers: int = WORKERS.default
    """Senders per destination: with n, n - 1 send everything in order and one URGENT and HIGH; a single one sends all
    in order."""
    host_rate: Rate | None = HOST_RATE
    """The limit of all destinations of one host together; None for no limit."""
    at_most_once: frozenset[str] = AT_MOST_ONCE.default
    """The kinds of notification (`signalpost.domain.notification.KINDS`) that are not sent again once they may have
    been shown: a gap is better than a repeat."""
    retention: timedelta = RETENTION.default
    """How long ended notifications are kept."""
    http: HttpAddress | None = HTTP.default
    """The address that `serve` listens on; None for no HTTP."""
    has_own_sender: bool = False
    """Whether the program has its own sender for what no destination can show. Those deliveries then end as dead."""
    dry_run: bool = DRY_RUN.default
    """Whether everything goes to the sandbox on this machine. Raises InvalidConfiguration with a Discord webhook."""
    look: Look = Look()
    """How messages look."""
    notes: tuple[str, ...] = ()
    """Warnings from reading the settings."""
    heartbeat: Heartbeat = USUAL
    """How often the owner shows that it is alive, and when another process takes over from a frozen one."""
    ignored: str | None = None
    """A warning if the webhook for everything is set but has no effect; else None."""
    run: str | None = None
    """The id of the replay that this service delivers; None if this is not a replay."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "home", _absolute(self.home))
        for each in self.destinations:
            each.check()
        if unknown := self.at_most_once.difference(KINDS):
            raise InvalidConfiguration(
                f"at_most_once contains {', '.join(sorted(unknown))}: use only {', '.join(KINDS)}",
                code="unknown-word",
                field="at_most_once",
                value=", ".join(sorted(unknown)),
                limit=", ".join(KINDS),
            )
        if self.follow is not None and self.follow.feed not in (known := [each.name for each in self.feeds]):
            text = f"follow has the feed {self.follow.feed}, which is not in feeds"
            raise InvalidConfiguration(
                text, code="unknown-word", field="follow", value=self.follow.feed, limit=", ".join(known)
            )
        has_fallbacks = any(each.fallbacks for each in self.destinations)
        if has_fallbacks and (faults := tuple(fallback_faults(self.destinations, self.routing()))):
            raise InvalidConfiguration.of_all(faults)
        if self.dry_run and (real := [each.name for each in self.destinations if each.webhook_id is not None]):
            text = (
                f"a dry run cannot send to Discord, and {', '.join(real)} would: use a webhook of the sandbox, or "
                "turn the dry run off"
            )
            raise InvalidConfiguration(text, code="conflict", field="dry_run")

    @property
    def everything_to(self) -> str | None:
        """The one destination of everything, if only `DISCORD_WEBHOOK_URL` is set."""
        return ONLY_DESTINATION if [each.name for each in self.destinations] == [ONLY_DESTINATION] else None

    @property
    def looks(self) -> Mapping[str, Look]:
        """How messages look in each destination that has a ticket layout of its own."""
        replace = msgspec.structs.replace
        return {each.name: replace(self.look, ticket=each.ticket) for each in self.destinations if each.ticket}

    def look_of(self, destination: str) -> Look:
        """How messages look in a destination."""
        return self.looks.get(destination, self.look)

    def routing(self) -> Routing:
        """Which notification goes where."""
        names = [each.name for each in self.destinations]
        return Routing(
            names,
            tiers=self.tiers,
            everything_to=self.everything_to,
            ignored=self.ignored,
            copies=self.copies,
            fallbacks={each.name: each.fallbacks for each in self.destinations if each.fallbacks},
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings at startup, the most serious first."""
        return (*_warnings(self, os.environ), *self.notes)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, flags: Mapping[str, str] | None = None
    ) -> "Config":
        """The configuration from flags, the environment, `.env`, a settings file and the defaults, in this order.

        Without `environment`, the process's own is read, and `.env` in the current folder. Name each of the `flags` by
        its variable. Raises InvalidConfiguration with everything that is wrong, and never shows a webhook.
        """
        return cls.of(read_sources(environment, flags=flags))

    @classmethod
    def of(cls, reading: Reading) -> "Config":
        """The configuration that was read."""
        return cls(**reading.fields)


def checked(config: object) -> Config | None:
    """A configuration that a program passed; None if it passed none. Raises InvalidConfiguration for anything else."""
    if isinstance(config, Config | None):
        return config
    kind = type(config).__name__
    text = f"the configuration is a {kind}: use a Config, or omit it"
    raise InvalidConfiguration(text, code="wrong-kind", field="config", value=kind, limit="Config")


def read_sources(environment: Mapping[str, str] | None = None, *, flags: Mapping[str, str] | None = None) -> Reading:
    """Read the settings as `Config.from_environment` does, with the source of each. Raises InvalidConfiguration."""
    if environment is None:
        reading = _read(os.environ, flags or {}, DOT_ENV_FILE)
    else:
        reading = _read(environment, flags or {}, None)
    # Raised here and not in `_read`: a traceback keeps the variables of its frames, and those of `_read` have secrets.
    if reading.faults:
        raise InvalidConfiguration.of_all(reading.faults)
    return reading


def _read(environment: Mapping[str, str], flags: Mapping[str, str], dot_env: Path | None) -> Reading:
    sources = Sources(flags, environment, dot_env)
    values = {each.name: sources.value(each) for each in ALL_SETTINGS}
    if sources.origin_by_key[HOME.key] == DEFAULT:
        values[HOME.key] = _usual_home(environment)
    if values[DRY_RUN.key]:
        values[HOME.key] /= DRY_RUN_FOLDER
    return Reading(
        _fields(sources, values),
        {each.name: each.parser.show(values[each.name]) for each in ALL_SETTINGS},
        sources.origin_by_key,
        None if sources.file is NO_FILE else sources.file.path,
        tuple(dict.fromkeys(sources.findings.faults)),
    )


def _fields(sources: Sources, values: Mapping[str, Any]) -> dict[str, Any]:
    destinations = find_destinations(
        sources, assume_limits=values[LIMITS.key], reserve=values[RESERVE.key], dry_run=values[DRY_RUN.key]
    )
    names = [each.name for each in destinations.configs]
    tiers = _tiers(sources, destinations)
    ranks, copies = ranks_of(tiers), find_copies(sources)
    return {
        **{key: value for key, value in values.items() if key in Config.__struct_fields__},
        "destinations": destinations.configs,
        "tiers": tiers,
        "copies": copies,
        "feeds": find_feeds(sources),
        "strategies": find_strategies(sources, ranks),
        "follow": find_follow(sources, values[FOLLOW_FEED.name], values[FOLLOW_TIMEFRAME.name]),
        **{each.key: values[each.name] for each in SIGNAL_SETTINGS},
        "filters": Filters(**{each.key: values[each.name] for each in FILTER_SETTINGS}),
        "watchdogs": WatchdogLimits(**{each.key: values[each.name] for each in WATCHDOG_SETTINGS}),
        "look": find_look(sources, values, tiers, copies, names),
        "host_rate": HOST_RATE if values[LIMITS.key] else None,
        "notes": (
            *sources.findings.notes,
            *_unused(sources, tiers, destinations),
            *slower_tiers(copies, ranks),
            *_unknown(sources),
        ),
        "ignored": destinations.ignored,
    }


def _tiers(sources: Sources, destinations: Destinations) -> Mapping[UserTier, Tier]:
    """The tiers of the file. Checks the fallbacks too, because no lower tier may read them."""
    faults_before = len(sources.findings.faults)
    tiers = find_tiers(sources, [each.name for each in destinations.configs])
    are_valid = len(sources.findings.faults) == faults_before
    for fault in _of_fallbacks(destinations, tiers if are_valid else None):
        place = sources.file.place(*(fault.field or "").split("."))
        sources.findings.faults.append(fault._replace(text=f"{place}: {fault.text}"))
    return tiers


def _of_fallbacks(destinations: Destinations, tiers: Mapping[UserTier, Tier] | None) -> Iterator[Fault]:
    """The faults of the fallbacks, whatever else is wrong. If `tiers` is None, it is not known who reads them."""
    yield from unknown_fallbacks(destinations)
    if fallbacks := {each.name: each.fallbacks for each in destinations.configs if each.fallbacks}:
        routing = Routing(tuple(fallbacks), tiers=tiers, fallbacks=fallbacks)
        found = fallback_faults(destinations.configs, routing, destinations.unusable)
        yield from (fault for fault in found if tiers is not None or fault.code != "tier-too-low")


def _usual_home(environment: Mapping[str, str]) -> Path:
    base = Path(environment.get("XDG_DATA_HOME", ""))
    # Its specification says to ignore a relative path.
    return base / HOME.default.name if base.is_absolute() else HOME.default.expanduser()


def _unused(sources: Sources, tiers: Mapping[UserTier, Tier], destinations: Destinations) -> Iterator[str]:
    lists = (*(tier.signals_to for tier in tiers.values()), *(each.fallbacks for each in destinations.configs))
    used = {name for names in lists for name in names}
    for name in own_names(sources):
        if name not in used:
            yield f"nothing is sent to {name}: add it to the signals_to of a tier, or to the fallbacks of a destination"


def _unknown(sources: Sources) -> Iterator[str]:
    """A warning for each variable that looks like ours but is not read: it is probably mistyped."""
    known = known_variables(own_names(sources))
    for source in sources.variables:
        for name, text in source.texts.items():
            if has_our_prefix(name) and name not in known and text.strip():
                place = source.place(name) if shown_name(name) == name else shown_name(name)
                yield f"{place} is unknown and has no effect: {advice(name.upper(), known)}"


def _absolute(home: object) -> Path:
    if not isinstance(home, str | Path):
        raise InvalidConfiguration.of("home", home, "use a path", code="not-a-path")
    try:
        return Path(home).absolute()
    except OSError as fault:
        problem = f"home is {home}, but the current folder no longer exists: use the full path"
        raise InvalidConfiguration(problem, code="not-readable", field="home") from fault


def _warnings(config: Config, environment: Mapping[str, str]) -> Iterator[str]:
    goes_to_discord = any(each.webhook_id is not None for each in config.destinations)
    if goes_to_discord and environment.get(DRY_RUN.variable, "").strip().lower() in WORDS_FOR_ON:
        yield f"{DRY_RUN.variable} is on, but does not apply to a Config made by a program: messages go to Discord"
    if config.dry_run:
        sandbox = "everything goes to the sandbox (signalpost sandbox)"
        yield f"DRY RUN: nothing goes to Discord, {sandbox}; the data folder is {config.home}"
    yield from _warnings_about_webhooks(config)
    yield from _warnings_about_recaps(config)
    if goes_to_discord:
        yield from _warnings_about_proxy(environment)
    if config.http is not None and not _LOOPBACK.fullmatch(config.http.host.lower()):
        problem = "other machines can connect, and tokens can be read on the way unless a TLS proxy is in front"
        yield f"{HTTP.variable} is {config.http.host}: {problem}"


def _warnings_about_webhooks(config: Config) -> Iterator[str]:
    names = [each.name for each in config.destinations]
    if not names:
        yield NO_WEBHOOK_SET
    elif config.everything_to is not None:
        yield f"only {ONLY_WEBHOOK} is set: all tiers and all alerts go to that one channel"
    elif missing := [usual.name for usual in USUAL_DESTINATIONS if usual.name not in names]:
        yield f"no webhook for {', '.join(missing)}: messages for them are refused"
    names_by_webhook: dict[str, list[str]] = {}
    for each in config.destinations:
        names_by_webhook.setdefault(each.address.identity, []).append(each.name)
    for *others, last in names_by_webhook.values():
        if others:
            yield f"{', '.join(others)} and {last} have the same webhook: they share its readers and its limits"


def _warnings_about_recaps(config: Config) -> Iterator[str]:
    fallbacks = {each.name: each.fallbacks for each in config.destinations}
    origins = {*SIGNALS_BY_TIER.values(), *(name for tier in config.tiers.values() for name in tier.signals_to)}
    shows_signals = origins.union({config.everything_to}, *(in_order(name, fallbacks) for name in origins))
    for each in config.destinations:
        if each.recaps and each.name not in shows_signals:
            yield f"{each.name} shows no signals, so its recaps are never sent: move them to a destination that does"


def _warnings_about_proxy(environment: Mapping[str, str]) -> Iterator[str]:
    proxy = proxy_for(API_HOST)
    if proxy is None:
        return
    lower, upper = proxy.variable.lower(), proxy.variable
    variable = lower if environment.get(lower) else upper  # lower case wins, as in curl
    differs = variable == lower and environment.get(upper, "") not in ("", environment[lower])
    unused = f"; {upper} has another value and is not used" if differs else ""
    if proxy.problem is None:
        yield f"messages to Discord go through the proxy {proxy.place} ({variable}{unused})"
    else:
        yield f"{variable} is ignored, and messages go to Discord directly: {proxy.problem}{unused}"
