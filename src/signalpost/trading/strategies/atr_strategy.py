"""The common part of strategies whose stop and target are distances in average true ranges. Exact, in integer ticks."""

from abc import ABC, abstractmethod
from datetime import datetime
from fractions import Fraction
from reprlib import repr as short
from typing import Any, ClassVar

from signalpost.domain.candle import Candle
from signalpost.domain.exact import rounded
from signalpost.domain.identity import fitted_id, strategy_slug
from signalpost.domain.instant import compact, iso, utc
from signalpost.domain.precision import MOST_PLACES
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.validity import later
from signalpost.errors import InvalidConfiguration, InvalidSnapshot, InvalidValue, OutOfOrder
from signalpost.trading.indicators.atr import AverageTrueRange
from signalpost.trading.indicators.plain_data import Snapshot, part, sealed, unsealed
from signalpost.trading.strategies.atr_config import AtrConfig
from signalpost.trading.strategies.port import Filtered
from signalpost.trading.ticks import TickScale

SNAPSHOT_VERSION = 1


class AtrStrategy(ABC):
    """A strategy that enters at a candle's close when its indicators cross or break out.

    A cross is filtered, with the reasons, while the ATR is cold, if the ATR is zero or below `min_atr`, if
    tp_mult / sl_mult is below `min_rr`, or if stop, target or time would be out of range. The first candle is the
    stream's origin and part of its state. Raises InvalidConfiguration if the number of decimals of the pair is neither
    known nor set.
    """

    __slots__ = ("_atr", "_last", "_origin", "_scale", "config")

    _parts: ClassVar[tuple[str, ...]]
    """The names of the indicators in a snapshot. The attribute of each has this name after an underscore."""

    def __init__(self, config: AtrConfig) -> None:
        if config.places is None:
            text = f"{config.key}: the number of decimals of {config.pair} is not known: set places, 0 to {MOST_PLACES}"
            raise InvalidConfiguration(text, code="missing", field="places", limit=f"0 to {MOST_PLACES}")
        self.config = config
        self._scale = TickScale(config.places)
        self._atr = AverageTrueRange(config.atr, config.atr_period)
        self._origin: datetime | None = None
        self._last: datetime | None = None

    @abstractmethod
    def on_ticks(self, high: int, low: int, close: int) -> int:
        """Process the next candle in integer ticks, and return UP, DOWN or NONE: only the arithmetic of `on_candle`."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Everything the state depends on. A state with another fingerprint is rejected."""

    def _facts(self) -> dict[str, Any]:
        """More fields of a signal at this candle."""
        return {}

    def on_candle(self, candle: Candle) -> Signal | Filtered | None:
        """Process the next closed candle. Returns its signal, a filtered cross, or None.

        Raises OutOfOrder if the candle is not newer than the last one, and InvalidValue if a price is finer than the
        stream's ticks, or not above zero although the pair requires it. The state does not change then.
        """
        time, low_price = candle.time, candle.low
        if self._last is not None and time <= self._last:
            raise OutOfOrder(
                f"{self.config.key}: the candle of {iso(candle.time)} is not newer than the last one, "
                f"of {iso(self._last)}: feed each candle once, oldest first",
                field="time",
                value=iso(candle.time),
                limit=f"after {iso(self._last)}",
            )
        if low_price <= 0:
            self.config.pair.check_price(low_price, "low")
        ticks = self._scale.ticks
        high, low, close = ticks(candle.high), ticks(low_price), ticks(candle.close)
        if self._origin is None:
            self._origin = time
        self._last = time
        cross = self.on_ticks(high, low, close)
        return self._judged(candle, SignalType.BUY if cross > 0 else SignalType.SELL) if cross else None

    def snapshot(self) -> Snapshot:
        """The whole state as plain data for JSON, sealed with a checksum."""
        return sealed(
            {
                "version": SNAPSHOT_VERSION,
                "fingerprint": self.fingerprint,
                "origin": None if self._origin is None else iso(self._origin),
                "last": None if self._last is None else iso(self._last),
                **{name: getattr(self, f"_{name}").snapshot() for name in self._parts},
            }
        )

    def restore(self, saved: dict[str, Any]) -> None:
        """Restore a saved state and continue as if never stopped.

        Raises InvalidSnapshot if it is damaged or was saved under another configuration. The state does not change
        then.
        """
        if not isinstance(saved, dict):
            raise InvalidSnapshot(
                f"{self.config.key}: the saved state is not a dict ({short(saved)}): replay all candles from the "
                "first one",
                code="not-a-mapping",
                value=short(saved),
            )
        replay = "delete it and replay all candles from the first one"
        restore = f"it belongs to another configuration. Restore it into that one, or {replay}"
        for name, expected, code, advice in (
            ("version", SNAPSHOT_VERSION, "unknown-version", replay),
            ("fingerprint", self.fingerprint, "other-configuration", restore),
        ):
            if saved.get(name) != expected:
                text = (
                    f"{self.config.key}: the saved state has {name} {short(saved.get(name))} instead of {expected!r}: "
                    f"{advice}"
                )
                raise InvalidSnapshot(text, code=code, field=name, value=short(saved.get(name)), limit=str(expected))
        state = unsealed(saved)
        fresh = type(self)(self.config)
        fresh._origin, fresh._last = _span(state)
        for name in self._parts:
            getattr(fresh, f"_{name}").restore(part(state, name))
        for name in ("origin", "last", *self._parts):
            setattr(self, f"_{name}", getattr(fresh, f"_{name}"))

    def _judged(self, candle: Candle, side: SignalType) -> Signal | Filtered:
        config, atr = self.config, self._atr.value
        if atr is None:
            return Filtered(side, (f"atr cold: the average needs {config.atr_period} true ranges first",))
        reasons = []
        if atr == 0:
            reasons.append("atr zero: the market did not move, so the stop would be at the entry")
        if atr < self._scale.exact_ticks(config.min_atr):
            reasons.append(f"min atr: {self._scale.price(atr)} < {config.min_atr}")
        ratio = Fraction(config.tp_mult) / Fraction(config.sl_mult)
        if ratio < Fraction(config.min_rr):
            reasons.append(f"min rr: {rounded(ratio)} < {config.min_rr}")
        if reasons:
            return Filtered(side, tuple(reasons))
        try:
            return self._signal(candle, side, atr, ratio)
        except InvalidValue as fault:  # such as a negative stop, a target beyond all prices, or the end of the calendar
            return Filtered(side, (f"out of range: {fault}",))

    def _signal(self, candle: Candle, side: SignalType, atr: Fraction, ratio: Fraction) -> Signal:
        config, price = self.config, self._scale.price
        entry, move = self._scale.exact_ticks(candle.close), side.sign * atr
        known = later(candle.time, config.timeframe.duration)
        stop, target = price(entry - move * Fraction(config.sl_mult)), price(entry + move * Fraction(config.tp_mult))
        if not stop or not target:
            name = "target" if stop else "stop"
            raise InvalidValue(
                f"the {name} would be exactly 0, but 0 means 'no {name}' in a signal", code="out-of-range", value="0"
            )
        return Signal(
            signal_id=fitted_id(f"{strategy_slug(config.strategy_name)}:{config.stream}:{side}:{compact(candle.time)}"),
            pair=config.pair,
            timeframe=config.timeframe,
            strategy_name=config.strategy_name,
            signal_type=side,
            entry_price=candle.close,
            price_places=self._scale.places,
            stop_loss=stop,
            take_profit=target,
            atr_value=price(atr),
            atr_multiplier_sl=config.sl_mult,
            atr_multiplier_tp=config.tp_mult,
            risk_reward_ratio=rounded(ratio),
            confidence_score=config.confidence,
            timestamp=candle.time,
            created_at=known,
            known_at=known,
            **self._facts(),
        )


def _span(state: Snapshot) -> tuple[datetime | None, datetime | None]:
    """The times of the first and the last candle."""
    try:
        origin, last = (None if state[name] is None else utc(state[name], name) for name in ("origin", "last"))
    except (KeyError, InvalidValue) as fault:
        raise InvalidSnapshot(
            f"origin or last is damaged ({fault}): replay all candles from the first one", code="damaged"
        ) from fault
    if (origin is None) != (last is None) or (origin and last and last < origin):
        text = f"origin {origin} and last {last} contradict each other: replay all candles from the first one"
        raise InvalidSnapshot(text, code="conflict", field="last", value=str(last), limit=f"origin: {origin}")
    return origin, last
