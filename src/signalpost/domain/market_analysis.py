"""A view of the market, written for people."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from signalpost import clock
from signalpost.domain import validity
from signalpost.domain.context import Context
from signalpost.domain.identity import content_id, given_or
from signalpost.domain.instant import Instant, utc
from signalpost.domain.instrument import Instrument
from signalpost.domain.text import required_text
from signalpost.domain.value import Value


class MarketAnalysis(Value, frozen=True, kw_only=True, tag="market_analysis"):
    """An analysis, checked when made; `context` holds its trend and regime facts.

    Valid for 4 h after `timestamp` unless given. Raises InvalidValue for what cannot be meant.
    """

    title: str
    text: str
    pair: Instrument | None = None
    timestamp: datetime = None  # type: ignore[assignment]  # derived in __post_init__
    analysis_id: str = None  # type: ignore[assignment]  # derived in __post_init__
    context: Context = Context()
    valid_until: datetime = None  # type: ignore[assignment]  # derived in __post_init__

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            title: str,
            text: str,
            pair: str | None = None,
            timestamp: Instant | None = None,
            analysis_id: str | None = None,
            context: Mapping[str, object] = ...,
            valid_until: Instant | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        instant = clock.now() if self.timestamp is None else utc(self.timestamp, "timestamp")
        self._set(
            title=required_text(self.title, "title"),
            text=required_text(self.text, "text"),
            pair=None if self.pair is None else Instrument(self.pair),
            timestamp=instant,
            context=Context(self.context),
            valid_until=validity.end(self.valid_until, instant, validity.ANALYSIS),
        )
        derived = content_id("analysis", instant, self.title, self.text, self.pair, self.context)
        self._set(analysis_id=given_or(self.analysis_id, derived, "analysis_id"))
