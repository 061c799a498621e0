"""The embeddable service: takes notifications in, and sees to it that they are delivered while it runs."""

from signalpost.service.health import Health, HealthStatus, Role
from signalpost.service.service import STOP_WITHIN, AsyncNotificationService

__all__ = ["STOP_WITHIN", "AsyncNotificationService", "Health", "HealthStatus", "Role"]
