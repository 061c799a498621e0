"""How the system is: up, degraded or down, with its figures."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from signalpost import clock
from signalpost.domain import validity
from signalpost.domain.context import Context
from signalpost.domain.identity import content_id, given_or
from signalpost.domain.instant import Instant, utc
from signalpost.domain.text import id_of, shown, text_of
from signalpost.domain.value import Value
from signalpost.errors import InvalidValue


class SystemStatus(Value, frozen=True, kw_only=True, tag="system_status"):
    """A status report, checked when made; `status` is a word such as `operational`.

    Valid for 15 min after `timestamp` unless given. Raises InvalidValue for what cannot be meant.
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
        instant = clock.now() if self.timestamp is None else utc(self.timestamp, "timestamp")
        self._set(
            status=id_of(self.status, "status"),
            message=text_of(self.message, "message"),
            uptime=None if self.uptime is None else _uptime(self.uptime),
            metrics=Context(self.metrics),
            timestamp=instant,
            valid_until=validity.end(self.valid_until, instant, validity.STATUS),
        )
        derived = content_id("status", instant, self.status, self.message, self.uptime, self.metrics)
        self._set(status_id=given_or(self.status_id, derived, "status_id"))


def _uptime(given: object) -> timedelta:
    if not isinstance(given, timedelta) or given < timedelta():
        raise InvalidValue(f"uptime is {shown(given)}: give a timedelta of zero or more")
    return timedelta(given.days, given.seconds, given.microseconds)  # a pandas Timedelta becomes a plain one
