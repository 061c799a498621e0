from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from decimal import Context, localcontext

import pytest

from signalpost.testing.manual_clock import ManualClock

Hostile = Callable[[], AbstractContextManager[Context]]


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[ManualClock]:
    """One second after the H4 candle of 2025-08-20 01:00 UTC closed."""
    with ManualClock("2025-08-20T05:00:01Z") as manual:
        yield manual


@pytest.fixture(scope="session")
def hostile() -> Hostile:
    """The worst decimal context a thread can have: one digit, no exponents, and a trap for everything."""

    def enter() -> AbstractContextManager[Context]:
        context = Context(prec=1, Emin=0, Emax=0)
        for signal in context.traps:
            context.traps[signal] = True
        return localcontext(context)

    return enter
