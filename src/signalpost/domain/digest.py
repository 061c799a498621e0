"""The digest of signals that came too late to be posted, for the readers of one destination."""

from datetime import datetime

import msgspec

from signalpost.domain import validity
from signalpost.domain.identity import content_id
from signalpost.domain.instant import utc
from signalpost.domain.instrument import Instrument
from signalpost.domain.side import SignalType
from signalpost.domain.text import required_text
from signalpost.domain.value import Conversions, Value, fields_of


class MissedSignal(msgspec.Struct, frozen=True):
    """A signal that was too old when its candle was taken."""

    signal_id: str
    number: int
    """The number of its trade in the signal book."""
    pair: Instrument
    side: SignalType
    known_at: datetime
    standing: str | None = None
    """Its result by the time of the digest, for readers, or `open` or `not filled`; None if unknown."""


class Digest(Value, frozen=True, kw_only=True, tag="digest"):
    """The signals that one destination missed between two instants. Valid for as long as an announcement."""

    destination: str
    """The only destination that it is sent to."""
    since: datetime
    timestamp: datetime
    """The end of the period in which they were missed."""
    signals: tuple[MissedSignal, ...]
    """Oldest first."""
    digest_id: str = ""
    valid_until: datetime = None  # type: ignore[assignment]  # derived in __post_init__

    def __post_init__(self) -> None:
        self._set(**fields_of(self, _CONVERSIONS))
        ids = tuple(each.signal_id for each in self.signals)
        self._set(
            valid_until=validity.end(self.valid_until, self.timestamp, validity.ANNOUNCEMENT),
            digest_id=self.digest_id or content_id("digest", self.since, self.destination, ids),
        )


_CONVERSIONS: Conversions = {"destination": required_text, "since": utc, "timestamp": utc}
