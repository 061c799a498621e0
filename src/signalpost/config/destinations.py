"""Reads the destinations, their webhooks and the tiers from all sources of settings."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from math import inf
from typing import Any, NamedTuple

from signalpost.config.parsers import advice, nearest, shown_name
from signalpost.config.secrets import GivenSecret, find_secret, read_given
from signalpost.config.settings import (
    DESTINATIONS,
    FALL_BACK_AFTER,
    FALLBACKS,
    FILE_SUFFIX,
    ONLY_DESTINATION,
    RANK,
    RATE,
    RECAP_HOUR,
    RECAP_TIMEZONE,
    RECAPS,
    TICKET,
    TIERS,
    variable_of,
)
from signalpost.config.sources import Sources
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits
from signalpost.delivery.routing import USUAL_RANKS, Routing, Tier, in_order
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.domain.recap import RecapDays, Recurrence
from signalpost.domain.tier import UserTier
from signalpost.errors import Fault, InvalidConfiguration, InvalidValue
from signalpost.secret import Secret
from signalpost.sinks.discord.address import API_HOST, WebhookAddress
from signalpost.sinks.discord.cards.look import TicketLayout

SANDBOX = "http://127.0.0.1:8751"
FROM_DRY_RUN = "dry run"
"""The origin of a destination whose webhook was replaced by that of the sandbox."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""The valid names of destinations and feeds."""
_WEBHOOK_KEYS = ("webhook", "webhook_file")
_USUAL_RATES = {usual.name: usual.messages_a_minute for usual in USUAL_DESTINATIONS}


class DestinationConfig(NamedTuple):
    """A destination: its webhook and its limits."""

    name: str
    webhook: Secret
    """The webhook's URL."""
    limits: Limits
    ticket: TicketLayout | None = None
    """The layout of its signals; None for the general setting."""
    fallbacks: tuple[str, ...] = ()
    """The destinations that get its messages, in this order, while it is unreachable."""
    fall_back_after: timedelta = FALL_BACK_AFTER.default
    """How long its breaker must be open before fallbacks are used. If its webhook is gone, they are used at once."""
    recaps: tuple[Recurrence, ...] = ()
    """The recaps that are sent there, of the signals that it showed."""
    recap_days: RecapDays = RecapDays()
    """When the days of its recaps end."""

    @property
    def address(self) -> WebhookAddress:
        """The webhook's address. Raises InvalidConfiguration for an invalid URL."""
        return WebhookAddress.parse(self.webhook)

    def check(self) -> None:
        """Raises InvalidConfiguration, which names the destination, for an invalid URL."""
        problem = None
        try:
            _ = self.address
        except InvalidConfiguration as fault:
            problem = f"{self.name}: {fault}"
        if problem is not None:  # raised outside `except`, so that no error with the URL is its context
            raise InvalidConfiguration(problem, code="invalid-webhook", field=self.name)

    @property
    def webhook_id(self) -> str | None:
        """The id of a Discord webhook, which may be shown; None for a webhook on this machine."""
        address = self.address
        return address.identity.partition("-")[0] if address.host == API_HOST else None


class Destinations(NamedTuple):
    """The configured destinations."""

    configs: tuple[DestinationConfig, ...]
    ignored: str | None
    """Why the webhook for everything has no effect, with both settings; None if it is used or not set."""
    unusable: Mapping[str, tuple[str, ...]] = {}
    """The fallbacks of each destination without a valid webhook, by name. The missing webhook is a fault of its own."""


def find_destinations(sources: Sources, *, assume_limits: bool, reserve: bool, dry_run: bool) -> Destinations:
    """The destinations that have a webhook.

    Without `assume_limits` they have no limits of their own, not even the configured rates. In a dry run, no webhook is
    read: the configured destinations, or the usual ones if none is configured, get a webhook of the sandbox.
    """
    own = _valid_names(sources)
    names = (ONLY_DESTINATION, *_USUAL_RATES, *own)
    found = {name: find_secret(sources, variable_of(name), DESTINATIONS, name, *_WEBHOOK_KEYS) for name in names}
    webhooks = {name: webhook for name, webhook in found.items() if webhook is not None}
    unusable: dict[str, tuple[str, ...]] = {}
    if dry_run:
        chosen = [name for name in names if name in webhooks or name in own] or list(_USUAL_RATES)
        secrets = {name: Secret(f"{SANDBOX}/api/v10/webhooks/{name}/dry-run") for name in chosen}
    else:
        secrets = {
            name: secret
            for name, webhook in webhooks.items()
            for secret in read_given(sources, webhook, "webhook URL", WebhookAddress.parse)
        }
        _check_complete(sources, [name for name in own if name not in webhooks])
        reported = dict.fromkeys((*webhooks, *own_names(sources)))
        unusable = {name: _fallbacks(sources, name) for name in reported if name not in secrets}
    if (ignored := _ignored(webhooks)) is not None:
        sources.findings.notes.append(f"{ignored}: messages for a destination without a webhook are refused")
        secrets.pop(ONLY_DESTINATION, None)
    for name in secrets:
        sources.origin_by_key[f"{DESTINATIONS}.{name}"] = FROM_DRY_RUN if dry_run else webhooks[name].origin
    every = {name: _settings_of(sources, name, assume_limits=assume_limits, reserve=reserve) for name in names}
    configs = (DestinationConfig(name, secret, *every[name]) for name, secret in secrets.items())
    return Destinations(tuple(configs), ignored, unusable)


