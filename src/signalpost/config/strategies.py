"""Reads the strategies that the service runs on live candles: the `[[strategy]]` tables of the settings file."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, Self

from signalpost.config.classes import class_at, is_path, made
from signalpost.config.feeds import timeframe_fault
from signalpost.config.parsers import advice, shown_name
from signalpost.config.settings import FEEDS, STRATEGY
from signalpost.config.sources import Place, Sources
from signalpost.domain.instrument import Instrument
from signalpost.domain.tier import UserTier
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import Fault, InvalidConfiguration, InvalidValue, shown
from signalpost.secret import redacted
from signalpost.trading.strategies import STRATEGIES, USUAL_STRATEGY
from signalpost.trading.strategies.port import LiveStrategy
from signalpost.trading.strategies_file import NOT_NEEDED, config_of, repeated_keys

_NOT_OF_CLASS = frozenset(("feed", "tiers", "follow", "kind", *NOT_NEEDED))
_CONFIG_PARTS = ("pair", "timeframe", "strategy_name", "stream")
_PARTS = ("on_candle", "snapshot", "restore", "config", "fingerprint", "warm_up")


class StrategyConfig(NamedTuple):
    """A strategy that the service runs on live candles. Made by `of`."""

    key: str
    """Its name in lists and messages."""
    pair: Instrument
    timeframe: Timeframe
    feed: str
    """The name of its feed."""
    tiers: tuple[UserTier, ...]
    """The tiers that its signals are for."""
    follow: bool
    """Whether its signals are followed to their end."""
    kind: str
    """A name in `STRATEGIES`, or the path of your own class."""
    settings: Mapping[str, Any]
    """Passed to the class: to your own as keyword arguments, to a bundled one as its `config_class`."""

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """The strategy of a `[[strategy]]` table. Raises InvalidConfiguration with all faults."""
        faults: list[Fault] = []
        kind = table.get("kind", USUAL_STRATEGY)
        settings = {name: value for name, value in table.items() if name not in _NOT_OF_CLASS}
        own: dict[str, Any] = {}
        for name, parse in _PARSER_BY_FIELD.items():
            try:
                own[name] = parse(table)
            except InvalidConfiguration as error:
                faults += error.errors
        try:
            config = _made(kind, settings).config
        except InvalidConfiguration as error:
            faults += error.errors
        if faults:
            raise InvalidConfiguration.of_all(faults)
        key = getattr(config, "key", None) or settings.get("key") or f"{config.pair}_{config.timeframe}"
        return cls(str(key), config.pair, config.timeframe, **own, kind=kind, settings=settings)

    def make(self) -> LiveStrategy:
        """A new strategy, without candles."""
        return _made(self.kind, self.settings)


def find_strategies(sources: Sources, tiers: Collection[UserTier]) -> tuple[StrategyConfig, ...]:
    """The strategies of the settings file. Their signals go to some of `tiers`, and their candles are of its feeds."""
    tables: Any = sources.file.settings.get(STRATEGY, [])
    place = sources.file.place(STRATEGY)
    if not (isinstance(tables, list) and all(isinstance(each, dict) for each in tables)):
        advised = "write [[strategy]] for each strategy, and its settings below"
        sources.findings.add(f"{place}: this is not a list of tables: {advised}", "invalid-setting", STRATEGY)
        return ()
    found = []
    for number, table in enumerate(tables, start=1):
        try:
            found.append(StrategyConfig.of(table))
            faults = tuple(_unknown_names(found[-1], tiers, sources))
        except InvalidConfiguration as error:
            faults = error.errors
        sources.findings.faults += (
            _placed(fault, Place(f"{place} {number}", f"{STRATEGY}.{number}")) for fault in faults
        )
    sources.findings.faults += (_placed(fault, place) for fault in repeated_keys(each.key for each in found))
    return tuple(found)


def _placed(fault: Fault, place: Place) -> Fault:
    field = place.field if fault.field is None else f"{place.field}.{shown_name(fault.field)}"
    value = None if fault.value is None else redacted(fault.value)
    return fault._replace(text=redacted(f"{place}: {fault.text}"), field=field, value=value)


def _unknown_names(strategy: StrategyConfig, tiers: Collection[UserTier], sources: Sources) -> Iterator[Fault]:
    feeds = sources.tables(FEEDS)
    if strategy.feed not in feeds:
        known = advice(strategy.feed, feeds) if feeds else f"add a [feeds.{strategy.feed}]"
        text = f"feed {shown_name(strategy.feed)} is not configured: {known}"
        yield Fault("unknown-word", text, "feed", shown(strategy.feed), ", ".join(feeds))
    elif fault := timeframe_fault(sources, strategy.feed, strategy.timeframe):
        yield fault
    elif feeds[strategy.feed].get("kind") == "replay":
        yield from _not_in_replay(strategy)
    for tier in strategy.tiers:
        if tier not in tiers:
            text = f"tier {tier} is not configured: {advice(tier, tiers)}"
            yield Fault("unknown-word", text, "tiers", tier, ", ".join(tiers))


def _not_in_replay(strategy: StrategyConfig) -> Iterator[Fault]:
    from signalpost.trading.feeds.bundled import bundled_pairs  # with the candle files: only for such a feed
    from signalpost.trading.feeds.replay import BUNDLED_TIMEFRAMES

    wanted = f"{strategy.pair} {strategy.timeframe}"
    known = [f"{pair} {timeframe}" for pair in bundled_pairs() for timeframe in BUNDLED_TIMEFRAMES]
    if wanted not in known:
        text = f"the feed {strategy.feed} has no candles of {wanted}: use one of {', '.join(known)}"
        yield Fault("not-found", text, "pair", wanted, ", ".join(known))


def _made(kind: object, settings: Mapping[str, Any]) -> LiveStrategy:
    known = ", ".join(STRATEGIES)
    if not isinstance(kind, str) or not (kind in STRATEGIES or is_path(kind)):
        near = advice(kind, STRATEGIES) if isinstance(kind, str) else f"use one of {known}"
        raise InvalidConfiguration.of("kind", kind, near, code="unknown-word", limit=known)
    if kind in STRATEGIES:
        config = config_of(settings, class_at(STRATEGIES[kind], "kind").config_class)
        strategy = made(STRATEGIES[kind], {"config": config}, "kind")
    else:
        strategy = made(kind, settings, "kind")
    missing = [part for part in _PARTS if not hasattr(strategy, part)]
    missing += [f"config.{part}" for part in _CONFIG_PARTS if not hasattr(getattr(strategy, "config", None), part)]
    if lacking := ", ".join(missing):
        text = f"{kind} has no {lacking}: add what signalpost.trading.strategies.port.LiveStrategy describes"
        raise InvalidConfiguration(text, code="not-usable", field="kind", value=kind, limit=lacking)
    return strategy  # type: ignore[no-any-return]  # it has all parts


def _feed(table: Mapping[str, Any]) -> str:
    match table.get("feed"):
        case str(name) if name:
            return name
        case None:
            text = "feed is missing: set it to the name of a feed, such as practice for [feeds.practice]"
            raise InvalidConfiguration(text, code="missing", field="feed")
        case other:
            raise InvalidConfiguration.of("feed", other, "use the name of a feed in quotes", code="not-text")


def _tiers(table: Mapping[str, Any]) -> tuple[UserTier, ...]:
    given = table.get("tiers", [UserTier.FREE])
    if not (isinstance(given, list) and given and all(isinstance(each, str) for each in given)):
        raise InvalidConfiguration.of("tiers", given, 'list at least one tier, such as ["free"]', code="not-a-list")
    try:
        return tuple(dict.fromkeys(map(UserTier, given)))
    except InvalidValue as error:
        raise InvalidConfiguration.of_all(each._replace(field="tiers") for each in error.errors) from error


def _follow(table: Mapping[str, Any]) -> bool:
    given = table.get("follow", True)
    if not isinstance(given, bool):
        raise InvalidConfiguration.of("follow", given, "use true or false", code="not-a-boolean")
    return given


_PARSER_BY_FIELD = {"feed": _feed, "tiers": _tiers, "follow": _follow}
