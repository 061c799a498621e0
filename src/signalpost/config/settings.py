"""What a service is told when it is made, by a program or by the sources that `from_environment` reads."""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from signalpost.config.at_start import ONLY_DESTINATION, told_at_start
from signalpost.config.destination import WORDS_FOR_ON, DestinationConfig, HttpAddress
from signalpost.delivery.outbox.heartbeat import USUAL, Heartbeat
from signalpost.delivery.pacing.limits import HOST_RATE, Rate
from signalpost.delivery.routing import Routing, Tier
from signalpost.domain.notification import KINDS
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration

if TYPE_CHECKING:
    from signalpost.config.reading import Reading

STORE_FILE = "outbox.db"
DOT_ENV_FILE = Path(".env")
_DRY_RUN = "SIGNALPOST_DRY_RUN"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is told when it is made."""

    home: Path
    """The data folder. A relative one is taken from the folder in which this is made, and is absolute from then on."""
    destinations: tuple[DestinationConfig, ...] = ()
    """Where to. Raises InvalidConfiguration for a webhook that cannot be used."""
    tiers: Mapping[UserTier, Tier] = {}
    """Tiers beside FREE, PREMIUM and ADMIN, and where their signals go."""
    workers: int = 2
    """Senders a destination: with n, n - 1 take everything in order and one URGENT and HIGH; with 1, all in order."""
    host_rate: Rate | None = HOST_RATE
    """What all destinations of one host may send together; None assumes no limit."""
    at_most_once: frozenset[str] = frozenset()
    """The kinds of notification (`signalpost.domain.notification.KINDS`) that are not sent again once they may have
    been shown: rather none than a repeat."""
    retention: timedelta = timedelta(days=30)
    """How long ended notifications are kept."""
    http: HttpAddress | None = HttpAddress("127.0.0.1", 8750)
    """Where `serve` takes signals in, and answers about itself; None for nowhere."""
    dry_run: bool = False
    """Whether all goes to the sandbox of this machine. Raises InvalidConfiguration with a webhook of Discord."""
    notes: tuple[str, ...] = ()
    """What was noticed while the settings were read."""
    heartbeat: Heartbeat = USUAL
    """How often the process that delivers shows that it is alive, and when another takes over from a frozen one."""
    ignored: str | None = None
    """Which webhook for everything is set without effect, and why; None if there is none."""
    run: str | None = None
    """The id of the replay that this service delivers; None for what happens now."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "home", _absolute(self.home))
        for each in self.destinations:
            each.check()
        if unknown := self.at_most_once.difference(KINDS):
            raise InvalidConfiguration(
                f"at_most_once names {', '.join(sorted(unknown))}: known are {', '.join(KINDS)}",
                code="unknown-word",
                field="at_most_once",
                value=", ".join(sorted(unknown)),
                limit=", ".join(KINDS),
            )
        if self.dry_run and (real := [each.name for each in self.destinations if each.webhook_id is not None]):
            raise InvalidConfiguration(
                f"a dry run cannot send to Discord, and {', '.join(real)} would: give it a webhook "
                "of the sandbox, or make no dry run",
                code="conflict",
                field="dry_run",
            )

    @property
    def everything_to(self) -> str | None:
        """The one destination of everything, where only one webhook is set and it is meant for all."""
        return ONLY_DESTINATION if [each.name for each in self.destinations] == [ONLY_DESTINATION] else None

    def routing(self) -> Routing:
        """Which notification goes where."""
        names = [each.name for each in self.destinations]
        return Routing(names, tiers=self.tiers, everything_to=self.everything_to, ignored=self.ignored)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know at the start."""
        told = told_at_start(self.destinations, self.home, self.http, os.environ, dry_run=self.dry_run)
        return (*self._of_no_dry_run(), *told, *self.notes)

    def _of_no_dry_run(self) -> Iterator[str]:
        wanted = os.environ.get(_DRY_RUN, "").strip().lower() in WORDS_FOR_ON
        if wanted and any(each.webhook_id is not None for each in self.destinations):
            yield f"{_DRY_RUN} is on, but not for a Config that a program makes: what it sends goes to Discord"

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, flags: Mapping[str, str] | None = None
    ) -> "Config":
        """The configuration that flags, the environment, `.env`, a file and the defaults make, in this order.

        Without `environment` it is the process's own, and then `.env` of the current folder is read too. `flags` are
        named as variables. Raises InvalidConfiguration with all that is wrong, and never shows a webhook.
        """
        return cls.of(read_sources(environment, flags=flags))

    @classmethod
    def of(cls, reading: "Reading") -> "Config":
        """The configuration of what was read."""
        return cls(
            home=reading.home,
            destinations=reading.destinations,
            tiers=reading.tiers,
            workers=reading.workers,
            host_rate=HOST_RATE if reading.pacing.has_limits else None,
            at_most_once=reading.at_most_once,
            retention=reading.retention,
            http=reading.http,
            dry_run=reading.dry_run,
            notes=reading.notes,
            ignored=reading.ignored,
        )


def _absolute(home: Path) -> Path:
    try:
        return home.absolute()
    except OSError as fault:
        raise InvalidConfiguration(
            f"home is {home}, and the current folder is gone: give it in full", code="not-readable", field="home"
        ) from fault


def read_sources(environment: Mapping[str, str] | None = None, *, flags: Mapping[str, str] | None = None) -> "Reading":
    """What `Config.from_environment` reads, with where each setting came from. Raises InvalidConfiguration."""
    from signalpost.config.reading import read  # late: a program that makes its own Config needs none of it

    if environment is None:
        reading = read(os.environ, flags or {}, DOT_ENV_FILE)
    else:
        reading = read(environment, flags or {}, None)
    if reading.faults:  # raised out here, where no variable holds the process's environment, nor what `.env` says
        raise InvalidConfiguration.of_all(reading.faults)
    return reading
