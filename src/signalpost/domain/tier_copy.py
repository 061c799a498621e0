"""How a tier gets its signals, if not all of each at once."""

from datetime import timedelta
from decimal import Decimal

import msgspec

from signalpost.domain.words import Word

AT_ONCE = timedelta(0)


class Hidden(Word):
    """A field that a tier does not show while a trade lives."""

    STOP = "stop"
    TARGETS = "targets"
    CHART = "chart"


class IfEnded(Word):
    """What becomes of a delayed signal that ends before its release."""

    SHOW = "show"
    DROP = "drop"


class TierCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A tier's copies of signals. The default is everything at once."""

    delay: timedelta = AT_ONCE
    """How long after the signal was accepted it is released, and after a change this one. Ends are shown at once."""
    hidden: frozenset[Hidden] = frozenset()
    """Shown when the trade is over."""
    if_ended: IfEnded = IfEnded.SHOW
    min_confidence: Decimal | None = None
    """A signal with a lower confidence, or with none, is not sent."""


WHOLE_COPY = TierCopy()
