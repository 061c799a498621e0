"""A view of the market, written for people."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from signalpost import clock
from signalpost.domain import validity
from signalpost.domain.context import Context, read_context
from signalpost.domain.faults import Conversions, fields_of
from signalpost.domain.identity import content_id
from signalpost.domain.instant import Instant, utc
from signalpost.domain.instrument import Instrument, read_pair
from signalpost.domain.text import id_of, required_text
from signalpost.domain.value import Value


class MarketAnalysis(Value, frozen=True, kw_only=True, tag="market_analysis"):
    """An analysis, validated when created; `context` has its trend and regime.

    `valid_until` defaults to 4 h after `timestamp`. Raises InvalidValue for invalid fields.
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
        self._set(**fields_of(self, _CONVERSION_BY_FIELD, ("title", "text", "context")))
        instant = clock.now() if self.timestamp is None else self.timestamp
        self._set(timestamp=instant, valid_until=validity.end(self.valid_until, instant, validity.ANALYSIS))
        if self.analysis_id is None:
            self._set(analysis_id=content_id("analysis", instant, self.title, self.text, self.pair, self.context))


_CONVERSION_BY_FIELD: Conversions = {
    "title": required_text,
    "text": required_text,
    "pair": read_pair,
    "timestamp": utc,
    "analysis_id": id_of,
    "context": read_context,
    "valid_until": utc,
}