def _ignored(webhooks: Mapping[str, GivenSecret]) -> str | None:
    """Why the webhook for everything has no effect. It is used only if no other webhook is set: promise P10."""
    others = [webhook for name, webhook in webhooks.items() if name != ONLY_DESTINATION]
    if ONLY_DESTINATION not in webhooks or not others:
        return None
    return f"{webhooks[ONLY_DESTINATION].place} is ignored, because {others[0].place} is set"


def _settings_of(sources: Sources, name: str, *, assume_limits: bool, reserve: bool) -> tuple[Any, ...]:
    """The fields of a destination's configuration after its webhook."""
    rate = sources.table_value(DESTINATIONS, name, RATE, _USUAL_RATES.get(name, RATE.default))
    zone = sources.table_value(DESTINATIONS, name, RECAP_TIMEZONE, RECAP_TIMEZONE.default)
    hour = sources.table_value(DESTINATIONS, name, RECAP_HOUR, RECAP_HOUR.default)
    recaps = sources.table_words(DESTINATIONS, name, RECAPS, Recurrence, "[] is none")
    return (
        (Limits(rate) if assume_limits else NOTHING_ASSUMED)._replace(reserve=reserve),
        sources.table_value(DESTINATIONS, name, TICKET, None),
        _fallbacks(sources, name),
        sources.table_value(DESTINATIONS, name, FALL_BACK_AFTER, FALL_BACK_AFTER.default),
        tuple(each for each in Recurrence if each in recaps),
        RecapDays(zone, hour),
    )


def _fallbacks(sources: Sources, name: str) -> tuple[str, ...]:
    listed = sources.table(DESTINATIONS, name).get(FALLBACKS, [])
    if isinstance(listed, list) and all(isinstance(each, str) for each in listed):
        return tuple(listed)
    place = sources.file.place(DESTINATIONS, name, FALLBACKS)
    problem = 'this must list destinations, such as ["signals-backup"]'
    sources.findings.add(f"{place}: {problem}", "invalid-setting", place.field)
    return ()


def unknown_fallbacks(destinations: Destinations) -> Iterator[Fault]:
    """The faults of unknown names in the fallbacks of destinations without a valid webhook."""
    known = [*(each.name for each in destinations.configs), *destinations.unusable]
    for name, fallbacks in destinations.unusable.items():
        for each in fallbacks:
            if each not in known:
                yield _unknown_fallback(each, known, _field(name))


def fallback_faults(
    destinations: Sequence[DestinationConfig], routing: Routing, unusable: Collection[str] = ()
) -> Iterator[Fault]:
    """The faults in the fallbacks of these destinations. No lower tier may read a fallback: promise P10.

    Fallbacks that are in `unusable` are not checked: their webhook is a fault already.
    """
    webhooks = {each.name: each.address.identity for each in destinations}
    fallbacks = {each.name: each.fallbacks for each in destinations}
    for each in destinations:
        field = _field(each.name)
        lowest = routing.lowest_reader(each.name)
        names = {webhooks[each.name]: each.name}
        for name in (name for name in each.fallbacks if name not in unusable):
            if name not in webhooks:
                yield _unknown_fallback(name, webhooks, field)
            elif (other := names.get(webhooks[name])) is not None:
                problem = f"{name} has the same webhook as {other}, and would fail with it: use another webhook"
                yield Fault("same-webhook", problem, field, name, other)
            elif each.name in in_order(name, fallbacks):
                problem = f"{name} falls back to {each.name} itself: remove one of the two"
                yield Fault("loop", problem, field, name)
            elif routing.lowest_reader(name) < lowest < inf:
                rank = routing.lowest_reader(name)
                problem = f"tiers of rank {rank:g} read {name}, but only tiers from rank {lowest:g} on read {each.name}"
                yield Fault("tier-too-low", f"{problem}: use another destination", field, name, f"{lowest:g}")
            names[webhooks.get(name, name)] = name


def _field(name: str) -> str:
    return f"{DESTINATIONS}.{name}.{FALLBACKS}"


def _unknown_fallback(name: str, known: Iterable[str], field: str) -> Fault:
    problem = f"{shown_name(name)} is not a destination with a webhook: {advice(name, known)}"
    return Fault("unknown-word", problem, field, shown_name(name), ", ".join(known))


