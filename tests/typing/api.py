"""The public face as users write it. Never run: mypy reads it, so that a call that works also type-checks."""

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, assert_type

import numpy as np

from signalpost import (
    Alert,
    AlertLogHandler,
    AlertSeverity,
    AlertStatus,
    Announcement,
    AsyncNotificationService,
    AsyncNotificationStartup,
    Candle,
    Config,
    Context,
    CrossoverType,
    Filtered,
    Health,
    Instrument,
    InvalidCandleFile,
    InvalidConfiguration,
    InvalidSnapshot,
    InvalidValue,
    MarketAnalysis,
    MAUnifiedConfig,
    MAUnifiedStrategy,
    NotificationIntegration,
    NotificationPriority,
    Outcome,
    OutOfOrder,
    Signal,
    SignalNotificationService,
    SignalpostError,
    SignalStatus,
    SignalType,
    Strategy,
    SystemStatus,
    Ticket,
    Timeframe,
    UserTier,
    __version__,
    clock,
    configure,
    fill_signal,
    flush,
    on_strategy_start,
    on_strategy_stop,
    send_alert,
    send_alert_async,
    send_signal,
    send_signal_async,
    send_signal_to_discord,
    update_signal,
    update_signal_async,
)
from signalpost.config import HttpAddress
from signalpost.delivery.outbox.book import BookEntry
from signalpost.domain.events import Event
from signalpost.domain.order import EntryZone, OrderKind
from signalpost.domain.target import Target
from signalpost.domain.trade import Trade
from signalpost.integration.futures import TicketFuture
from signalpost.testing.manual_clock import ManualClock


def make_a_signal_in_one_line(moment: datetime, price: np.float64, row: Mapping[str, Any]) -> None:
    Signal(pair="EUR/USD", timeframe="4h", signal_type="BUY", entry_price=1.1, timestamp=moment)
    Signal(pair="EURUSD", timeframe=240, signal_type=-1, entry_price=price, timestamp=moment, stop_loss=np.float32(1.2))
    Signal(
        pair=Instrument("eur-usd"),
        timeframe=timedelta(hours=4),
        signal_type=SignalType.SELL,
        entry_price=Decimal("1.1"),
        timestamp="2025-08-20T01:00:00Z",
        stop_loss="1.2",
        take_profit=1,
        signal_id="mine",
        strategy_name="Mine",
        crossover_type=CrossoverType.BEARISH,
        status="active",
        confidence_score=0.85,
        notes=None,
        known_at=moment,
        valid_until=None,
    )
    Signal(
        pair="EURUSD",
        signal_type="BUY",
        entry_price=1.1,
        timestamp=moment,
        targets=[1.12, ("1.13", 50), {"price": price, "share": "25%"}, Target("1.14")],
        order="limit",
        entry_zone=("1.09", 1.11),
        good_until=moment,
        leverage="5x",
        risk_percent=1,
    )
    signal = Signal.from_mapping({"symbol": "EURUSD", "tf": "4h", "side": "buy", "close": 1.1, "time": moment})
    assert_type(signal, Signal)
    assert_type(Signal.from_mapping(row), Signal)


def use_a_signal(signal: Signal) -> None:
    assert_type(signal.pair, Instrument)
    assert_type(signal.timeframe, Timeframe | None)
    if signal.timeframe is not None:
        assert_type(signal.timeframe.duration, timedelta)
    assert_type(signal.targets, tuple[Target, ...])
    assert_type(signal.shares, tuple[Decimal, ...])
    assert_type(signal.order, OrderKind)
    assert_type(signal.entry_zone, EntryZone | None)
    assert_type(signal.initial_stop, Decimal | None)
    assert_type(signal.signal_type, SignalType)
    assert_type(signal.signal_type.sign, int)
    assert_type(signal.crossover_type, CrossoverType)
    assert_type(signal.status, SignalStatus)
    assert_type(signal.entry_price, Decimal)
    assert_type(signal.stop_loss, Decimal | None)
    assert_type(signal.current_price, Decimal)
    assert_type(signal.signal_id, str)
    assert_type(signal.price_places, int)
    assert_type(signal.timestamp, datetime)
    assert_type(signal.valid_until, datetime)
    assert_type(signal.pip, Decimal)
    assert_type(signal.pnl, Decimal)
    assert_type(signal.risk, Decimal | None)
    assert_type(signal.stop_pips, Decimal | None)
    assert_type(signal.target_pips, Decimal | None)
    assert_type(signal.r_multiple(1.2), Decimal | None)
    assert_type(signal.is_profitable, bool)
    assert_type(signal.should_stop_loss or signal.should_take_profit, bool)
    assert_type(signal.at_price("1.15"), Signal)
    assert_type(signal.close("target reached"), Signal)
    assert_type(signal.cancel("news"), Signal)
    assert_type(signal.but(stop_loss=1.05), Signal)
    assert_type(signal.to_json(), bytes)
    assert_type(signal.to_dict(), dict[str, Any])
    assert_type(Signal.from_json(signal.to_json()), Signal)
    assert_type(Signal.from_dict(signal.to_dict()), Signal)
    assert_type({signal: 1}, dict[Signal, int])


