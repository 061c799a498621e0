"""The audiences that a file adds, or whose signals it sends elsewhere."""

from collections.abc import Collection, Iterator, Mapping

from signalpost.config.destinations import own_names
from signalpost.config.nearest import advice
from signalpost.config.sources import Sources
from signalpost.config.spelling import rank, shown_name
from signalpost.config.toml_file import TIERS
from signalpost.delivery.routing import USUAL_RANKS, Routing, Tier
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration, InvalidValue


def find_tiers(sources: Sources, configured: Collection[str]) -> Mapping[UserTier, Tier]:
    """The tiers of the file. That none shows its signals to a lower one is checked: P10."""
    faults_before = len(sources.faults)
    tiers: dict[UserTier, Tier] = {}
    for name in sources.file.tiers:
        place = sources.file.place(TIERS, name)
        for tier in sources.checked(place, lambda name=name: _tier_name(name)):  # type: ignore[misc]  # mypy reads no default of a lambda
            if tier in tiers:
                told = f"{place}: it stands twice, in other letters: take one of them away"
                sources.faults.add(told, "conflict", f"{TIERS}.{tier}")
            tiers[tier] = Tier(_rank(sources, name, tier), _destinations(sources, name, configured))
    if len(sources.faults) == faults_before:  # else some would be told twice, in other words
        _check_audiences(sources, configured, tiers)
    return tiers


def _tier_name(name: str) -> UserTier:
    try:
        return UserTier(name)
    except InvalidValue:
        pass
    raise InvalidConfiguration(
        "it is not a valid tier name: give 1 to 32 letters, digits, - and _", code="invalid-name"
    )


def _rank(sources: Sources, name: str, tier: UserTier) -> int:
    usual = USUAL_RANKS.get(tier)
    found = sources.of_table(TIERS, name, "rank", rank, "a whole number, such as 15")
    if usual is not None and found not in {None, usual}:
        told = f"{sources.file.place(TIERS, name, 'rank')}: that of {tier} is {usual}: leave it out"
        sources.faults.add(told, "conflict", f"{TIERS}.{tier}.rank")
    if usual is None and "rank" not in sources.table(TIERS, name):
        place = sources.file.place(TIERS, name)
        told = f"{place}: it has no rank: give one; free is 0, premium 10, admin 20"
        sources.faults.add(told, "missing", f"{TIERS}.{tier}.rank")
    return usual if usual is not None else found or 0


def _destinations(sources: Sources, name: str, configured: Collection[str]) -> tuple[str, ...]:
    place = sources.file.place(TIERS, name, "signals_to")
    listed = sources.table(TIERS, name).get("signals_to")
    if not isinstance(listed, list) or not listed:
        told = f'{place}: it is not a list of destinations: give one such as ["signals-gold"]'
        sources.faults.add(told, "invalid-setting", "signals_to")
        return ()
    known = [*dict.fromkeys([*own_names(sources), *configured, *(usual.name for usual in USUAL_DESTINATIONS)])]
    for fault in _faults(listed, known):
        sources.faults.add(f"{place}: {fault}", "unknown-word", "signals_to")
    return tuple(dict.fromkeys(each for each in listed if isinstance(each, str)))


def _faults(listed: list[object], known: list[str]) -> Iterator[str]:
    for each in listed:
        if not isinstance(each, str):
            yield "it lists something that is not text: give names of destinations in quotes"
        elif each not in known:
            yield f"{shown_name(each)} is no destination: {advice(each, known)}"


def _check_audiences(sources: Sources, configured: Collection[str], tiers: Mapping[UserTier, Tier]) -> None:
    for _ in sources.checked(sources.file.place(TIERS), lambda: Routing(configured, tiers=tiers)):
        pass
