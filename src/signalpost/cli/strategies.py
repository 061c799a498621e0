"""`signalpost strategies`: shows the last candle and the last signal of the configured strategies."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import click

from signalpost.cli.options import Flags, configured
from signalpost.cli.output import examples, json_option, say, say_json
from signalpost.cli.store import Store
from signalpost.cli.tables import console, table
from signalpost.cli.time_format import format_duration
from signalpost.config import Config, StrategyConfig
from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.instant import iso
from signalpost.domain.signal import Signal
from signalpost.service.health_report import SILENT_AFTER, StreamReport, read_report, report_of
from signalpost.trading.calendar import Calendar
from signalpost.trading.schedule import lag
from signalpost.trading.strategies import STRATEGIES
from signalpost.trading.strategies.port import StreamConfig

_MOST_SIGNALS = 10_000
"""How many of the newest signals in the book are searched for the last one of each strategy."""


@examples("signalpost strategies status", "signalpost strategies status --json | jq -r '[.key, .lag_s] | @tsv'")
@click.group()
def strategies() -> None:
    """Show the strategies of the settings file."""


class _Status(NamedTuple):
    strategy: StrategyConfig
    watermark: datetime | None
    """The open of the last candle taken."""
    lag: timedelta | None
    """How long ago the first candle that was not taken should have closed. Before any was taken: how long ago the
    service began to need them, or None if no service runs the strategy."""
    report: StreamReport | None
    """None if no service runs it."""
    last: Signal | None


@examples("signalpost strategies status", "signalpost strategies status --json")
@strategies.command()
@configured
@json_option("Print one line of JSON for each strategy.")
def status(flags: Flags, as_json: bool) -> None:
    """Show the last candle that each strategy processed, its lag, and its last signal.

    The number of candles read and the source of the state come from the process that runs the strategies. They are
    missing if no process does.
    """
    config = flags.config()
    if not config.strategies:
        say("No strategies are configured: add a [[strategy]] to the settings file.", err=as_json)
        return
    with Store(config) as store:
        found = list(_found(config, store))
    if as_json:
        say_json(*map(_plain, found))
    else:
        _show(found)


def _found(config: Config, store: Store) -> Iterator[_Status]:
    calendars = {each.name: each.calendar for each in config.feeds}
    report = read_report(report_of(store.path)) if store.has_owner else None
    is_fresh = report is not None and report.age is not None and report.age < SILENT_AFTER
    reports = {each.key: each for each in report.strategies} if report is not None and is_fresh else {}
    signals = [each.trade.signal for each in store.trades(FindTrades(limit=_MOST_SIGNALS))]
    for each in config.strategies:
        made = each.make().config
        watermark = store.watermark(made.stream)
        of_stream = reports.get(each.key)
        behind = _lag(each, watermark, calendars[each.feed], of_stream, store.now)
        yield _Status(each, watermark, behind, of_stream, _last_of(made, each, signals))


def _last_of(made: StreamConfig, strategy: StrategyConfig, signals: Sequence[Signal]) -> Signal | None:
    """The newest signal of a strategy. Your own classes choose the ids, so the strategy's name is compared as well."""
    # An id ends with the side and the time, after the strategy and its stream.
    by_id = (each for each in signals if each.signal_id.rsplit(":", 2)[0].endswith(f":{made.stream}"))
    wanted = None if strategy.kind in STRATEGIES else (made.strategy_name, made.pair, made.timeframe)
    by_name = (each for each in signals if (each.strategy_name, each.pair, each.timeframe) == wanted)
    return next(by_id, None) or next(by_name, None)


def _lag(
    strategy: StrategyConfig, watermark: datetime | None, calendar: Calendar, report: StreamReport | None, now: datetime
) -> timedelta | None:
    if watermark is not None:
        return lag(watermark, calendar, strategy.timeframe, now, None if report is None else report.forming)
    since = None if report is None else report.needed_since
    return None if since is None else max(timedelta(), now - since)


def _plain(status: _Status) -> dict[str, Any]:
    report, last = status.report, status.last
    return {
        "key": status.strategy.key,
        "watermark": None if status.watermark is None else iso(status.watermark),
        "lag_s": None if status.lag is None else round(status.lag.total_seconds(), 1),
        "warm": report is not None and report.warm,
        "state_from": None if report is None else report.state_from,
        "candles_read": None if report is None else report.candles_read,
        "cache": None if report is None else {"hits": report.hits, "misses": report.misses, "rebuilt": report.rebuilt},
        "last_signal": None
        if last is None
        else {"id": last.signal_id, "side": last.signal_type.value, "timestamp": iso(last.timestamp)},
    }


def _show(found: list[_Status]) -> None:
    numbers = ("lag", "read")
    made = table("Strategies", "strategy", "last candle", *numbers, "state", "last signal", right=numbers)
    for each in found:
        report, last = each.report, each.last
        made.add_row(
            each.strategy.key,
            "none yet" if each.watermark is None else _minute(each.watermark),
            "-" if each.lag is None else format_duration(each.lag),
            "-" if report is None else str(report.candles_read),
            "not running" if report is None else f"from {report.state_from}" if report.state_from else "starting",
            "-" if last is None else f"{last.signal_type} {_minute(last.timestamp)}",
        )
    console().print(made)


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at.second == 0 else f"{at:%Y-%m-%d %H:%M:%S}"
