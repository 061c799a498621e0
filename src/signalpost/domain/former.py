"""The signal ids of earlier versions, in which `strategy_name` had a default and symbols were shortened.

Kept for one release, so that a signal sent both before and after an upgrade is detected as a duplicate.
"""

import re
from functools import lru_cache

from signalpost.domain.identity import NO_STRATEGY, derived_id, id_start
from signalpost.domain.notification import Payload
from signalpost.domain.signal import Signal

_STRATEGY = "MA Unified Strategy"
_NOT_SIMPLE = re.compile(r"[^A-Z0-9/_-]+")


def former_ids(payload: Payload) -> tuple[str, ...]:
    """The ids under which an earlier version may have accepted `payload`; empty if its id is custom or unchanged."""
    if not isinstance(payload, Signal):
        return ()
    start, old_start = _starts(payload.strategy_name, payload.pair.symbol)
    if start == old_start:
        return ()
    derived = derived_id(payload, start)
    if not payload.signal_id.endswith(derived):
        return ()
    before = payload.signal_id.removesuffix(derived)  # hooks put their token's name first
    return (f"{before}{old_start}{derived.removeprefix(start)}",)


@lru_cache(maxsize=256)
def _starts(strategy: str | None, symbol: str) -> tuple[str, str]:
    """How a derived id begins, now and in earlier versions."""
    return id_start(strategy or NO_STRATEGY, symbol), id_start(strategy or _STRATEGY, _old_symbol(symbol))


def _old_symbol(symbol: str) -> str:
    """A symbol as hooks shortened it; the whole symbol if that lost letters, because others may share the result."""
    short = _NOT_SIMPLE.sub("_", symbol.rpartition(":")[2]).strip("_").replace("/", "_").replace("-", "_")
    exchange, _, rest = symbol.partition(":")
    whole = rest if rest and "/" not in exchange else symbol
    is_whole = [each for each in whole if each.isalnum()] == [each for each in short if each.isalnum()]
    return short if is_whole else symbol
