"""Reads how messages look from all sources of settings."""

from collections.abc import Collection, Mapping
from typing import Any

from signalpost.config.destinations import tier_named
from signalpost.config.parsers import ROLE_ID, advice, role
from signalpost.config.settings import CARD_SETTINGS, CARDS, COLOURS, COMPANIONS, ROLE_KEYS, ROLES, USUAL_ROLE
from signalpost.config.sources import Sources, Table, text_of
from signalpost.domain.tier import UserTier
from signalpost.domain.tier_copy import TierCopy
from signalpost.sinks.discord.cards.look import Colours, Event, Look, Roles


def find_look(
    sources: Sources, tiers: Collection[UserTier], copies: Mapping[UserTier, TierCopy]
) -> tuple[Look, Mapping[str, Any]]:
    """How messages look, and the value of each setting by its name. Only `tiers` can have roles."""
    values = {setting.name: sources.value(setting) for setting in CARD_SETTINGS}
    fields = {
        table: {each.key: values[each.name] for each in CARD_SETTINGS if each.table == table} for table in _TABLES
    }
    usual = Look()
    look = Look(
        **fields[CARDS],
        colours=Colours(**fields[COLOURS]),
        companions={
            Event(key): each for key, each in fields[COMPANIONS].items() if each is not usual.sending(Event(key))
        },
        roles=_roles(sources, tiers),
        copies=copies,
    )
    return look, values


def _roles(sources: Sources, known: Collection[UserTier]) -> Mapping[UserTier, Roles]:
    findings, roles = sources.findings, dict[UserTier, Roles]()
    for name, table in sources.file.roles.items():
        place = sources.file.place(*ROLES.split("."), name)
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
    for key in (each for each in ROLE_KEYS if each in table):  # others were reported as unknown
        place = sources.file.place(*ROLES.split("."), name, key)
        for each in sources.findings.checked(place, _role, table[key]):
            ids[key] = each
    usual = ids.pop(USUAL_ROLE, None)
    return Roles(usual, {Event(key): each for key, each in ids.items()})


def _role(value: object) -> str | None:
    return None if value is False else role(text_of(value, str, ROLE_ID))


_TABLES = (CARDS, COLOURS, COMPANIONS)
