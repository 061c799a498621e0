import os

import pytest

PREFIXES = (
    "SIGNALPOST_",
    "DISCORD_WEBHOOK_",
    "OANDA_TOKEN",
    "DISCORD_NOTIFICATIONS_",
    "DISCORD_ENABLED_",
    "DISCORD_MIN_",
    "DISCORD_MAX_SIGNALS_",
    "DISCORD_PAIR_COOLDOWN_",
)  # not imported: marked tests also run against older sources


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user who runs the tests may also use signalpost."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
