"""Reads the destinations, their webhooks and the tiers from all sources of settings."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from signalpost.config.files import is_open_to_others, read_secret
from signalpost.config.parsers import advice, nearest, path, shown_name, shown_path
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
from signalpost.config.sources import FILE, Place, Sources, Variables, text_of
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits
from signalpost.delivery.routing import USUAL_RANKS, Routing, Tier
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.domain.recap import RecapDays, Recurrence
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration, InvalidValue
from signalpost.secret import Secret
from signalpost.sinks.discord.address import API_HOST, WebhookAddress
from signalpost.sinks.discord.cards.look import TicketLayout

SANDBOX = "http://127.0.0.1:8751"
FROM_DRY_RUN = "dry run"
"""The origin of a destination whose webhook was replaced by that of the sandbox."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""The valid names of destinations and feeds."""
_USUAL_RATES = {usual.name: usual.messages_a_minute for usual in USUAL_DESTINATIONS}


class DestinationConfig(NamedTuple):
    """A destination: its webhook and its limits."""

    name: str
    webhook: Secret
    """The webhook's URL."""
    limits: Limits
    ticket: TicketLayout | None = None
    """How its signals are laid out; None for as everywhere."""
    fallbacks: tuple[str, ...] = ()
    """Where its messages go, in this order, while it cannot be reached."""
    fall_back_after: timedelta = FALL_BACK_AFTER.default
    """How long its breaker is open before they do. If its webhook is gone, they do at once."""
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
        if problem is not None:  # raised out here: an error that holds the URL must not be the context of this one
            raise InvalidConfiguration(problem, code="invalid-webhook", field=self.name)

    @property
    def webhook_id(self) -> str | None:
        """The id of a Discord webhook, which may be shown; None for a webhook on this machine."""
        address = self.address
        return address.identity.partition("-")[0] if address.host == API_HOST else None


class Webhook(NamedTuple):
    """A destination's webhook as one source of settings gives it: a URL, or a file that contains the URL."""

    origin: str
    place: Place
    read: Callable[[], Secret]
    """Its URL, checked. Raises InvalidConfiguration."""
    in_file: Path | None
    """The file that contains it, if any."""


class Destinations(NamedTuple):
    """The configured destinations."""

    configs: tuple[DestinationConfig, ...]
    ignored: str | None
    """Why the webhook for everything has no effect, with both settings; None if it is used or not set."""


def find_destinations(sources: Sources, *, assume_limits: bool, reserve: bool, dry_run: bool) -> Destinations:
    """The destinations that have a webhook.

    Without `assume_limits` they have no limits of their own, not even the configured rates. In a dry run, no webhook is
    read: the configured destinations, or the usual ones if none is configured, get a webhook of the sandbox.
    """
    own = _valid_names(sources)
    names = (ONLY_DESTINATION, *_USUAL_RATES, *own)
    webhooks = {name: webhook for name in names if (webhook := _find_webhook(sources, name)) is not None}
    if dry_run:
        chosen = [name for name in names if name in webhooks or name in own] or list(_USUAL_RATES)
        secrets = {name: Secret(f"{SANDBOX}/api/v10/webhooks/{name}/dry-run") for name in chosen}
    else:
        secrets = _read(sources, webhooks)
        _check_complete(sources, [name for name in own if name not in webhooks])
    ignored = None
    if ONLY_DESTINATION in webhooks and len(webhooks) > 1:  # it counts only if no other webhook is set: promise P10
        other = next(webhook for name, webhook in webhooks.items() if name != ONLY_DESTINATION)
        ignored = f"{webhooks[ONLY_DESTINATION].place} is ignored, because {other.place} is set"
        sources.findings.notes.append(f"{ignored}: messages for a destination without a webhook are refused")
        secrets.pop(ONLY_DESTINATION, None)
    for name in secrets:
        sources.origin_by_key[f"{DESTINATIONS}.{name}"] = FROM_DRY_RUN if dry_run else webhooks[name].origin
    limits = {}
    for name in names:
        rate = sources.table_value(DESTINATIONS, name, RATE) or _USUAL_RATES.get(name, RATE.default)
        limits[name] = (Limits(rate) if assume_limits else NOTHING_ASSUMED)._replace(reserve=reserve)
    more = {
        name: (sources.table_value(DESTINATIONS, name, TICKET), *_falling_back(sources, name), *_recaps(sources, name))
        for name in names
    }
    configs = (DestinationConfig(name, secret, limits[name], *more[name]) for name, secret in secrets.items())
    return Destinations(tuple(configs), ignored)


def _falling_back(sources: Sources, name: str) -> tuple[tuple[str, ...], timedelta]:
    """The fallbacks of a destination, and after how long they are used."""
    after = sources.table_value(DESTINATIONS, name, FALL_BACK_AFTER)
    listed = sources.table(DESTINATIONS, name).get(FALLBACKS, [])
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        place = sources.file.place(DESTINATIONS, name, FALLBACKS)
        problem = 'this must list destinations, such as ["signals-backup"]'
        sources.findings.add(f"{place}: {problem}", "invalid-setting", place.field)
        listed = []
    return tuple(listed), FALL_BACK_AFTER.default if after is None else after


