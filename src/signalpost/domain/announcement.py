"""A message to the community."""

from datetime import datetime
from typing import TYPE_CHECKING

from signalpost import clock
from signalpost.domain import validity
from signalpost.domain.faults import Conversions, fields_of
from signalpost.domain.identity import content_id
from signalpost.domain.instant import Instant, utc
from signalpost.domain.text import id_of, required_text
from signalpost.domain.value import Value


class Announcement(Value, frozen=True, kw_only=True, tag="announcement"):
    """An announcement, validated when created.

    `valid_until` defaults to 24 h after `timestamp`. Raises InvalidValue for invalid fields.
    """

    title: str
    text: str
    timestamp: datetime = None  # type: ignore[assignment]  # derived in __post_init__
    announcement_id: str = None  # type: ignore[assignment]  # derived in __post_init__
    valid_until: datetime = None  # type: ignore[assignment]  # derived in __post_init__

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            title: str,
            text: str,
            timestamp: Instant | None = None,
            announcement_id: str | None = None,
            valid_until: Instant | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set(**fields_of(self, _CONVERSION_BY_FIELD, ("title", "text")))
        instant = clock.now() if self.timestamp is None else self.timestamp
        self._set(timestamp=instant, valid_until=validity.end(self.valid_until, instant, validity.ANNOUNCEMENT))
        if self.announcement_id is None:
            self._set(announcement_id=content_id("announcement", instant, self.title, self.text))


_CONVERSION_BY_FIELD: Conversions = {
    "title": required_text,
    "text": required_text,
    "timestamp": utc,
    "announcement_id": id_of,
    "valid_until": utc,
}
