"""The status of a system: up, degraded or down, with its figures."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from signalpost import clock
from signalpost.domain import validity
from signalpost.domain.context import Context, read_context
from signalpost.domain.faults import Conversions, fields_of
from signalpost.domain.identity import content_id
from signalpost.domain.instant import Instant, utc
from signalpost.domain.text import id_of, text_of
from signalpost.domain.value import Value
from signalpost.errors import InvalidValue


class SystemStatus(Value, frozen=True, kw_only=True, tag="system_status"):
    """A status report, validated when created; `status` is any identifier, such as `operational`.

    `valid_until` defaults to 15 min after `timestamp`. Raises InvalidValue for invalid fields.
    """

    status: str
    message: str = ""
    uptime: timedelta | None = None
    metrics: Context = Context()
    timestamp: datetime = None  # type: ignore[assignment]  # derived in __post_init__
    status_id: str = None  # type: ignore[assignment]  # derived in __post_init__
    valid_until: datetime = None  # type: ignore[assignment]  # derived in __post_init__

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            status: str,
            message: str = "",
            uptime: timedelta | None = None,
            metrics: Mapping[str, object] = ...,
            timestamp: Instant | None = None,
            status_id: str | None = None,
            valid_until: Instant | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set(**fields_of(self, _CONVERSION_BY_FIELD, ("status", "message", "metrics")))
        instant = clock.now() if self.timestamp is None else self.timestamp
        self._set(timestamp=instant, valid_until=validity.end(self.valid_until, instant, validity.STATUS))
        if self.status_id is None:
            self._set(status_id=content_id("status", instant, self.status, self.message, self.uptime, self.metrics))


def _uptime(given: object, name: str) -> timedelta:
    if not isinstance(given, timedelta) or given < timedelta():
        raise InvalidValue.of(name, given, "use a timedelta of zero or more", code="out-of-range", limit="0 or more")
    return timedelta(given.days, given.seconds, given.microseconds)  # a pandas Timedelta becomes a plain one


_CONVERSION_BY_FIELD: Conversions = {
    "status": id_of,
    "message": text_of,
    "uptime": _uptime,
    "metrics": read_context,
    "timestamp": utc,
    "status_id": id_of,
    "valid_until": utc,
}
