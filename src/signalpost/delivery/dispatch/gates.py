"""All gates of one process, with the hosts and webhooks that they share."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from math import inf
from types import MappingProxyType
from typing import NamedTuple

from signalpost import clock
from signalpost.delivery.dispatch.decide import BACKOFF
from signalpost.delivery.dispatch.gate import Gate, Webhook
from signalpost.delivery.facts import (
    Facts,
    Gone,
    gone_fact,
    name_fact,
    of_host,
    of_webhook,
    read_ban,
    read_cards_gone,
    read_gone,
    read_name,
    read_pace,
)
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts, Subject
from signalpost.delivery.outbox.patience import RetryingOutbox
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.delivery.pacing.breaker import USUAL, BreakerSettings, CircuitBreaker
from signalpost.delivery.pacing.host import Host
from signalpost.delivery.pacing.limits import HOST_RATE, Limits, Rate
from signalpost.delivery.pacing.pacer import PaceMemory, Pacer
from signalpost.delivery.routing import Fallbacks
from signalpost.domain.events import DestinationEnabled, HostBanned, Listener
from signalpost.sinks.port import Sink


class LaneSettings(NamedTuple):
    """The settings of one destination."""

    sink: Sink
    limits: Limits = Limits()
    host: str = "discord.com"
    """Destinations of one host share its limits and its bans."""
    webhook: str | None = None
    """A non-secret id of the webhook. What is learned about it, such as its pace, is stored under this id, or under the
    destination's name if None."""
    fetches_details: bool = False
    """Whether to fetch the webhook's type and channel once, when no message is waiting."""
    workers: int = 2
    breaker: BreakerSettings = USUAL
    backoff: Backoff = BACKOFF
    fallbacks: Fallbacks = Fallbacks()
    fall_back_after: float = inf
    """Seconds for which the breaker may be open before deliveries are passed on."""


class Gates:
    """Makes the gates, and restores their state from earlier processes."""

    def __init__(self, host_rate: Rate | None = HOST_RATE, *, jitter: Callable[[], float], emit: Listener) -> None:
        self._host_rate = host_rate
        self._jitter = jitter
        self._emit = emit
        self._hosts: dict[str, Host] = {}
        self._webhooks: dict[Subject, Webhook] = {}
        self._gates: dict[str, Gate] = {}
        self._has_restored = False

    @property
    def by_name(self) -> Mapping[str, Gate]:
        """The gates by destination."""
        return MappingProxyType(self._gates)

    @property
    def subjects(self) -> list[Subject]:
        """The webhooks and hosts that facts are stored about."""
        return [*self._webhooks, *map(of_host, self._hosts)]

    def add(self, name: str, settings: LaneSettings) -> Gate:
        """Make a destination's gate."""
        subject = Subject(name) if settings.webhook is None else of_webhook(settings.webhook)
        host = self._hosts.setdefault(settings.host, Host(self._host_rate, name=settings.host))
        gate = self._gates[name] = Gate(
            name,
            settings.sink,
            Pacer(settings.limits, host),
            CircuitBreaker(settings.breaker),
            self._webhooks.setdefault(subject, Webhook(subject, settings.webhook)),
            fetches_details=settings.fetches_details,
            jitter=self._jitter,
            emit=self._emit,
        )
        return gate

    async def restore(self, outbox: RetryingOutbox, lapsed: Mapping[str, int]) -> None:
        """Restore the state of earlier processes, once: first the breakers, then all the rest or nothing.

        `lapsed` has the number of messages by destination that the last process may have sent just now.

        Raises StoreFailed.
        """
        if self._has_restored:
            return
        own = {}
        for name, gate in self._gates.items():
            own[name] = await outbox.do(LoadFacts(Subject(name)))
            gate.restore_breaker(own[name], _now())
        bans = {host: await outbox.do(LoadFacts(host)) for host in map(of_host, self._hosts)}
        saved = {name: await self._load(outbox, gate, own[name]) for name, gate in self._gates.items()}
        now = _now()
        self.hold(bans, now)
        self.announce_bans()
        for name, gate in self._gates.items():
            gate.restore(*saved[name], lapsed[name], now)
            for gone in read_cards_gone(own[name], name):
                self._emit(gone)
        self._has_restored = True

    def hold(self, bans: Mapping[Subject, Facts], now: float) -> None:
        """Pause each host that has banned this address, according to its stored facts."""
        for name, host in self._hosts.items():
            if (ban := read_ban(bans.get(of_host(name), {}), clock.now())) is not None:
                host.hold(ban, now)
                host.is_kept, host.is_news = True, not ban.is_reported

    def announce_bans(self) -> None:
        """Report each known ban again, with its end by the current clock."""
        now = _now()
        for name, host in self._hosts.items():
            if not host.is_news and (ban := host.ban(now)) is not None and ban.is_reported:
                until = clock.now() + timedelta(seconds=ban.held_for)
                self._emit(HostBanned(name, ban.reason, until, is_news=False))

    async def enable(self, outbox: RetryingOutbox, name: str) -> None:
        """Enable a destination whose webhook was gone, at a person's command. Raises StoreFailed, or KeyError."""
        webhook = self._gates[name].webhook
        was_gone = webhook.gone is not None
        await outbox.do(SaveFacts(webhook.subject, gone_fact(None)))
        webhook.reopen()
        if was_gone:
            self._announce_enabled(webhook)

    async def check_enabled_elsewhere(self, outbox: RetryingOutbox) -> None:
        """Check whether a person has enabled a destination in another process. Raises StoreFailed."""
        for webhook in self._webhooks.values():
            if webhook.gone is not None and webhook.is_saved:
                facts = await outbox.do(LoadFacts(webhook.subject))
                if read_gone(facts) is None:
                    webhook.reopen()
                    self._announce_enabled(webhook)

    def _announce_enabled(self, webhook: Webhook) -> None:
        for name, gate in self._gates.items():
            if gate.webhook is webhook:
                self._emit(DestinationEnabled(name))

    async def _load(self, outbox: RetryingOutbox, gate: Gate, own: Facts) -> tuple[PaceMemory, Gone | None]:
        """The saved pace of this destination, and whether its webhook is gone.

        If the webhook was used by a destination that no longer exists, the pace of that one counts too.
        """
        webhook = gate.webhook
        known = await outbox.do(LoadFacts(webhook.subject))
        memory, measured_with = read_pace(own, clock.now())
        if measured_with != webhook.identity:  # another webhook has other pauses and another channel
            memory = PaceMemory(memory.ages, 0.0)
        former = read_name(known)
        if former is not None and former not in self._gates:
            facts = await outbox.do(LoadFacts(Subject(former)))
            moved = read_pace(facts, clock.now())
            if moved.webhook == webhook.identity:
                memory = memory.joined(moved.memory)
        if webhook.identity is not None and former != gate.destination:
            await outbox.do(SaveFacts(webhook.subject, name_fact(gate.destination)))
        return memory, read_gone(known)


def _now() -> float:
    return asyncio.get_running_loop().time()
