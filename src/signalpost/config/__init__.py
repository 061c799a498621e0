"""The configuration of a service, from flags, the environment, `.env`, a settings file and the defaults."""

from signalpost.config.config import NO_WEBHOOK_SET, SET_A_WEBHOOK, Config, Reading, read_sources
from signalpost.config.destinations import DestinationConfig
from signalpost.config.feeds import FeedConfig, make_feeds
from signalpost.config.parsers import HttpAddress
from signalpost.config.settings import ONLY_DESTINATION, ONLY_WEBHOOK, STORE_FILE, variable_of
from signalpost.config.strategies import StrategyConfig

__all__ = [
    "NO_WEBHOOK_SET",
    "ONLY_DESTINATION",
    "ONLY_WEBHOOK",
    "SET_A_WEBHOOK",
    "STORE_FILE",
    "Config",
    "DestinationConfig",
    "FeedConfig",
    "HttpAddress",
    "Reading",
    "StrategyConfig",
    "make_feeds",
    "read_sources",
    "variable_of",
]
