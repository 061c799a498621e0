"""Notifications other than signals: alerts, announcements, analyses and system statuses."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from signalpost import clock
from signalpost.domain import validity
from signalpost.domain.context import Context, read_context
from signalpost.domain.exact import whole
from signalpost.domain.identity import content_id
from signalpost.domain.instant import Instant, utc
from signalpost.domain.instrument import Instrument, read_pair
from signalpost.domain.text import id_of, required_text, text_of
from signalpost.domain.value import Conversions, Value, fields_of
from signalpost.domain.words import Word, member
from signalpost.errors import InvalidValue, as_text

MOST_ESCALATIONS = 100


class AlertSeverity(Word):
    """How soon a person should react: at once, within 1 h, 4 h, 24 h, or never.

    Also accepts the levels of Python's logging, syslog, Alertmanager, PagerDuty and Zabbix: `error` is high, `warning`
    medium, `notice` low.
    """

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @classmethod
    def _missing_(cls, value: object) -> Word:
        return super()._missing_(_SEVERITY_BY_WORD.get(as_text(value).strip().lower(), value))


class AlertStatus(Word):
    """The status of an alert."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    SUPPRESSED = "suppressed"


class Alert(Value, frozen=True, kw_only=True, tag="alert"):
    """An alert, validated when created.

    `alert_type` is any identifier, such as `database_connectivity` or `circuit_breaker_triggered`. `alert_id` is
    derived from type, time and content, so two different alerts within a second get different ids. `valid_until`
    defaults to 24 h after `timestamp` for critical and high, otherwise 4 h. Raises InvalidValue for invalid fields.
    """

    alert_type: str
    severity: AlertSeverity
    title: str
    message: str = ""
    timestamp: datetime = None  # type: ignore[assignment]  # derived in __post_init__
    alert_id: str = None  # type: ignore[assignment]  # derived in __post_init__
    context: Context = Context()
    status: AlertStatus = AlertStatus.ACTIVE
    source: str | None = None
    tags: tuple[str, ...] = ()
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    escalation_level: int = 0
    valid_until: datetime = None  # type: ignore[assignment]  # derived in __post_init__

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            alert_type: str,
            severity: AlertSeverity | str,
            title: str,
            message: str = "",
            timestamp: Instant | None = None,
            alert_id: str | None = None,
            context: Mapping[str, object] = ...,
            status: AlertStatus | str = AlertStatus.ACTIVE,
            source: str | None = None,
            tags: Iterable[str] = (),
            acknowledged_by: str | None = None,
            acknowledged_at: Instant | None = None,
            resolved_at: Instant | None = None,
            escalation_level: int = 0,
            valid_until: Instant | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set(**fields_of(self, _OF_ALERT, _NEVER_NONE))
        content = (self.title, self.message, self.source, self.severity.value, self.tags, self.context)
        _derive(self, "alert_id", self.alert_type, _validity(self.severity), *content)


_SEVERITY_BY_WORD = {
    **dict.fromkeys(
        ("crit", "fatal", "emerg", "emergency", "alert", "panic", "page", "disaster", "sev1", "p1"), "critical"
    ),
    **dict.fromkeys(("error", "err", "severe", "major", "sev2", "p2"), "high"),
    **dict.fromkeys(("warning", "warn", "average", "moderate", "sev3", "p3"), "medium"),
    **dict.fromkeys(("notice", "minor", "sev4", "p4"), "low"),
    **dict.fromkeys(
        ("information", "informational", "debug", "trace", "none", "notset", "not classified", "ok", "sev5", "p5"),
        "info",
    ),
}


def _tags(given: object, name: str) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidValue.of(name, given, "use a list of strings", code="not-a-list")
    return tuple(required_text(tag, name) for tag in given)


def _validity(severity: AlertSeverity) -> timedelta:
    return validity.URGENT_ALERT if severity in {AlertSeverity.CRITICAL, AlertSeverity.HIGH} else validity.ALERT


_NEVER_NONE = ("alert_type", "severity", "title", "message", "context", "status", "tags", "escalation_level")
_OF_ALERT: Conversions = {
    "alert_type": id_of,
    "severity": partial(member, AlertSeverity),
    "title": required_text,
    "message": text_of,
    "timestamp": utc,
    "alert_id": id_of,
    "context": read_context,
    "status": partial(member, AlertStatus),
    "source": text_of,
    "tags": _tags,
    "acknowledged_by": required_text,
    "acknowledged_at": utc,
    "resolved_at": utc,
    "escalation_level": partial(whole, most=MOST_ESCALATIONS),
    "valid_until": utc,
}


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
        self._set(**fields_of(self, _OF_ANNOUNCEMENT, ("title", "text")))
        _derive(self, "announcement_id", "announcement", validity.ANNOUNCEMENT, self.title, self.text)


_OF_ANNOUNCEMENT: Conversions = {
    "title": required_text,
    "text": required_text,
    "timestamp": utc,
    "announcement_id": id_of,
    "valid_until": utc,
}


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
        self._set(**fields_of(self, _OF_ANALYSIS, ("title", "text", "context")))
        content = (self.title, self.text, self.pair, self.context)
        _derive(self, "analysis_id", "analysis", validity.ANALYSIS, *content)


_OF_ANALYSIS: Conversions = {
    "title": required_text,
    "text": required_text,
    "pair": read_pair,
    "timestamp": utc,
    "analysis_id": id_of,
    "context": read_context,
    "valid_until": utc,
}


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
        self._set(**fields_of(self, _OF_STATUS, ("status", "message", "metrics")))
        content = (self.status, self.message, self.uptime, self.metrics)
        _derive(self, "status_id", "status", validity.STATUS, *content)


def _uptime(given: object, name: str) -> timedelta:
    if not isinstance(given, timedelta) or given < timedelta():
        raise InvalidValue.of(name, given, "use a timedelta of zero or more", code="out-of-range", limit="0 or more")
    return timedelta(given.days, given.seconds, given.microseconds)  # a pandas Timedelta becomes a plain one


_OF_STATUS: Conversions = {
    "status": id_of,
    "message": text_of,
    "uptime": _uptime,
    "metrics": read_context,
    "timestamp": utc,
    "status_id": id_of,
    "valid_until": utc,
}


def _derive(
    report: Alert | Announcement | MarketAnalysis | SystemStatus,
    id_field: str,
    kind: str,
    lasts_for: timedelta,
    *content: object,
) -> None:
    """Set the time, the end of validity and the id, as far as they were not given."""
    instant = clock.now() if report.timestamp is None else report.timestamp
    report._set(timestamp=instant, valid_until=validity.end(report.valid_until, instant, lasts_for))
    if getattr(report, id_field) is None:
        report._set(**{id_field: content_id(kind, instant, *content)})
