"""The signal ids of earlier versions, in which `strategy_name` had a default and symbols were shortened.

Kept for one release, so that a signal sent both before and after an upgrade is detected as a duplicate.
"""

import re
from functools import lru_cache

from signalpost.domain.identity import NO_STRATEGY, derived_id, strategy_slug
from signalpost.domain.notification import Payload
from signalpost.domain.signal import Signal

_STRATEGY = "MA Unified Strategy"
_NOT_SIMPLE = re.compile(r"[^A-Z0-9/_-]+")


def former_ids(payload: Payload) -> tuple[str, ...]:
    """The ids under which an earlier version may have accepted `payload`; empty if its id is custom or unchanged."""
    if not isinstance(payload, Signal):
        return ()
    strategy = strategy_slug(payload.strategy_name or NO_STRATEGY)
    derived = derived_id(payload, strategy, payload.pair.symbol)
    if not payload.signal_id.endswith(derived):
        return ()
    before = payload.signal_id.removesuffix(derived)  # hooks put their token's name first
    old_strategy = strategy_slug(payload.strategy_name or _STRATEGY)
    tail = derived.removeprefix(f"{strategy}:{payload.pair.symbol}")
    old = f"{before}{old_strategy}:{_old_symbol(payload.pair.symbol)}{tail}"
    return () if old == payload.signal_id else (old,)


@lru_cache(maxsize=256)
def _old_symbol(symbol: str) -> str:
    """A symbol as hooks shortened it; the whole symbol if that lost letters, because others may share the result."""
    short = _NOT_SIMPLE.sub("_", symbol.rpartition(":")[2]).strip("_").replace("/", "_").replace("-", "_")
    exchange, _, rest = symbol.partition(":")
    whole = rest if rest and "/" not in exchange else symbol
    is_whole = [each for each in whole if each.isalnum()] == [each for each in short if each.isalnum()]
    return short if is_whole else symbol
