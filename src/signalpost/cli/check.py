"""`signalpost check`: shows the configuration, the source of each setting, errors and warnings."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.table import Table
from rich.text import Text

from signalpost import clock
from signalpost.cli.options import Flags, configured
from signalpost.cli.output import clean, examples, json_option, plain_fault, say, say_as_it_is, say_json
from signalpost.cli.tables import console, table
from signalpost.config import (
    STORE_FILE,
    Config,
    DestinationConfig,
    FeedConfig,
    Reading,
    StrategyConfig,
    make_feeds,
    read_sources,
)
from signalpost.config.example import example as example_file
from signalpost.config.files import DataFolder, check_data_folder
from signalpost.config.parsers import shown_path
from signalpost.config.setting import Setting
from signalpost.config.settings import (
    CARD_SETTINGS,
    DELAY,
    FALL_BACK_AFTER,
    FEEDS,
    FILTER_SETTINGS,
    FOLLOW_SETTINGS,
    HOLIDAYS,
    RECAP_HOUR,
    RECAP_TIMEZONE,
    RECAPS,
    REDIS_URL,
    ROLES,
    SETTINGS,
    SIGNAL_SETTINGS,
    SIGNALS,
    USUAL_ROLE,
    WATCHDOG_SETTINGS,
)
from signalpost.config.sources import FILE
from signalpost.delivery.outbox.reader import StoreVersion, version_of
from signalpost.delivery.pacing.limits import Rate
from signalpost.delivery.routing import ranks_of
from signalpost.domain.notification import Payload
from signalpost.domain.reports import Alert, AlertSeverity, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.domain.tier import Hidden, TierCopy, UserTier
from signalpost.errors import Fault, InvalidConfiguration, StoreFailed, StoreUnusable
from signalpost.secret import redacted
from signalpost.trading.feeds import FEEDS as KINDS
from signalpost.trading.feeds.folder import file_names
from signalpost.trading.incidents import named
from signalpost.trading.redis_url import client_of


@examples(
    "signalpost check",
    "signalpost check --example > signalpost.toml",
    "signalpost check --config signalpost.toml --json",
)
@click.command()
@configured
@json_option("Print the result as JSON.")
@click.option("--example", is_flag=True, help="Print an example settings file with all defaults instead.")
def check(flags: Flags, *, as_json: bool, example: bool) -> None:
    """Show the configuration of a service: settings with their sources, destinations, feeds, strategies, warnings.

    Nothing is started, sent or created, and no secret is shown. All errors are reported together. The exit code is 2
    if there are any, else 0.
    """
    if example:
        say_as_it_is(example_file())
        return
    plain, faults = checked(flags)
    if as_json:
        say_json(plain)
    elif "settings" in plain:
        _show(plain)
    if faults:
        if not as_json:
            raise InvalidConfiguration.of_all(faults)
        raise SystemExit(2)


def _show(plain: dict[str, Any]) -> None:
    screen = console()
    screen.print(_settings_table("Settings", plain["settings"]))
    for made in _changed_tables(plain):
        screen.print(made)
    if plain["destinations"]:
        screen.print(_destinations_table(plain["destinations"]))
    if plain["feeds"]:
        made = table("Feeds", "feed", "kind", "calendar", "settings", "from", wraps="settings")
        for each in plain["feeds"]:
            settings = (f"{key} = {value}" for key, value in each.items() if key not in _FEED_COLUMNS)
            made.add_row(each["name"], each["kind"], each["calendar"], "\n".join(settings), each["from"])
        screen.print(made)
    if plain["strategies"]:
        made = table("Strategies", "strategy", "kind", "feed", "tiers", "followed", wraps="kind")
        for each in plain["strategies"]:
            followed = "yes" if each["follow"] else "no"
            made.add_row(each["key"], each["kind"], each["feed"], ", ".join(each["tiers"]), followed)
        screen.print(made)
    made = table("Routes", "kind", "rank", "destinations", right=("rank",), wraps="destinations")
    for each in plain["routes"]:
        to = ", ".join(name if name in each["sent"] else f"{name} (no webhook)" for name in each["to"])
        made.add_row(each["what"], "" if each["rank"] is None else str(each["rank"]), to)
    screen.print(made)
    if plain["file"] is not None:
        say(f"settings file: {plain['file']}")
    say(f"data folder: {plain['settings']['home']['value']}: {plain['data_folder']['state']}")
    for warning in plain["warnings"]:
        screen.print(Text.assemble(("warning:", "yellow"), " ", clean(warning)), soft_wrap=True)


def _changed_tables(plain: dict[str, Any]) -> Iterator[Table]:
    for title, key in (("Filters of new signals and price notes", "filters"), ("Messages", "cards")):
        changed = {name: each for name, each in plain[key].items() if each["from"] != "default"}
        if changed:
            yield _settings_table(f"{title} (only changed settings)", changed)


def _destinations_table(destinations: list[dict[str, Any]]) -> Table:
    limits = ("per minute", "burst", "channel")
    made = table("Destinations", "destination", "host", "webhook", *limits, "from", right=limits, wraps="from")
    for each in destinations:
        paces = (each["messages_a_minute"], each["burst"], each["channel"])
        made.add_row(
            each["name"],
            each["host"],
            each["webhook_id"] or "-",
            *(str(pace or "-") for pace in paces),
            each["from"],
        )
    return made


def _settings_table(title: str, settings: dict[str, dict[str, Any]]) -> Table:
    made = table(title, "setting", "value", "from", "variable", wraps="value")
    for key, each in settings.items():
        value = each["value"]
        text = str(value).lower() if isinstance(value, bool) else str(value)  # as in a settings file
        made.add_row(key, text, each["from"], each["variable"])
    return made


_FEED_COLUMNS = ("name", "kind", "calendar", "from")


class Checked(NamedTuple):
    """A configuration as JSON, without webhooks, and all its faults."""

    plain: dict[str, Any]
    """Only the faults if the configuration is invalid."""
    faults: tuple[Fault, ...]


def checked(flags: Flags) -> Checked:
    """Read the configuration with these flags, and check its data folder, feeds and server."""
    try:
        reading = read_sources(flags=flags.by_variable())
    except InvalidConfiguration as fault:
        return _checked({}, fault.errors)
    config, home = Config.of(reading), reading.fields["home"]
    folder = check_data_folder(home, STORE_FILE)
    faults = [] if folder.is_usable else [_of_folder(home, folder)]
    store = None
    try:
        store = version_of(home / STORE_FILE) if folder.is_usable else None
    except (StoreUnusable, StoreFailed) as fault:
        faults += fault.errors
    file = "" if reading.file is None else f"{shown_path(str(reading.file))}: "
    faults += (each._replace(text=f"{file}{each.text}") for each in _faults_of(partial(make_feeds, config.feeds)))
    if config.redis_url is not None and config.strategies:
        faults += _faults_of(partial(client_of, config.redis_url))
    return _checked(_plain(reading, config, folder, store), faults)


def _checked(plain: dict[str, Any], faults: Iterable[Fault]) -> Checked:
    shown = tuple(each._replace(text=redacted(each.text)) for each in faults)
    errors = {"faults": [each.text for each in shown], "errors": [plain_fault(each) for each in shown]}
    return Checked({**plain, **errors}, shown)


def _plain(reading: Reading, config: Config, folder: DataFolder, store: StoreVersion | None) -> dict[str, Any]:
    follow = () if config.follow is None else FOLLOW_SETTINGS
    watchdogs = WATCHDOG_SETTINGS if config.strategies or config.follow is not None else ()
    redis = () if config.redis_url is None else (REDIS_URL,)
    return {
        "file": None if reading.file is None else redacted(str(reading.file)),
        "settings": dict(_settings(reading, (*SETTINGS, *redis, *SIGNAL_SETTINGS, *follow, *watchdogs))),
        "filters": dict(_settings(reading, FILTER_SETTINGS)),
        "cards": {**dict(_settings(reading, CARD_SETTINGS)), **dict(_roles(config))},
        "destinations": [_destination(each, reading, config) for each in config.destinations],
        "feeds": [_feed(each, reading) for each in config.feeds],
        "strategies": [_strategy(each) for each in config.strategies],
        "routes": list(_routes(config)),
        "data_folder": {"usable": folder.is_usable, "state": redacted(folder.state)},
        "store": None if store is None else store._asdict(),
        "warnings": [redacted(warning) for warning in (*config.warnings, *_missing(config), *_no_file(config))],
    }


def _faults_of(make: Callable[[], object]) -> tuple[Fault, ...]:
    try:
        make()
    except InvalidConfiguration as fault:
        return fault.errors
    return ()


def _of_folder(home: Path, folder: DataFolder) -> Fault:
    return Fault("not-usable", redacted(f"data folder {home}: {folder.state}"), "home", redacted(str(home)))


def _settings(reading: Reading, settings: Iterable[Setting[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for setting in settings:
        value = reading.shown[setting.name]
        shown = redacted(value) if isinstance(value, str) else value
        name = setting.name.removeprefix(f"{SIGNALS}.")
        yield name, {"value": shown, "from": reading.origin_by_key[setting.name], "variable": setting.variable}


def _roles(config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    for tier, roles in config.look.roles.items():
        for key, role in ((USUAL_ROLE, roles.usual), *roles.by_event.items()):
            yield f"{ROLES}.{tier}.{key}", {"value": role or False, "from": FILE, "variable": ""}


def _missing(config: Config) -> Iterator[str]:
    if not config.look.producer:
        advice = "set it to your name and your conflicts of interest (cards.producer or SIGNALPOST_PRODUCER)"
        yield f"no producer is set, so readers cannot see who makes the signals: {advice}"


def _no_file(config: Config) -> Iterator[str]:
    """A warning for each strategy whose candle file does not exist yet."""
    folders = {each.name: Path(str(each.arguments["path"])) for each in config.feeds if each.kind == "folder"}
    for each in config.strategies:
        folder, names = folders.get(each.feed), file_names(each.pair, each.timeframe)
        if folder is not None and not any((folder / name).exists() for name in names):
            found = sorted(path.name for path in folder.glob("*.csv*"))
            others = f"its files are {named(found)}" if found else "it has no candle files"
            yield f"strategy {each.key}: the folder {folder} has no {' or '.join(names)}; {others}"


def _destination(destination: DestinationConfig, reading: Reading, config: Config) -> dict[str, Any]:
    limits = destination.limits
    return {
        "name": destination.name,
        "host": destination.address.host,
        "webhook_id": destination.webhook_id,
        "from": reading.origin_by_key[f"destinations.{destination.name}"],
        "messages_a_minute": limits.messages_a_minute,
        "burst": _rate(limits.burst),
        "channel": _rate(limits.channel),
        "reserve": limits.reserve,
        "ticket": config.look_of(destination.name).ticket.value,
        **(_falling_back(destination) if destination.fallbacks else {}),
        **(_recaps(destination) if destination.recaps else {}),
    }


def _feed(feed: FeedConfig, reading: Reading) -> dict[str, Any]:
    shown = {key: redacted(str(value)) for key, value in feed.arguments.items()}
    return {
        "name": feed.name,
        "kind": feed.kind,
        "calendar": str(feed.calendar),
        "from": reading.origin_by_key[f"{FEEDS}.{feed.name}"],
        **(shown if feed.kind in KINDS else {}),
        **({HOLIDAYS: ", ".join(map(str, sorted(feed.calendar.holidays)))} if feed.calendar.holidays else {}),
    }


def _strategy(strategy: StrategyConfig) -> dict[str, Any]:
    return {
        "key": strategy.key,
        "pair": strategy.pair.symbol,
        "timeframe": str(strategy.timeframe),
        "kind": strategy.kind,
        "feed": strategy.feed,
        "tiers": list(strategy.tiers),
        "follow": strategy.follow,
    }


def _falling_back(destination: DestinationConfig) -> dict[str, Any]:
    after = FALL_BACK_AFTER.parser.show(destination.fall_back_after)
    return {"fallbacks": list(destination.fallbacks), "fall_back_after": after}


def _recaps(destination: DestinationConfig) -> dict[str, Any]:
    zone, hour = destination.recap_days
    return {RECAPS: [*destination.recaps], RECAP_TIMEZONE.key: zone, RECAP_HOUR.key: hour}


def _rate(rate: Rate | None) -> str | None:
    return None if rate is None else f"{rate.limit} in {rate.period:g} s"


def _routes(config: Config) -> Iterator[dict[str, Any]]:
    """The destinations of each kind, from the service's own routing."""
    routing = config.routing()
    signal = Signal(pair="EUR_USD", timeframe="H4", signal_type="BUY", timestamp=clock.now(), entry_price=1)
    tiers = sorted(ranks_of(config.tiers).items(), key=lambda each: each[1])
    kinds: list[tuple[str, int | None, Payload, UserTier]] = [
        (f"signals for {tier}{_less(routing.copy(tier))}", rank, signal, tier) for tier, rank in tiers
    ]
    kinds += [(what, None, payload, UserTier.FREE) for what, payload in _others()]
    for what, rank, payload, tier in kinds:
        routes = routing.route(payload, tier)
        sent = [route.destination for route in routes if route.suppressed_for is None]
        yield {"what": what, "rank": rank, "to": [route.destination for route in routes], "sent": sent}


def _less(copy: TierCopy) -> str:
    """The delay of a tier's signals, the fields that are hidden, and the minimum confidence."""
    parts = [f"{DELAY.parser.show(copy.delay)} later"] if copy.delay else []
    parts += [f"no {field}" for field in Hidden if field in copy.hidden]
    parts += [f"confidence {copy.min_confidence} or more"] if copy.min_confidence is not None else []
    return f", {', '.join(parts)}" if parts else ""


def _others() -> Iterator[tuple[str, Payload]]:
    for severity in (AlertSeverity.CRITICAL, AlertSeverity.HIGH, AlertSeverity.MEDIUM, AlertSeverity.LOW):
        yield f"alerts, {severity}", Alert(alert_type="check", severity=severity, title="check")
    yield "market analyses", MarketAnalysis(title="check", text="check")
    yield "system statuses", SystemStatus(status="up")
    yield "announcements", Announcement(title="check", text="check")
