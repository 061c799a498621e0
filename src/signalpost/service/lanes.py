"""The settings of an owner's lanes: one for each destination."""

from typing import TYPE_CHECKING

from signalpost.config import Config
from signalpost.delivery.dispatch.dispatcher import LaneSettings
from signalpost.delivery.routing import Routing
from signalpost.delivery.tier_guard import TierGuard

if TYPE_CHECKING:
    from signalpost.sinks.discord.service import DiscordService


def lanes_of(config: Config, discord: "DiscordService", routing: Routing) -> dict[str, LaneSettings]:
    """The settings of each destination's lane, by name."""
    return {
        each.name: LaneSettings(
            TierGuard(discord.webhook(each.name), each.name, routing),
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
