"""Trading signals and system alerts to Discord: exact, written down first, and in time."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from signalpost import clock as _clock
from signalpost.system_clock import SystemClock as _SystemClock

if TYPE_CHECKING:
    from signalpost.config.config import Config
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
    from signalpost.integration.signal_notifications import SignalNotificationService
    from signalpost.integration.startup import AsyncNotificationStartup, on_strategy_start, on_strategy_stop
    from signalpost.service.health import Health, HealthStatus, Role
    from signalpost.service.service import AsyncNotificationService
    from signalpost.sinks.discord.service import DiscordService
    from signalpost.sinks.evidence import Receipt, Rejected, Throttled, Unavailable, Unconfirmed
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

_MODULE_BY_NAME = {
    "Alert": "domain.alert",
    "AlertLogHandler": "integration.log_handler",
    "AlertSeverity": "domain.alert",
    "AlertStatus": "domain.alert",
    "Announcement": "domain.announcement",
    "AsyncNotificationService": "service.service",
    "AsyncNotificationStartup": "integration.startup",
    "Candle": "domain.candle",
    "CircuitBreaker": "delivery.pacing.breaker",
    "CommandFailed": "errors",
    "Config": "config.config",
    "Context": "domain.context",
    "CrossoverType": "domain.side",
    "Delivery": "domain.delivery",
    "DeliveryState": "domain.delivery",
    "DiscordService": "sinks.discord.service",
    "Evidence": "errors",
    "Filtered": "trading.strategies.port",
    "Health": "service.health",
    "HealthStatus": "service.health",
    "Instrument": "domain.instrument",
    "InvalidCandleFile": "errors",
    "InvalidConfiguration": "errors",
    "InvalidSnapshot": "errors",
    "InvalidValue": "errors",
    "MAUnifiedConfig": "trading.strategies.ma_unified_config",
    "MAUnifiedStrategy": "trading.strategies.ma_unified",
    "MarketAnalysis": "domain.market_analysis",
    "NotPossible": "errors",
    "NotificationIntegration": "integration.integration",
    "NotificationPriority": "domain.priority",
    "OutOfOrder": "errors",
    "Outcome": "domain.ticket",
    "Receipt": "sinks.evidence",
    "Refusal": "domain.ticket",
    "Rejected": "sinks.evidence",
    "Role": "service.health",
    "Signal": "domain.signal",
    "SignalNotificationService": "integration.signal_notifications",
    "SignalStatus": "domain.side",
    "SignalType": "domain.side",
    "SignalpostError": "errors",
    "StoreFailed": "errors",
    "StoreUnusable": "errors",
    "Strategy": "trading.strategies.port",
    "SystemStatus": "domain.system_status",
    "Throttled": "sinks.evidence",
    "Ticket": "domain.ticket",
    "Timeframe": "domain.timeframe",
    "Unavailable": "sinks.evidence",
    "Unconfirmed": "sinks.evidence",
    "UserTier": "domain.tier",
    "cancel_signal": "integration.functions",
    "cancel_signal_async": "integration.functions",
    "close_signal": "integration.functions",
    "close_signal_async": "integration.functions",
    "configure": "integration.functions",
    "correct_signal": "integration.functions",
    "correct_signal_async": "integration.functions",
    "fill_signal": "integration.functions",
    "fill_signal_async": "integration.functions",
    "flush": "integration.functions",
    "on_strategy_start": "integration.startup",
    "on_strategy_stop": "integration.startup",
    "reopen_signal": "integration.functions",
    "reopen_signal_async": "integration.functions",
    "send_alert": "integration.functions",
    "send_alert_async": "integration.functions",
    "send_signal": "integration.functions",
    "send_signal_async": "integration.functions",
    "send_signal_to_discord": "integration.functions",
    "update_signal": "integration.functions",
    "update_signal_async": "integration.functions",
}

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
