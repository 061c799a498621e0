"""An operational fact for people: something failed, slowed down or needs a decision."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from signalpost import clock
from signalpost.domain import validity
from signalpost.domain.context import Context
from signalpost.domain.exact import whole
from signalpost.domain.identity import content_id, given_or
from signalpost.domain.instant import Instant, utc
from signalpost.domain.text import id_of, required_text, shown, spoken, text_of
from signalpost.domain.value import Value
from signalpost.domain.words import Word, member
from signalpost.errors import InvalidValue

MOST_ESCALATIONS = 100


class AlertSeverity(Word):
    """How soon a person should react: at once, within 1 h, 4 h, 24 h, or never.

    Also read from the words of Python's logging, syslog, Alertmanager, PagerDuty and Zabbix: `error` is high, `warning`
    medium, `notice` low.
    """

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @classmethod
    def _missing_(cls, value: object) -> Word:
        return super()._missing_(_SEVERITY_BY_WORD.get(spoken(value).strip().lower(), value))


class AlertStatus(Word):
    """Where an alert stands."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    SUPPRESSED = "suppressed"


class Alert(Value, frozen=True, kw_only=True, tag="alert"):
    """An alert, checked when made.

    `alert_type` is an open list of words, such as `database_connectivity` or `circuit_breaker_triggered`. `alert_id` is
    derived from type, time and content, so that two different alerts of one second differ. `valid_until` is 24 h after
    `timestamp` for critical and high, else 4 h. Raises InvalidValue for what cannot be meant.
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
        instant = clock.now() if self.timestamp is None else utc(self.timestamp, "timestamp")
        severity = member(AlertSeverity, self.severity, "severity")
        self._set(
            alert_type=id_of(self.alert_type, "alert_type"),
            severity=severity,
            title=required_text(self.title, "title"),
            message=text_of(self.message, "message"),
            timestamp=instant,
            context=Context(self.context),
            status=member(AlertStatus, self.status, "status"),
            source=None if self.source is None else text_of(self.source, "source"),
            tags=_tags(self.tags),
            acknowledged_by=None
            if self.acknowledged_by is None
            else required_text(self.acknowledged_by, "acknowledged_by"),
            acknowledged_at=None if self.acknowledged_at is None else utc(self.acknowledged_at, "acknowledged_at"),
            resolved_at=None if self.resolved_at is None else utc(self.resolved_at, "resolved_at"),
            escalation_level=whole(self.escalation_level, "escalation_level", most=MOST_ESCALATIONS),
            valid_until=validity.end(self.valid_until, instant, _validity(severity)),
        )
        content = (self.title, self.message, self.source, severity.value, self.tags, self.context)
        derived = content_id(self.alert_type, instant, *content)
        self._set(alert_id=given_or(self.alert_id, derived, "alert_id"))


_SEVERITY_BY_WORD = {
    **dict.fromkeys(
        ("crit", "fatal", "emerg", "emergency", "alert", "panic", "page", "disaster", "sev1", "p1"), "critical"
    ),
    **dict.fromkeys(("error", "err", "severe", "major", "sev2", "p2"), "high"),
    **dict.fromkeys(("warning", "warn", "average", "moderate", "sev3", "p3"), "medium"),
    **dict.fromkeys(("notice", "minor", "sev4", "p4"), "low"),
    **dict.fromkeys(("information", "informational", "debug", "trace", "none", "notset", "ok", "sev5", "p5"), "info"),
}


def _tags(given: object) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidValue(f"tags is {shown(given)}: give a list of texts")
    return tuple(required_text(tag, "a tag") for tag in given)


def _validity(severity: AlertSeverity) -> timedelta:
    return validity.URGENT_ALERT if severity in {AlertSeverity.CRITICAL, AlertSeverity.HIGH} else validity.ALERT