def own_names(sources: Sources) -> tuple[str, ...]:
    """The names of the destinations that the file adds to the usual ones."""
    return tuple(name for name in sources.tables(DESTINATIONS) if name not in _USUAL_RATES and name != ONLY_DESTINATION)


def _valid_names(sources: Sources) -> tuple[str, ...]:
    taken = {variable for name in (ONLY_DESTINATION, *_USUAL_RATES) for variable in _variables(name)}
    valid = []
    for name in own_names(sources):
        place = sources.file.place(DESTINATIONS, name)
        if not NAME.fullmatch(name):
            problem = "not a valid name of a destination: use 1 to 32 of a-z, 0-9, - and _, the first a letter or digit"
            sources.findings.add(f"{place}: {problem}", "invalid-name", DESTINATIONS)
        elif taken & _variables(name):
            problem = f"another destination already uses the variable {variable_of(name)}: rename this one"
            sources.findings.add(f"{place}: {problem}", "conflict", name)
        else:
            valid.append(name)
            taken |= _variables(name)
    return tuple(valid)


def _variables(name: str) -> set[str]:
    variable = variable_of(name)
    return {variable, f"{variable}{FILE_SUFFIX}"}


def _check_complete(sources: Sources, without_webhook: list[str]) -> None:
    for name in without_webhook:
        hint = f" (if you meant {near}, rename it)" if (near := nearest(name, _USUAL_RATES)) else ""
        place = sources.file.place(DESTINATIONS, name)
        problem = f"no webhook is set: add one, or set {variable_of(name)}{hint}"
        sources.findings.add(f"{place}: {problem}", "missing", f"{DESTINATIONS}.{name}.webhook")


def find_tiers(sources: Sources, configured: Collection[str]) -> Mapping[UserTier, Tier]:
    """The tiers of the file. A tier that would show its signals to a lower one is a fault: promise P10."""
    findings = sources.findings
    faults_before = len(findings.faults)
    tiers: dict[UserTier, Tier] = {}
    for name in sources.tables(TIERS):
        place = sources.file.place(TIERS, name)
        for tier in findings.checked(place, tier_named, name):
            if tier in tiers:
                problem = "the tier is defined twice, in upper and lower case: remove one of them"
                findings.add(f"{place}: {problem}", "conflict", f"{TIERS}.{tier}")
            if tier not in USUAL_RANKS or "signals_to" in sources.table(TIERS, name):
                tiers[tier] = Tier(_rank(sources, name, tier), _signals_to(sources, name, configured))
            else:
                _rank(sources, name, tier)
    if len(findings.faults) == faults_before:  # otherwise some would be reported twice
        findings.checked(sources.file.place(TIERS), lambda: Routing(configured, tiers=tiers))
    return tiers


def tier_named(name: str) -> UserTier:
    """The tier of this name. Raises InvalidConfiguration."""
    try:
        return UserTier(name)
    except InvalidValue:
        pass
    problem = "this is not a valid tier name: use 1 to 32 letters, digits, - and _, the first a letter or digit"
    raise InvalidConfiguration(problem, code="invalid-name")


def _rank(sources: Sources, name: str, tier: UserTier) -> int:
    usual = USUAL_RANKS.get(tier)
    rank = sources.table_value(TIERS, name, RANK, None)
    if usual is not None and rank not in {None, usual}:
        problem = f"the rank of {tier} is always {usual}: remove this setting"
        place = sources.file.place(TIERS, name, RANK.key)
        sources.findings.add(f"{place}: {problem}", "conflict", f"{TIERS}.{tier}.rank")
    if usual is None and RANK.key not in sources.table(TIERS, name):
        problem = "no rank is set: add one; free is 0, premium 10, admin 20"
        sources.findings.add(f"{sources.file.place(TIERS, name)}: {problem}", "missing", f"{TIERS}.{tier}.rank")
    return usual if usual is not None else rank or 0


def _signals_to(sources: Sources, name: str, configured: Collection[str]) -> tuple[str, ...]:
    place = sources.file.place(TIERS, name, "signals_to")
    listed = sources.table(TIERS, name).get("signals_to")
    if not isinstance(listed, list) or not listed:
        problem = 'this must list at least one destination, such as ["signals-gold"]'
        sources.findings.add(f"{place}: {problem}", "invalid-setting", "signals_to")
        return ()
    known = [*dict.fromkeys([*own_names(sources), *configured, *_USUAL_RATES])]
    for problem in _problems(listed, known):
        sources.findings.add(f"{place}: {problem}", "unknown-word", "signals_to")
    return tuple(dict.fromkeys(each for each in listed if isinstance(each, str)))


def _problems(listed: list[object], known: list[str]) -> Iterator[str]:
    for each in listed:
        if not isinstance(each, str):
            yield "the list contains something that is not text: use names of destinations in quotes"
        elif each not in known:
            yield f"{shown_name(each)} is not a known destination: {advice(each, known)}"
