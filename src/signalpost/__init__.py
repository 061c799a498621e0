"""Trading signals and system alerts to Discord: exact, saved to disk first, and on time."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from signalpost import clock as _clock
from signalpost.system_clock import SystemClock as _SystemClock

if TYPE_CHECKING:
    from signalpost.config.config import Config
    from signalpost.delivery.deduplication import SignalDeduplicationService
    from signalpost.delivery.pacing.breaker import CircuitBreaker
    from signalpost.domain.candle import Candle
    from signalpost.domain.context import Context
    from signalpost.domain.delivery import Delivery, DeliveryState
    from signalpost.domain.instrument import Instrument
    from signalpost.domain.priority import NotificationPriority
    from signalpost.domain.reports import Alert, AlertSeverity, AlertStatus, Announcement, MarketAnalysis, SystemStatus
    from signalpost.domain.side import CrossoverType, SignalStatus, SignalType
    from signalpost.domain.signal import Signal
    from signalpost.domain.ticket import Outcome, Refusal, Ticket
    from signalpost.domain.tier import UserTier
    from signalpost.domain.timeframe import Timeframe
    from signalpost.errors import (
        CommandFailed,
        Evidence,
        InvalidCandleFile,
        InvalidConfiguration,
        InvalidSnapshot,
        InvalidValue,
        NotPossible,
        OutOfOrder,
        SignalpostError,
        StoreFailed,
        StoreUnusable,
    )
    from signalpost.integration.functions import (
        cancel_signal,
        cancel_signal_async,
        close_signal,
        close_signal_async,
        configure,
        correct_signal,
        correct_signal_async,
        fill_signal,
        fill_signal_async,
        flush,
        reopen_signal,
        reopen_signal_async,
        send_alert,
        send_alert_async,
        send_signal,
        send_signal_async,
        send_signal_to_discord,
        update_signal,
        update_signal_async,
    )
    from signalpost.integration.integration import NotificationIntegration
    from signalpost.integration.log_handler import AlertLogHandler
    from signalpost.integration.startup import AsyncNotificationStartup, on_strategy_start, on_strategy_stop
    from signalpost.service.health import Health, HealthStatus, Role
    from signalpost.service.service import AsyncNotificationService
    from signalpost.service.signal_verbs import SignalNotificationService
    from signalpost.sinks.discord.service import DiscordService
    from signalpost.sinks.evidence import Receipt, Rejected, Throttled, Unavailable, Unconfirmed
    from signalpost.trading.processor import IncrementalSignalProcessor
    from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy
    from signalpost.trading.strategies.ma_unified_config import MAUnifiedConfig
    from signalpost.trading.strategies.port import Filtered, Strategy

__version__ = "0.1.0"

__all__ = [
    "Alert",
    "AlertLogHandler",
    "AlertSeverity",
    "AlertStatus",
    "Announcement",
    "AsyncNotificationService",
    "AsyncNotificationStartup",
    "Candle",
    "CircuitBreaker",
    "CommandFailed",
    "Config",
    "Context",
    "CrossoverType",
    "Delivery",
    "DeliveryState",
    "DiscordService",
    "Evidence",
    "Filtered",
    "Health",
    "HealthStatus",
    "IncrementalSignalProcessor",
    "Instrument",
    "InvalidCandleFile",
    "InvalidConfiguration",
    "InvalidSnapshot",
    "InvalidValue",
    "MAUnifiedConfig",
    "MAUnifiedStrategy",
    "MarketAnalysis",
    "NotPossible",
    "NotificationIntegration",
    "NotificationPriority",
    "OutOfOrder",
    "Outcome",
    "Receipt",
    "Refusal",
    "Rejected",
    "Role",
    "Signal",
    "SignalDeduplicationService",
    "SignalNotificationService",
    "SignalStatus",
    "SignalType",
    "SignalpostError",
    "StoreFailed",
    "StoreUnusable",
    "Strategy",
    "SystemStatus",
    "Throttled",
    "Ticket",
    "Timeframe",
    "Unavailable",
    "Unconfirmed",
    "UserTier",
    "__version__",
    "cancel_signal",
    "cancel_signal_async",
    "close_signal",
    "close_signal_async",
    "configure",
    "correct_signal",
    "correct_signal_async",
    "fill_signal",
    "fill_signal_async",
    "flush",
    "on_strategy_start",
    "on_strategy_stop",
    "reopen_signal",
    "reopen_signal_async",
    "send_alert",
    "send_alert_async",
    "send_signal",
    "send_signal_async",
    "send_signal_to_discord",
    "update_signal",
    "update_signal_async",
]

_NAMES_BY_MODULE = {
    "config.config": ("Config",),
    "delivery.deduplication": ("SignalDeduplicationService",),
    "delivery.pacing.breaker": ("CircuitBreaker",),
    "domain.candle": ("Candle",),
    "domain.context": ("Context",),
    "domain.delivery": ("Delivery", "DeliveryState"),
    "domain.instrument": ("Instrument",),
    "domain.priority": ("NotificationPriority",),
    "domain.reports": ("Alert", "AlertSeverity", "AlertStatus", "Announcement", "MarketAnalysis", "SystemStatus"),
    "domain.side": ("CrossoverType", "SignalStatus", "SignalType"),
    "domain.signal": ("Signal",),
    "domain.ticket": ("Outcome", "Refusal", "Ticket"),
    "domain.tier": ("UserTier",),
    "domain.timeframe": ("Timeframe",),
    "errors": (
        "CommandFailed",
        "Evidence",
        "InvalidCandleFile",
        "InvalidConfiguration",
        "InvalidSnapshot",
        "InvalidValue",
        "NotPossible",
        "OutOfOrder",
        "SignalpostError",
        "StoreFailed",
        "StoreUnusable",
    ),
    "integration.functions": (
        "cancel_signal",
        "cancel_signal_async",
        "close_signal",
        "close_signal_async",
        "configure",
        "correct_signal",
        "correct_signal_async",
        "fill_signal",
        "fill_signal_async",
        "flush",
        "reopen_signal",
        "reopen_signal_async",
        "send_alert",
        "send_alert_async",
        "send_signal",
        "send_signal_async",
        "send_signal_to_discord",
        "update_signal",
        "update_signal_async",
    ),
    "integration.integration": ("NotificationIntegration",),
    "integration.log_handler": ("AlertLogHandler",),
    "service.signal_verbs": ("SignalNotificationService",),
    "integration.startup": ("AsyncNotificationStartup", "on_strategy_start", "on_strategy_stop"),
    "service.health": ("Health", "HealthStatus", "Role"),
    "service.service": ("AsyncNotificationService",),
    "sinks.discord.service": ("DiscordService",),
    "sinks.evidence": ("Receipt", "Rejected", "Throttled", "Unavailable", "Unconfirmed"),
    "trading.processor": ("IncrementalSignalProcessor",),
    "trading.strategies.ma_unified": ("MAUnifiedStrategy",),
    "trading.strategies.ma_unified_config": ("MAUnifiedConfig",),
    "trading.strategies.port": ("Filtered", "Strategy"),
}
_MODULE_BY_NAME = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}

_clock.install(_SystemClock())


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that importing the package stays quick."""
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module 'signalpost' has no attribute {name!r}")
    value = getattr(import_module(f"signalpost.{_MODULE_BY_NAME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