def make_the_others(moment: datetime) -> None:
    Candle(time=moment, open=1, high="1.2", low=np.float64(0.9), close=Decimal(1), volume=np.int64(7))
    alert = Alert(alert_type="feed", severity="critical", title="No candles")
    Alert(
        alert_type="feed",
        severity=AlertSeverity.HIGH,
        title="No candles",
        timestamp=moment,
        context={"pair": "EUR_USD", "age": timedelta(hours=5)},
        status=AlertStatus.ACKNOWLEDGED,
        tags=["feed", "eur"],
    )
    assert_type(alert.severity, AlertSeverity)
    assert_type(alert.context, Context)
    assert_type(alert.tags, tuple[str, ...])
    assert_type(alert.alert_id, str)
    assert_type(
        MarketAnalysis(title="Trend", text="Up", pair="EUR/USD", context={"trend": "up"}).pair, Instrument | None
    )
    assert_type(SystemStatus(status="operational", uptime=timedelta(1), metrics={"cpu": 0.5}).uptime, timedelta | None)
    assert_type(Announcement(title="Hello", text="world").timestamp, datetime)


def name_things(numbers: Iterable[int]) -> None:
    assert_type(Instrument("XAUUSD").quoted(pip="0.1", places=2), Instrument)
    assert_type(Instrument("EUR_USD").pip, Decimal | None)
    assert_type(Instrument("EUR_USD").places, int | None)
    assert_type(Timeframe("D").duration, timedelta)
    assert_type([UserTier.FREE, UserTier("vip")], list[UserTier])
    assert_type([NotificationPriority(number) for number in numbers], list[NotificationPriority])
    assert_type(NotificationPriority.URGENT > NotificationPriority.LOW, bool)
    assert_type(dict(Context({"a": 1})), dict[str, str | int | float | bool | None])
    assert_type(__version__, str)


def run_a_strategy(candles: Iterable[Candle]) -> list[Signal]:
    strategy: Strategy = MAUnifiedStrategy(
        MAUnifiedConfig(pair="EUR/USD", timeframe="H4", fast=10, slow=20, min_rr=1.5)
    )
    signals = []
    for candle in candles:
        try:
            answer = strategy.on_candle(candle)
        except OutOfOrder:
            continue
        assert_type(answer, Signal | Filtered | None)
        if isinstance(answer, Signal):
            signals.append(answer)
    return signals


def catch(data: bytes) -> Signal | None:
    try:
        return Signal.from_json(data)
    except InvalidValue as refusal:
        assert_type(refusal, InvalidValue)
        error: ValueError = refusal
        raise error from None
    except (InvalidConfiguration, InvalidSnapshot, InvalidCandleFile) as fault:
        parent: SignalpostError = fault
        raise parent from None


def tell_the_time() -> None:
    with ManualClock(datetime(2025, 8, 20, tzinfo=UTC)) as manual:
        assert_type(manual, ManualClock)
        manual.advance(timedelta(hours=4))
        manual.set("2025-08-21T00:00:00Z")
        assert_type(clock.now(), datetime)
    replaced: clock.Clock | None = clock.install(manual)
    clock.install(replaced)


