"""The whole configuration of a service, from the environment alone.

`DISCORD_WEBHOOK_*` name the webhooks, `SIGNALPOST_*` the rest. All faults are told together, and no secret is shown.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from signalpost.config.destination import DestinationConfig, HttpAddress
from signalpost.delivery.pacing.limits import HOST_RATE, NOTHING_ASSUMED, Limits, Rate
from signalpost.delivery.routing import Tier
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret
from signalpost.sinks.discord.address import WebhookAddress

ONLY_WEBHOOK = "DISCORD_WEBHOOK_URL"
ONLY_DESTINATION = "default"
"""The name of the one destination where `DISCORD_WEBHOOK_URL` is the only webhook."""

STORE_FILE = "outbox.db"
MOST_WORKERS = 16
_MESSAGES_A_MINUTE = 30

_HTTP: HttpAddress | None = HttpAddress("127.0.0.1", 8750)

Setting = TypeVar("Setting")


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is told when it is made."""

    home: Path
    """The data folder."""
    destinations: tuple[DestinationConfig, ...] = ()
    tiers: Mapping[UserTier, Tier] = {}
    """Tiers beside FREE, PREMIUM and ADMIN, and where their signals go."""
    workers: int = 2
    """Senders a destination: with n, n - 1 take everything in order and one URGENT and HIGH; with 1, all in order."""
    host_rate: Rate | None = HOST_RATE
    """What all destinations of one host may send together; None assumes no limit."""
    retention: timedelta = timedelta(days=30)
    """How long ended notifications are kept."""
    http: HttpAddress | None = HttpAddress("127.0.0.1", 8750)
    """Where `serve` takes signals in, and answers about itself; None for nowhere."""
    dry_run: bool = False
    """Whether all goes to the sandbox of this machine."""
    run: str | None = None
    """The id of the replay that this service delivers; None for what happens now."""

    @property
    def everything_to(self) -> str | None:
        """The one destination of everything, where only one webhook is set and it is meant for all."""
        return ONLY_DESTINATION if [each.name for each in self.destinations] == [ONLY_DESTINATION] else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know at the start."""
        return tuple(self._warnings())

    def _warnings(self) -> Iterator[str]:
        if not self.destinations:
            variables = ", ".join(usual.variable for usual in USUAL_DESTINATIONS)
            yield f"no webhook is set, so every notification will be refused: set {ONLY_WEBHOOK}, or {variables}"
        elif self.everything_to:
            yield f"only {ONLY_WEBHOOK} is set: all tiers and all alerts go to that one channel"
        else:
            names = {each.name for each in self.destinations}
            missing = [usual for usual in USUAL_DESTINATIONS if usual.name not in names]
            for usual in missing:
                yield f"{usual.variable} is not set: what would go to {usual.name} is refused"

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, flags: Mapping[str, str] | None = None
    ) -> "Config":
        """The configuration that the environment (by default the process's own) holds; `flags`, by variable, win.

        Raises InvalidConfiguration, naming every variable that cannot be meant, and never a webhook.
        """
        reading = _Reading({**(os.environ if environment is None else environment), **(flags or {})})
        has_limits = reading.of("SIGNALPOST_LIMITS", _switch, True)
        config = cls(
            home=_home(reading.environment),
            destinations=tuple(_destinations(reading, has_limits=has_limits)),
            workers=reading.of("SIGNALPOST_WORKERS", _workers, 2),
            host_rate=HOST_RATE if has_limits else None,
            http=reading.of("SIGNALPOST_HTTP", _http, _HTTP),
            dry_run=reading.of("SIGNALPOST_DRY_RUN", _switch, False),
        )
        if reading.faults:
            raise InvalidConfiguration("\n".join(reading.faults))
        return config


class _Reading:
    """Reads variables, and gathers what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.faults: list[str] = []

    def of(self, variable: str, parse: Callable[[str], Setting], default: Setting) -> Setting:
        """The variable's value; the default where it is not set or empty, and where it is wrong, which is noted."""
        text = self.environment.get(variable, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except InvalidConfiguration as fault:
            self.faults.append(f"{variable}: {fault}")
            return default


def _destinations(reading: _Reading, *, has_limits: bool) -> Iterator[DestinationConfig]:
    reserve = reading.of("SIGNALPOST_RESERVE", _switch, True)

    def destination(name: str, webhook: Secret, messages_a_minute: int) -> DestinationConfig:
        limits = Limits(messages_a_minute) if has_limits else NOTHING_ASSUMED
        return DestinationConfig(name, webhook, limits._replace(reserve=reserve))

    only = reading.of(ONLY_WEBHOOK, _webhook, None)
    named = [(usual, reading.of(usual.variable, _webhook, None)) for usual in USUAL_DESTINATIONS]
    if only is not None and all(webhook is None for _, webhook in named):
        yield destination(ONLY_DESTINATION, only, _MESSAGES_A_MINUTE)
    for usual, webhook in named:
        if webhook is not None:
            yield destination(usual.name, webhook, usual.messages_a_minute)


def _webhook(text: str) -> Secret | None:
    WebhookAddress.parse(text)  # which raises where it cannot be used
    return Secret(text)


def _home(environment: Mapping[str, str]) -> Path:
    if home := environment.get("SIGNALPOST_HOME"):
        return Path(home).expanduser()
    base = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "signalpost"


def _workers(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST_WORKERS:
        return int(text)
    raise InvalidConfiguration(f"{text[:40]!r} is no number of senders: give 1 to {MOST_WORKERS}")


def _http(text: str) -> HttpAddress | None:
    if text.lower() == "off":
        return None
    host, _, port = text.rpartition(":")
    if host and port.isascii() and port.isdigit() and int(port[:6]) < 65536:
        return HttpAddress(host.strip("[]"), int(port))
    raise InvalidConfiguration(f"{text[:40]!r} is no address: give HOST:PORT, or off")


def _switch(text: str) -> bool:
    if (word := text.lower()) in {"on", "1", "true", "yes"}:
        return True
    if word in {"off", "0", "false", "no"}:
        return False
    raise InvalidConfiguration(f"{text[:40]!r} is neither on nor off: give one of them")