def _recaps(sources: Sources, name: str) -> tuple[tuple[Recurrence, ...], RecapDays]:
    """The recaps of a destination, and when their days end."""
    zone = sources.table_value(DESTINATIONS, name, RECAP_TIMEZONE)
    hour = sources.table_value(DESTINATIONS, name, RECAP_HOUR)
    days = RecapDays(RECAP_TIMEZONE.default if zone is None else zone, RECAP_HOUR.default if hour is None else hour)
    listed, words = sources.table(DESTINATIONS, name).get(RECAPS, []), tuple(Recurrence)
    if isinstance(listed, list) and all(each in words for each in listed):
        return tuple(each for each in words if each in listed), days
    place, known = sources.file.place(DESTINATIONS, name, RECAPS), ", ".join(words)
    sources.findings.add(f"{place}: use a list of {known}; [] is none", "unknown-word", place.field, known)
    return (), days


def own_names(sources: Sources) -> tuple[str, ...]:
    """The names of the destinations that the file adds to the usual ones."""
    return tuple(name for name in sources.file.destinations if name not in _USUAL_RATES and name != ONLY_DESTINATION)


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


def _read(sources: Sources, webhooks: Mapping[str, Webhook]) -> dict[str, Secret]:
    secrets = {}
    notes = sources.findings.notes
    for name, webhook in webhooks.items():
        for secret in sources.findings.checked(webhook.place, webhook.read):
            secrets[name] = secret
            if webhook.in_file is not None and is_open_to_others(webhook.in_file):
                shown = shown_path(str(webhook.in_file))
                note = f"{shown} contains a webhook, and every user of this machine can read it: run chmod 600 {shown}"
                notes += [note] if note not in notes else []
    return secrets


def _check_complete(sources: Sources, without_webhook: list[str]) -> None:
    for name in without_webhook:
        hint = f" (if you meant {near}, rename it)" if (near := nearest(name, _USUAL_RATES)) else ""
        place = sources.file.place(DESTINATIONS, name)
        problem = f"no webhook is set: add one, or set {variable_of(name)}{hint}"
        sources.findings.add(f"{place}: {problem}", "missing", f"{DESTINATIONS}.{name}.webhook")


def _find_webhook(sources: Sources, destination: str) -> Webhook | None:
    """The webhook in the first source that has one. A URL and a file in one source are a fault."""
    variable = variable_of(destination)
    found = [each for source in sources.variables if (each := _in_variables(sources, source, variable))]
    if each := _in_settings_file(sources, destination):
        found.append(each)
    return found[0] if found else None


def _in_variables(sources: Sources, source: Variables, variable: str) -> Webhook | None:
    in_a_file = f"{variable}{FILE_SUFFIX}"
    url, file = source.text(variable), source.text(in_a_file)
    if url and file:
        problem = f"{source.place(variable)} and {in_a_file} are both set: remove one of them"
        sources.findings.add(problem, "conflict", variable)
    if url:
        return _direct(source.origin, source.place(variable), url, source.path)
    if file:
        return _in_secret_file(sources, source.origin, source.place(in_a_file), Path(), file)
    return None


def _in_settings_file(sources: Sources, destination: str) -> Webhook | None:
    file, table = sources.file, sources.table(DESTINATIONS, destination)
    keys = [key for key in ("webhook", "webhook_file") if key in table]
    if not keys:
        return None
    if len(keys) > 1:
        problem = f"{file.place(DESTINATIONS, destination)}: webhook and webhook_file are both set: remove one of them"
        sources.findings.add(problem, "conflict", f"{DESTINATIONS}.{destination}.webhook")
    place = file.place(DESTINATIONS, destination, keys[0])
    for text in sources.findings.checked(place, text_of, table[keys[0]], str, "text in quotes"):
        if keys[0] == "webhook":
            return _direct(FILE, place, text, file.path)
        return _in_secret_file(sources, FILE, place, file.path.parent, text)
    return None


def _direct(origin: str, place: Place, url: str, in_file: Path | None) -> Webhook:
    return Webhook(origin, place, partial(_checked, Secret(url)), in_file)


def _in_secret_file(sources: Sources, origin: str, place: Place, folder: Path, text: str) -> Webhook | None:
    for file in sources.findings.checked(place, _secret_file, folder, text):
        return Webhook(origin, place, partial(_read_and_check, file), file)
    return None


def _secret_file(folder: Path, text: str) -> Path:
    if "://" in text:
        raise InvalidConfiguration("this is a URL: use the path of a file that contains the URL", code="not-a-path")
    return folder / path(text)


def _read_and_check(file: Path) -> Secret:
    return _checked(read_secret(file))


def _checked(webhook: Secret) -> Secret:
    WebhookAddress.parse(webhook)
    return webhook


def find_tiers(sources: Sources, configured: Collection[str]) -> Mapping[UserTier, Tier]:
    """The tiers of the file. A tier that would show its signals to a lower one is a fault: promise P10."""
    findings = sources.findings
    faults_before = len(findings.faults)
    tiers: dict[UserTier, Tier] = {}
    for name in sources.file.tiers:
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
    rank = sources.table_value(TIERS, name, RANK)
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