async def hand_over(signal: Signal, alert: Alert) -> None:
    await on_strategy_start()
    on_strategy_start(handle_signals=True)
    ticket = await send_signal_async(
        signal=signal,
        priority=NotificationPriority.HIGH,
        user_tier=UserTier.PREMIUM,
        additional_context={"market_conditions": "trending"},
    )
    assert_type(ticket, Ticket)
    assert_type(await send_alert_async(alert=alert, priority="high"), Ticket)
    future: Future[Ticket] = send_signal(signal, user_tier="premium")
    assert_type(send_alert(alert).result(timeout=5), Ticket)
    assert_type(await send_signal_to_discord(signal, priority=4), Ticket)
    assert_type(send_signal_to_discord(signal).result(), Ticket)
    assert_type(future.result().outcome, Outcome)
    assert_type(flush(timeout=5), int)
    left: int = on_strategy_stop(timeout=5)
    assert_type(await on_strategy_stop(), int)
    assert_type(left, int)


def stand_by(config: Config, listener: Callable[[Event], None]) -> None:
    async def later(signal_or_alert: object) -> bool:
        return signal_or_alert is not None

    def on_fallback(
        signal_or_alert: object,
        priority: NotificationPriority,
        user_tier: UserTier,
        additional_context: Mapping[str, object],
    ) -> None: ...

    configure(fallback=print)
    configure(config, fallback=later, listeners=[listener])
    integration = NotificationIntegration(config, fallback=on_fallback, listeners=[listener])
    startup = AsyncNotificationStartup(integration, handle_signals=True)
    startup.on_strategy_start()
    logging.getLogger().addHandler(AlertLogHandler(integration, logging.ERROR))
    logging.getLogger("strategy").addHandler(AlertLogHandler(level="ERROR"))
    assert_type(integration.send(Announcement(title="Hello", text="world")).result(), Ticket)
    assert_type(integration.health(), Health)
    assert_type(integration.is_healthy(), bool)
    assert_type(integration.get_metrics(), dict[str, int])
    assert_type(integration.flush(1.5), int)
    assert_type(integration.stop(), int)


def what_must_not_type_check(moment: datetime) -> None:
    Signal(pair="EUR_USD", timeframe="H4", signal_type="BUY", entry_price=None, timestamp=moment)  # type: ignore[arg-type]
    Signal(pair="EUR_USD", timeframe="H4", signal_type="BUY", entry_price=1, timestamp=b"0")  # type: ignore[arg-type]
    Signal(pair="EUR_USD", timeframe="H4", signal_type="BUY", entry_price=1)  # type: ignore[call-arg]
    Alert(alert_type="x", severity="low", title="x", tag="x")  # type: ignore[call-arg]
    send_signal(Alert(alert_type="x", severity="low", title="x"))  # type: ignore[arg-type]
    send_alert("no candles")  # type: ignore[arg-type]
    Candle(time=moment, open=1, high=1, low=1, close=1).close = Decimal(1)  # type: ignore[misc]


def configure_by_any_source(environment: Mapping[str, str]) -> None:
    config = Config.from_environment()
    Config.from_environment(environment)
    Config.from_environment(flags={"SIGNALPOST_HOME": "data"})
    assert_type(config.http, HttpAddress | None)
    assert_type(config.warnings, tuple[str, ...])
    assert_type(config.dry_run, bool)
    assert_type(config.at_most_once, frozenset[str])
    assert_type([each.webhook_id for each in config.destinations], list[str | None])


async def change_a_signal(
    signal: Signal, service: AsyncNotificationService, integration: NotificationIntegration
) -> None:
    future: Future[Ticket] = update_signal(signal, stop_loss="be", target_hit=1, note="half is safe", if_version=2)
    assert_type(update_signal("#1042", targets=[1.12, ("1.13", 50)], at=datetime.now(UTC)), TicketFuture)
    assert_type(await update_signal_async("id", close_part="50%", price=Decimal("1.1")), Ticket)
    assert_type(await integration.close_signal_async(signal, reason="stop"), Ticket)
    assert_type(integration.fill_signal(signal, price=1.1), TicketFuture)
    assert_type(await service.cancel_signal("#1042", reason="news"), Ticket)
    assert_type(await service.signal(signal), BookEntry | None)
    assert_type([entry.trade for entry in await service.signals(only_live=True)], list[Trade])
    assert_type(SignalNotificationService(integration).signal_filled(signal, price=1.1), TicketFuture)
    assert_type(await SignalNotificationService(service).signal_generated(signal, user_tier="premium"), Ticket)
    update_signal(signal, target_hits=1)  # type: ignore[call-arg]
    fill_signal(signal)  # type: ignore[call-arg]
    assert_type(future.result(), Ticket)
