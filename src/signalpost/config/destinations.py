"""Which destinations are configured, from all sources: the usual ones, the single one, and the operator's own."""

import re
from typing import NamedTuple

from signalpost.config.at_start import ONLY_DESTINATION
from signalpost.config.destination import DestinationConfig
from signalpost.config.known import IN_A_FILE, variable_of
from signalpost.config.nearest import nearest
from signalpost.config.sources import DRY_RUN, Sources
from signalpost.config.spelling import messages_a_minute
from signalpost.config.toml_file import DESTINATIONS
from signalpost.config.webhooks import Webhook, find_webhook, tell_who_may_read
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.secret import Secret

SANDBOX = "http://127.0.0.1:8751"
USUAL_PACE = 30
"""Messages a minute of a destination that is none of the seven."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_PACES = {usual.name: usual.messages_a_minute for usual in USUAL_DESTINATIONS}


class Pacing(NamedTuple):
    """What the settings say of the limits of all destinations."""

    has_limits: bool
    reserve: bool

    def limits(self, pace: int) -> Limits:
        """The limits of a destination with a pace of its own."""
        limits = Limits(pace) if self.has_limits else NOTHING_ASSUMED
        return limits._replace(reserve=self.reserve)


def find_destinations(sources: Sources, pacing: Pacing, *, dry_run: bool) -> tuple[DestinationConfig, ...]:
    """Each configured destination; in a dry run, each with the sandbox for its webhook, and no webhook is read."""
    own = _usable_names(sources)
    found = {name: find_webhook(sources, name) for name in (ONLY_DESTINATION, *_PACES, *own)}
    named = {name: webhook for name, webhook in found.items() if webhook is not None}
    if dry_run:
        secrets = {name: _in_the_sandbox(name) for name in found if name in named or name in own}
        secrets = secrets or {name: _in_the_sandbox(name) for name in _PACES}
    else:
        secrets = _read(sources, named)
        _tell_missing(sources, [name for name in own if name not in named])
    if len(named) > 1 and ONLY_DESTINATION in named:  # for everything, or for nothing: P10
        _tell_of_the_only_one(sources, named)
        secrets.pop(ONLY_DESTINATION, None)
    for name in secrets:
        sources.origin_by_key[f"{DESTINATIONS}.{name}"] = DRY_RUN if dry_run else named[name].origin
    paces = {name: _pace(sources, name) for name in found}
    return tuple(DestinationConfig(name, secret, pacing.limits(paces[name])) for name, secret in secrets.items())


def own_names(sources: Sources) -> tuple[str, ...]:
    """The names of the destinations that the file adds to the usual ones."""
    return tuple(name for name in sources.file.destinations if name not in _PACES and name != ONLY_DESTINATION)


def _usable_names(sources: Sources) -> tuple[str, ...]:
    taken = {variable for name in (ONLY_DESTINATION, *_PACES) for variable in _variables(name)}
    kept = []
    for name in own_names(sources):
        place = sources.file.place(DESTINATIONS, name)
        if not _NAME.fullmatch(name):
            sources.faults.add(
                f"{place}: no name of a destination: give 1 to 32 of a-z, 0-9, - and _", "invalid-name", DESTINATIONS
            )
        elif taken & _variables(name):
            sources.faults.add(
                f"{place}: its variable {variable_of(name)} is that of another: take another name", "conflict", name
            )
        else:
            kept.append(name)
            taken |= _variables(name)
    return tuple(kept)


def _variables(name: str) -> set[str]:
    variable = variable_of(name)
    return {variable, f"{variable}{IN_A_FILE}"}


def _tell_of_the_only_one(sources: Sources, named: dict[str, Webhook]) -> None:
    only, other = named[ONLY_DESTINATION], next(named[name] for name in named if name != ONLY_DESTINATION)
    sources.ignored = f"{only.place} is ignored, because {other.place} is set"
    sources.notes.append(f"{sources.ignored}: what has no webhook is refused")


def _read(sources: Sources, named: dict[str, Webhook]) -> dict[str, Secret]:
    secrets = {}
    for name, webhook in named.items():
        for secret in sources.checked(webhook.place, webhook.read):
            secrets[name] = secret
            tell_who_may_read(webhook, sources.notes)
    return secrets


def _tell_missing(sources: Sources, names: list[str]) -> None:
    for name in names:
        usual = f"; did you mean {near}?" if (near := nearest(name, _PACES)) else ""
        place = sources.file.place(DESTINATIONS, name)
        told = f"{place}: it has no webhook: give it one, or set {variable_of(name)}{usual}"
        sources.faults.add(told, "missing", f"{DESTINATIONS}.{name}.webhook")


def _in_the_sandbox(name: str) -> Secret:
    return Secret(f"{SANDBOX}/api/v10/webhooks/{name}/dry-run")


def _pace(sources: Sources, name: str) -> int:
    usual = _PACES.get(name, USUAL_PACE)
    wanted = "a whole number of messages"
    return sources.of_table(DESTINATIONS, name, "messages_a_minute", messages_a_minute, wanted) or usual
