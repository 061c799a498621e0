"""The whole configuration of a service: flags, the environment, `.env`, a TOML file and the defaults, in this order."""

from signalpost.config.destination import DestinationConfig, HttpAddress
from signalpost.config.settings import MOST_WORKERS, ONLY_DESTINATION, ONLY_WEBHOOK, STORE_FILE, Config

__all__ = [
    "MOST_WORKERS",
    "ONLY_DESTINATION",
    "ONLY_WEBHOOK",
    "STORE_FILE",
    "Config",
    "DestinationConfig",
    "HttpAddress",
]
