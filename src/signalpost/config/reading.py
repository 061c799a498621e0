"""Reads a configuration from all its sources: flags, the environment, `.env`, a file, and the defaults.

All that is wrong in any of them is told at once. It is returned and not raised: an error takes along the variables of
its frames, and here they hold the sources. See docs/why/0021-settings-have-sources.md.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from signalpost.config import known, spelling
from signalpost.config.destination import DestinationConfig, HttpAddress
from signalpost.config.destinations import Pacing, find_destinations, own_names
from signalpost.config.dot_env import DotEnv, read_dot_env
from signalpost.config.faults import Faults
from signalpost.config.nearest import advice
from signalpost.config.sources import DOT_ENV, ENVIRONMENT, FLAG, Sources, Variables
from signalpost.config.spelling import shown_name
from signalpost.config.tiers import find_tiers
from signalpost.config.toml_file import NO_FILE, read_settings_file
from signalpost.delivery.routing import Tier
from signalpost.domain.tier import UserTier
from signalpost.errors import Fault

DRY_RUN_FOLDER = "dry-run"
"""The data folder of dry runs, in the usual one: what waits for Discord must not be used up by the sandbox."""


class Reading(NamedTuple):
    """What was read: the values of a configuration, where each came from, and what was noticed."""

    home: Path
    destinations: tuple[DestinationConfig, ...]
    tiers: Mapping[UserTier, Tier]
    workers: int
    pacing: Pacing
    at_most_once: frozenset[str]
    retention: timedelta
    http: HttpAddress | None
    dry_run: bool
    notes: tuple[str, ...]
    ignored: str | None
    """Which webhook for everything is set without effect, and why."""
    origin_by_key: Mapping[str, str]
    """Where each setting, destination and tier is from: flag, environment, .env, file or default."""
    file: Path | None
    """The file of settings, if one was named."""
    faults: tuple[Fault, ...]
    """All that is wrong in any source; never a webhook."""


def read(environment: Mapping[str, str], flags: Mapping[str, str], dot_env: Path | None) -> Reading:
    """Read all sources, with all that is wrong with any."""
    below = read_dot_env(dot_env, environment) if dot_env is not None else DotEnv({}, {}, Faults(), [])
    sources = Sources(
        (
            Variables(FLAG, flags),
            Variables(ENVIRONMENT, environment),
            Variables(DOT_ENV, below.texts, dot_env, below.line_by_variable),
        )
    )
    sources.faults += below.faults
    sources.notes += below.notes
    _open_file(sources)
    return _read(sources, environment)


def _open_file(sources: Sources) -> None:
    if (named := sources.first(known.CONFIG_FILE)) is not None:
        variables, text = named
        for path in sources.checked(variables.place(known.CONFIG_FILE), lambda: spelling.path(text)):
            sources.file = read_settings_file(path, sources.faults)


def _read(sources: Sources, environment: Mapping[str, str]) -> Reading:
    dry_run = sources.value(known.DRY_RUN)
    home = sources.value(known.HOME) or _usual_home(environment)
    pacing = Pacing(sources.value(known.LIMITS), sources.value(known.RESERVE))
    destinations = find_destinations(sources, pacing, dry_run=dry_run)
    tiers = find_tiers(sources, [each.name for each in destinations])
    sources.notes += [*_unheard_of(sources, tiers), *_unknown(sources)]
    return Reading(
        home=home / DRY_RUN_FOLDER if dry_run else home,
        destinations=destinations,
        tiers=tiers,
        workers=sources.value(known.WORKERS),
        pacing=pacing,
        at_most_once=sources.value(known.AT_MOST_ONCE),
        retention=sources.value(known.RETENTION),
        http=sources.value(known.HTTP),
        dry_run=dry_run,
        notes=tuple(sources.notes),
        ignored=sources.ignored,
        origin_by_key=sources.origin_by_key,
        file=None if sources.file is NO_FILE else sources.file.path,
        faults=tuple(dict.fromkeys(sources.faults)),  # at last: to look a value up may find some
    )


def _usual_home(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_DATA_HOME", "")
    if not Path(base).is_absolute():  # which its specification says to pass over
        base = "~/.local/share"
    return Path(base).expanduser() / "signalpost"


def _unheard_of(sources: Sources, tiers: Mapping[UserTier, Tier]) -> Iterator[str]:
    heard = {destination for tier in tiers.values() for destination in tier.signals_to}
    for name in own_names(sources):
        if name not in heard:
            yield f"nothing goes to {name}: name it in the signals_to of a tier"


def _unknown(sources: Sources) -> Iterator[str]:
    """Tell each variable that looks like ours and is not: a mistyped one has no effect, which nobody notices."""
    variables = known.known_variables(own_names(sources))
    for source in sources.variables:
        for name, text in source.texts.items():
            if known.is_meant_for_us(name) and name not in variables and text.strip():
                place = source.place(name) if shown_name(name) == name else shown_name(name)
                yield f"{place} is not known, and has no effect: {advice(name.upper(), variables)}"
