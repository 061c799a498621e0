"""The whole configuration of a service: flags, the environment, `.env`, a TOML file and the defaults, in this order."""

from signalpost.config.at_start import NO_WEBHOOK_SET, ONLY_DESTINATION, ONLY_WEBHOOK
from signalpost.config.destination import DestinationConfig, HttpAddress
from signalpost.config.settings import STORE_FILE, Config, read_sources

__all__ = [
    "NO_WEBHOOK_SET",
    "ONLY_DESTINATION",
    "ONLY_WEBHOOK",
    "STORE_FILE",
    "Config",
    "DestinationConfig",
    "HttpAddress",
    "read_sources",
]
