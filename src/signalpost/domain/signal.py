"""A strategy's trade idea: instrument, side, entry, stop and target, and until when it is worth acting on."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from signalpost import clock
from signalpost.domain import spellings, validity
from signalpost.domain.exact import (
    Number,
    decimal_of,
    difference,
    non_negative,
    places_of,
    positive,
    quotient,
    step,
    whole,
)
from signalpost.domain.identity import slug
from signalpost.domain.instant import Instant, compact, utc
from signalpost.domain.instrument import Instrument
from signalpost.domain.making import make
from signalpost.domain.precision import MOST_PLACES
from signalpost.domain.side import CrossoverType, SignalStatus, SignalType
from signalpost.domain.text import id_of, required_text, shown, text_of
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.value import Value
from signalpost.domain.words import member
from signalpost.errors import InvalidValue


class Signal(Value, frozen=True, kw_only=True, tag="signal"):
    """A trade idea, checked when made: for a BUY stop_loss < entry_price < take_profit, for a SELL the mirror.

    `timestamp` is the candle's open; `known_at` its close, by default the earlier of now and timestamp + timeframe;
    `valid_until` one timeframe (10 minutes at least) after `known_at`. `signal_id` is derived from strategy, pair,
    timeframe, side and candle, `risk_reward_ratio` from entry, stop and target. Raises InvalidValue for what cannot be
    meant.
    """

    pair: Instrument
    timeframe: Timeframe
    signal_type: SignalType
    entry_price: Decimal
    timestamp: datetime
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    signal_id: str = None  # type: ignore[assignment]  # derived in __post_init__
    strategy_name: str = "MA Unified Strategy"
    crossover_type: CrossoverType = None  # type: ignore[assignment]  # derived in __post_init__
    status: SignalStatus = SignalStatus.ACTIVE
    current_price: Decimal = None  # type: ignore[assignment]  # derived in __post_init__
    price_places: int = None  # type: ignore[assignment]  # derived in __post_init__
    fast_ma: Decimal | None = None
    slow_ma: Decimal | None = None
    atr_value: Decimal | None = None
    atr_multiplier_sl: Decimal | None = None
    atr_multiplier_tp: Decimal | None = None
    risk_reward_ratio: Decimal | None = None
    position_size: Decimal | None = None
    confidence_score: Decimal | None = None
    notes: str | None = None
    created_at: datetime = None  # type: ignore[assignment]  # derived in __post_init__
    updated_at: datetime = None  # type: ignore[assignment]  # derived in __post_init__
    known_at: datetime = None  # type: ignore[assignment]  # derived in __post_init__
    valid_until: datetime = None  # type: ignore[assignment]  # derived in __post_init__

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            pair: str,
            timeframe: Timeframe | str | int | timedelta,
            signal_type: SignalType | str | int,
            entry_price: Number,
            timestamp: Instant,
            stop_loss: Number | None = None,
            take_profit: Number | None = None,
            signal_id: str | None = None,
            strategy_name: str = "MA Unified Strategy",
            crossover_type: CrossoverType | str | None = None,
            status: SignalStatus | str = SignalStatus.ACTIVE,
            current_price: Number | None = None,
            price_places: int | None = None,
            fast_ma: Number | None = None,
            slow_ma: Number | None = None,
            atr_value: Number | None = None,
            atr_multiplier_sl: Number | None = None,
            atr_multiplier_tp: Number | None = None,
            risk_reward_ratio: Number | None = None,
            position_size: Number | None = None,
            confidence_score: Number | None = None,
            notes: str | None = None,
            created_at: Instant | None = None,
            updated_at: Instant | None = None,
            known_at: Instant | None = None,
            valid_until: Instant | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        self._set_identity()
        self._set_prices()
        self._set_times()
        self._set(signal_id=self._derived_id() if self.signal_id is None else id_of(self.signal_id, "signal_id"))

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Self:
        """A signal from a dict of another system, whose names may be any of the usual ones.

        `symbol`, `ticker`, `side`, `action`, `entry`, `close`, `sl`, `tp`, `tf`, `interval`, `candle_time` and the like
        are read, in any case. None and blank text count as absent, and names that mean nothing here are ignored.
        Raises InvalidValue with all faults: what is missing or invalid, two names of one field whose values differ, a
        second target, and a `{{placeholder}}` that was not filled in.
        """
        if not hasattr(data, "items"):
            raise InvalidValue(
                f"the signal is {shown(data)}: give a mapping of names to values",
                code="not-a-mapping",
                value=shown(data),
            )
        names = spellings.SIGNAL
        required = {field: spellings.missing(field, names) for field in spellings.REQUIRED}
        return make(cls, spellings.read_fields(data.items(), names), required, spellings.STAND_INS)

    @property
    def pip(self) -> Decimal:
        """The size of one pip in price: the instrument's, else one tick."""
        return self.pair.pip or step(self.price_places)

    @property
    def risk(self) -> Decimal | None:
        """From entry to stop, in price, above zero; None without a stop."""
        return None if self.stop_loss is None else self._gain(self.stop_loss).copy_negate()  # `-` would round

    @property
    def stop_pips(self) -> Decimal | None:
        """From entry to stop, in pips; None without a stop."""
        return None if (risk := self.risk) is None else quotient(risk, self.pip)

    @property
    def target_pips(self) -> Decimal | None:
        """From entry to target, in pips; None without a target."""
        return None if self.take_profit is None else quotient(self._gain(self.take_profit), self.pip)

    @property
    def pnl(self) -> Decimal:
        """Profit at `current_price`, in price for one unit; a loss is negative."""
        return self._gain(self.current_price)

    @property
    def is_profitable(self) -> bool:
        """Whether `current_price` is better than the entry."""
        return self._gain(self.current_price) > 0

    @property
    def should_stop_loss(self) -> bool:
        """Whether `current_price` has reached the stop."""
        return self.stop_loss is not None and self._gain(self.current_price) <= self._gain(self.stop_loss)

    @property
    def should_take_profit(self) -> bool:
        """Whether `current_price` has reached the target."""
        return self.take_profit is not None and self._gain(self.current_price) >= self._gain(self.take_profit)

    def r_multiple(self, price: Number) -> Decimal | None:
        """Profit at `price` in units of the risk: -1 at the stop; None without a stop."""
        return None if (risk := self.risk) is None else quotient(self._gain(positive(price, "price")), risk)

    def but(self, **changes: object) -> Self:
        """This signal with some fields changed, checked as if it were made anew.

        A change of its prices derives `risk_reward_ratio` anew.
        """
        if not changes.keys().isdisjoint(("entry_price", "stop_loss", "take_profit")):
            changes.setdefault("risk_reward_ratio", None)
        return super().but(**changes)

    def at_price(self, price: Number) -> Self:
        """This signal with `price` as its current one."""
        return self.but(current_price=positive(price, "price"), updated_at=clock.now())

    def close(self, reason: str) -> Self:
        """This signal as FILLED, with the reason in its notes."""
        return self._ended(SignalStatus.FILLED, reason)

    def cancel(self, reason: str) -> Self:
        """This signal as CANCELLED, with the reason in its notes."""
        return self._ended(SignalStatus.CANCELLED, reason)

    def _ended(self, status: SignalStatus, reason: str) -> Self:
        if self.status is not SignalStatus.ACTIVE:
            raise InvalidValue(f"{self.signal_id} is {self.status} already: only an ACTIVE signal can become {status}")
        told = required_text(reason, "reason")
        notes = f"{self.notes}\n{told}" if self.notes else told
        return self.but(status=status, notes=notes, updated_at=clock.now())

    def _gain(self, price: Decimal) -> Decimal:
        if self.signal_type is SignalType.BUY:
            return difference(price, self.entry_price)
        return difference(self.entry_price, price)

    def _derived_id(self) -> str:
        candle = f"{self.pair.symbol}:{self.timeframe}:{self.signal_type}:{compact(self.timestamp)}"
        return f"{strategy_slug(self.strategy_name)}:{candle}"

    def _set_identity(self) -> None:
        side = member(SignalType, self.signal_type, "signal_type")
        cross = self.crossover_type
        self._set(
            pair=Instrument(self.pair),
            timeframe=Timeframe(self.timeframe),
            signal_type=side,
            crossover_type=side.crossover if cross is None else member(CrossoverType, cross, "crossover_type"),
            status=member(SignalStatus, self.status, "status"),
            strategy_name=required_text(self.strategy_name, "strategy_name"),
            notes=None if self.notes is None else text_of(self.notes, "notes"),
        )

    def _set_prices(self) -> None:
        optional = {
            name: conversion(value, name)
            for name, conversion in _CONVERSION_BY_OPTIONAL_NUMBER.items()
            if (value := getattr(self, name)) is not None
        }
        self._set(entry_price=positive(self.entry_price, "entry_price"), **optional)
        if self.current_price is None:
            self._set(current_price=self.entry_price)
        if self.price_places is None:
            places = self.pair.places
            self._set(price_places=min(places_of(self.entry_price), MOST_PLACES) if places is None else places)
        else:
            self._set(price_places=whole(self.price_places, "price_places", most=MOST_PLACES))
        if self.confidence_score is not None and not 0 <= self.confidence_score <= 1:
            raise InvalidValue(
                f"confidence_score is {self.confidence_score}: give a share between 0 and 1, such as 0.85"
            )
        self._check_sides()
        if self.risk_reward_ratio is None and self.take_profit is not None and (risk := self.risk) is not None:
            ratio = quotient(self._gain(self.take_profit), risk)
            self._set(risk_reward_ratio=decimal_of(ratio, "risk_reward_ratio"))

    def _check_sides(self) -> None:
        lower, upper = _LIMITS if self.signal_type is SignalType.BUY else _LIMITS[::-1]
        below, above = getattr(self, lower), getattr(self, upper)
        if below is not None and below >= self.entry_price:
            raise self._wrong_side(lower, below, "below")
        if above is not None and above <= self.entry_price:
            raise self._wrong_side(upper, above, "above")

    def _wrong_side(self, name: str, price: Decimal, wanted: str) -> InvalidValue:
        return InvalidValue(
            f"{name} is {price} and entry_price {self.entry_price}: for a {self.signal_type} "
            f"{name} must be {wanted} the entry; check the side, or swap stop and target"
        )

    def _set_times(self) -> None:
        opened = utc(self.timestamp, "timestamp")
        closed = validity.later(opened, self.timeframe.duration)
        known = min(clock.now(), closed) if self.known_at is None else utc(self.known_at, "known_at")
        created = clock.now() if self.created_at is None else utc(self.created_at, "created_at")
        self._set(
            timestamp=opened,
            created_at=created,
            updated_at=created if self.updated_at is None else utc(self.updated_at, "updated_at"),
            known_at=known,
            valid_until=validity.end(self.valid_until, known, validity.of_signal(self.timeframe)),
        )


@lru_cache(maxsize=256)
def strategy_slug(name: str) -> str:
    """A strategy's name as it stands in the ids of its signals: `MA Unified Strategy` is `ma-unified`."""
    return slug(name).removesuffix("-strategy")


_LIMITS = ("stop_loss", "take_profit")
_CONVERSION_BY_OPTIONAL_NUMBER = {
    **dict.fromkeys(("current_price", "stop_loss", "take_profit", "position_size"), positive),
    **dict.fromkeys(("atr_value", "atr_multiplier_sl", "atr_multiplier_tp", "risk_reward_ratio"), non_negative),
    **dict.fromkeys(("fast_ma", "slow_ma", "confidence_score"), decimal_of),
}
