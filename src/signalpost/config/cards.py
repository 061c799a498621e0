"""Reads how messages look from all sources of settings."""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from signalpost.config import settings
from signalpost.config.destinations import tier_named
from signalpost.config.parsers import ROLE_ID, advice, role
from signalpost.config.sources import Sources, Table, text_of
from signalpost.delivery.routing import Tier, ranks_of
from signalpost.domain.destinations import SIGNALS_BY_TIER
from signalpost.domain.tier import WHOLE_COPY, Hidden, TierCopy, UserTier
from signalpost.errors import InvalidConfiguration
from signalpost.sinks.discord.cards.look import Colours, Event, Look, Roles


def find_look(
    sources: Sources,
    values: Mapping[str, Any],
    tiers: Mapping[UserTier, Tier],
    copies: Mapping[UserTier, TierCopy],
    destinations: Collection[str],
) -> Look:
    """How messages look. `values` has the value of each setting by its name.

    `tiers` and `destinations` are those that are configured.
    """
    fields = {
        table: {each.key: values[each.name] for each in settings.CARD_SETTINGS if each.table == table}
        for table in _TABLES
    }
    usual = Look()
    return Look(
        **fields[settings.CARDS],
        colours=Colours(**fields[settings.COLOURS]),
        companions={
            Event(key): each
            for key, each in fields[settings.COMPANIONS].items()
            if each is not usual.sending(Event(key))
        },
        roles=_roles(sources, ranks_of(tiers)),
        copies=copies,
        full_tier=_full_tier(tiers, copies, destinations),
    )


def _full_tier(
    tiers: Mapping[UserTier, Tier], copies: Mapping[UserTier, TierCopy], destinations: Collection[str]
) -> UserTier:
    """The lowest tier of readers that gets everything at once; PREMIUM if no such tier has a webhook.

    Messages name it only if another tier gets a copy.
    """
    ranks = ranks_of(tiers)
    for tier in sorted(ranks, key=ranks.__getitem__) if copies else ():
        copy = copies.get(tier, WHOLE_COPY)
        names = tiers[tier].signals_to if tier in tiers else (SIGNALS_BY_TIER[tier],)
        has_readers = tier != UserTier.ADMIN and not set(destinations).isdisjoint(names)
        if has_readers and not copy.delay and not copy.hidden:
            return tier
    return UserTier.PREMIUM


def _roles(sources: Sources, known: Collection[UserTier]) -> Mapping[UserTier, Roles]:
    findings, roles = sources.findings, dict[UserTier, Roles]()
    for name, table in sources.tables(settings.ROLES).items():
        place = sources.file.place(*settings.ROLES.split("."), name)
        for tier in findings.checked(place, tier_named, name):
            if tier not in known:
                problem = f"{place}: this is not a tier: {advice(tier, known)}"
                findings.add(problem, "unknown-word", place.field, ", ".join(known))
            elif tier in roles:
                problem = "the tier is named twice, in upper and lower case: remove one of them"
                findings.add(f"{place}: {problem}", "conflict", place.field)
            else:
                roles[tier] = _roles_of(sources, name, table)
    return roles


def _roles_of(sources: Sources, name: str, table: Table) -> Roles:
    ids: dict[str, str | None] = {}
    for key in (each for each in settings.ROLE_KEYS if each in table):  # others were reported as unknown
        place = sources.file.place(*settings.ROLES.split("."), name, key)
        for each in sources.findings.checked(place, _role, table[key]):
            ids[key] = each
    usual = ids.pop(settings.USUAL_ROLE, None)
    return Roles(usual, {Event(key): each for key, each in ids.items()})


def _role(value: object) -> str | None:
    return None if value is False else role(text_of(value, str, ROLE_ID))


_TABLES = (settings.CARDS, settings.COLOURS, settings.COMPANIONS)


_HIDE, _MIN_CONFIDENCE = "hide", "min_confidence"


def find_copies(sources: Sources) -> Mapping[UserTier, TierCopy]:
    """The copies of the tiers that do not get everything at once."""
    copies = {}
    for name in sources.tables(settings.TIERS):
        try:
            tier = tier_named(name)
        except InvalidConfiguration:
            continue  # it is reported with the tiers
        copy = TierCopy(
            delay=sources.table_value(settings.TIERS, name, settings.DELAY, settings.DELAY.default),
            hidden=sources.table_words(settings.TIERS, name, _HIDE, Hidden, "[] hides nothing"),
            if_ended=sources.table_value(settings.TIERS, name, settings.IF_ENDED, settings.IF_ENDED.default),
            min_confidence=_min_confidence(sources, name),
        )
        if copy != WHOLE_COPY:
            copies[tier] = copy
    return copies


def slower_tiers(copies: Mapping[UserTier, TierCopy], ranks: Mapping[UserTier, int]) -> Iterator[str]:
    """A warning for each tier that gets its signals later than a lower one."""
    delays = {tier: copies.get(tier, WHOLE_COPY).delay for tier in ranks}
    for tier, rank in ranks.items():
        faster = [str(other) for other in ranks if ranks[other] < rank and delays[other] < delays[tier]]
        if faster:
            yield f"the tier {tier} gets its signals later than a lower tier ({', '.join(faster)}): check the delays"


def _min_confidence(sources: Sources, name: str) -> Decimal | None:
    given = sources.table(settings.TIERS, name).get(_MIN_CONFIDENCE)
    if given is None:
        return None
    try:
        least = Decimal(str(given)) if type(given) in {int, float, str} else Decimal(-1)
    except InvalidOperation:
        least = Decimal(-1)
    if 0 <= least <= 1:
        return least
    place = sources.file.place(settings.TIERS, name, _MIN_CONFIDENCE)
    sources.findings.add(f"{place}: use a number from 0 to 1, such as 0.7", "out-of-range", place.field, "0 to 1")
    return None
