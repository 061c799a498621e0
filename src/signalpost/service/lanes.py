"""Starts delivery, with a lane for each destination, and with charts if there are candles."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from random import random

from signalpost.config import Config
from signalpost.delivery.dispatch.gates import LaneSettings
from signalpost.delivery.engine import Engine
from signalpost.delivery.routing import Routing
from signalpost.delivery.tier_guard import TierGuard
from signalpost.service.charts import CandleSource, Charts, charts_of
from signalpost.sinks.discord.service import DiscordService
from signalpost.sinks.port import Sink


async def deliver(
    engine: Engine,
    config: Config,
    routing: Routing,
    candles: CandleSource | None,
    may_send: Callable[[], bool],
    undo: AsyncExitStack,
) -> Charts | None:
    """Begin to deliver, and return the charts if there are any. `undo` ends what has begun. Raises StoreFailed."""
    webhooks = {each.name: each.webhook for each in config.destinations}
    discord = DiscordService(webhooks, may_send=may_send, look=config.look, looks=config.looks)
    undo.push_async_callback(discord.close)
    charts = charts_of(engine, config.look, candles)
    if charts is not None:
        undo.push_async_callback(charts.close)
    dispatcher = await engine.deliver(
        _lanes_of(config, discord, routing, charts),
        jitter=random,
        host_rate=config.host_rate,
        at_most_once=config.at_most_once,
        is_replay=config.run is not None,
        may_send=may_send,
    )
    undo.callback(engine.release)
    undo.push_async_callback(dispatcher.stop, 0)
    return charts


def _lanes_of(
    config: Config, discord: DiscordService, routing: Routing, charts: Charts | None
) -> dict[str, LaneSettings]:
    def sink_of(name: str) -> Sink:
        guarded = TierGuard(discord.webhook(name), name, routing)
        return guarded if charts is None else charts.added_by(guarded, name)

    return {
        each.name: LaneSettings(
            sink_of(each.name),
            limits=each.limits,
            host=each.address.host,
            webhook=each.address.identity,
            fetches_details=True,
            workers=config.workers,
            fallbacks=routing.fallbacks(each.name)._replace(are_last=not config.has_own_sender),
            fall_back_after=each.fall_back_after.total_seconds(),
        )
        for each in config.destinations
    }
