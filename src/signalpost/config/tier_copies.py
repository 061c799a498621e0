"""Reads how each tier gets its signals: `delay`, `hide`, `if_ended` and `min_confidence` of its table."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from signalpost.config.destinations import tier_named
from signalpost.config.settings import DELAY, IF_ENDED, TIERS
from signalpost.config.sources import Sources
from signalpost.domain.tier import UserTier
from signalpost.domain.tier_copy import WHOLE_COPY, Hidden, TierCopy
from signalpost.errors import InvalidConfiguration

_HIDE, _MIN_CONFIDENCE = "hide", "min_confidence"


def find_copies(sources: Sources) -> Mapping[UserTier, TierCopy]:
    """The copies of the tiers that do not get everything at once."""
    copies = {}
    for name in sources.file.tiers:
        try:
            tier = tier_named(name)
        except InvalidConfiguration:
            continue  # it is reported with the tiers
        copy = TierCopy(
            delay=sources.table_value(TIERS, name, DELAY) or DELAY.default,
            hidden=_hidden(sources, name),
            if_ended=sources.table_value(TIERS, name, IF_ENDED) or IF_ENDED.default,
            min_confidence=_min_confidence(sources, name),
        )
        if copy != WHOLE_COPY:
            copies[tier] = copy
    return copies


def _hidden(sources: Sources, name: str) -> frozenset[Hidden]:
    listed: Any = sources.table(TIERS, name).get(_HIDE, [])
    words = tuple(Hidden)
    if isinstance(listed, list) and all(each in words for each in listed):
        return frozenset(map(Hidden, listed))
    place = sources.file.place(TIERS, name, _HIDE)
    known = ", ".join(words)
    sources.findings.add(f"{place}: use a list of {known}; [] hides nothing", "unknown-word", place.field, known)
    return frozenset()


def _min_confidence(sources: Sources, name: str) -> Decimal | None:
    given = sources.table(TIERS, name).get(_MIN_CONFIDENCE)
    if given is None:
        return None
    try:
        least = Decimal(str(given)) if type(given) in {int, float, str} else Decimal(-1)
    except InvalidOperation:
        least = Decimal(-1)
    if 0 <= least <= 1:
        return least
    place = sources.file.place(TIERS, name, _MIN_CONFIDENCE)
    sources.findings.add(f"{place}: use a number from 0 to 1, such as 0.7", "out-of-range", place.field, "0 to 1")
    return None
