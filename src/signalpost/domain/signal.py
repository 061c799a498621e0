"""A strategy's trade idea: instrument, side, entry, stop, targets and validity."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from signalpost import clock
from signalpost.domain import exact, spellings, validity
from signalpost.domain.identity import NO_STRATEGY, derived_id, id_start
from signalpost.domain.instant import Instant, iso, utc
from signalpost.domain.instrument import Instrument, read_pair
from signalpost.domain.level_rules import wrong_levels
from signalpost.domain.making import make
from signalpost.domain.order import EntryZone, OrderKind, leverage_of, zone_of
from signalpost.domain.precision import finest_of, places_for, signal_places
from signalpost.domain.side import CrossoverType, SignalStatus, SignalType
from signalpost.domain.target import GivenTarget, Target, agreed, changed, shares_of, targets_of
from signalpost.domain.text import id_of, required_text, text_of
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.value import Conversions, Faults, Value
from signalpost.domain.words import member
from signalpost.errors import InvalidValue, shown


class Signal(Value, frozen=True, kw_only=True, tag="signal"):
    """A trade idea, validated when created: for a BUY stop_loss < entry_price < take_profit, for a SELL the reverse.

    `timestamp` is the candle's open. `known_at` is its close, by default the earlier of now and timestamp + timeframe.
    `valid_until` is one timeframe (at least 10 minutes) after `known_at`. Without a timeframe, `timestamp` is the time
    at which the signal was known, and it is valid for an hour. `signal_id` is derived from strategy (`signal` if not
    set), pair, timeframe, side and candle; `risk_reward_ratio` from entry, stop and first target.

    `take_profit` is the price of the first target; setting either of `take_profit` and `targets` sets both. A limit or
    stop `order` is PENDING, and good until `good_until`: by default 24 hours or 6 timeframes after `known_at`,
    whichever is longer. `leverage` and `risk_percent` are only shown. `initial_stop` is the stop before it was moved.

    A stop or target of 0 means not set, as in MetaTrader. Zero and negative prices are valid only for instruments that
    can have them. `price_places` is the number of decimals in messages: at least the instrument's, and at least the
    entry's. Raises InvalidValue with all faults.
    """

    pair: Instrument
    timeframe: Timeframe | None = None
    signal_type: SignalType
    entry_price: Decimal
    timestamp: datetime
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    targets: tuple[Target, ...] = ()
    initial_stop: Decimal | None = None
    order: OrderKind = OrderKind.MARKET
    entry_zone: EntryZone | None = None
    good_until: datetime | None = None
    leverage: Decimal | None = None
    risk_percent: Decimal | None = None
    signal_id: str = None  # type: ignore[assignment]  # derived in __post_init__
    strategy_name: str | None = None
    crossover_type: CrossoverType = None  # type: ignore[assignment]  # derived in __post_init__
    status: SignalStatus = None  # type: ignore[assignment]  # derived in __post_init__
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
            timeframe: Timeframe | str | int | timedelta | None = None,
            signal_type: SignalType | str | int,
            entry_price: exact.Number,
            timestamp: Instant,
            stop_loss: exact.Number | None = None,
            take_profit: exact.Number | None = None,
            targets: Iterable[GivenTarget] = (),
            initial_stop: exact.Number | None = None,
            order: OrderKind | str = OrderKind.MARKET,
            entry_zone: EntryZone | Sequence[exact.Number] | Mapping[str, exact.Number] | None = None,
            good_until: Instant | None = None,
            leverage: exact.Number | None = None,
            risk_percent: exact.Number | None = None,
            signal_id: str | None = None,
            strategy_name: str | None = None,
            crossover_type: CrossoverType | str | None = None,
            status: SignalStatus | str | None = None,
            current_price: exact.Number | None = None,
            price_places: int | None = None,
            fast_ma: exact.Number | None = None,
            slow_ma: exact.Number | None = None,
            atr_value: exact.Number | None = None,
            atr_multiplier_sl: exact.Number | None = None,
            atr_multiplier_tp: exact.Number | None = None,
            risk_reward_ratio: exact.Number | None = None,
            position_size: exact.Number | None = None,
            confidence_score: exact.Number | None = None,
            notes: str | None = None,
            created_at: Instant | None = None,
            updated_at: Instant | None = None,
            known_at: Instant | None = None,
            valid_until: Instant | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        faults = Faults()
        fields = faults.fields(self, _CONVERSION_BY_FIELD, _NEVER_NONE)
        if isinstance(pair := fields["pair"], Instrument):
            prices = [(name, price) for name in _PRICES if (price := fields.get(name)) is not None]
            prices += [("targets", target.price) for target in fields.get("targets") or ()]
            if (zone := fields.get("entry_zone")) is not None:
                prices.append(("entry_zone", zone.low))
            for name, price in prices:
                if price <= 0:
                    faults.read(pair.check_price, price, name)
        faults.raise_any()
        fields |= agreed(fields.get("take_profit"), fields.get("targets", ()), faults)
        self._set(**fields)
        faults.found += wrong_levels(self)
        faults.read(self._set_times, None, "timestamp")
        faults.raise_any()
        self._derive()

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Self:
        """A signal from a dict of another system, which can use any of the usual field names.

        Accepts `symbol`, `ticker`, `side`, `action`, `entry`, `close`, `sl`, `tp`, `tf`, `interval`, `candle_time` and
        similar names in any case. None and blank text mean missing, and unknown names are ignored. Raises
        InvalidValue with all faults: missing and invalid fields, two names of one field with different values, a second
        stop or entry, and an unfilled `{{placeholder}}`.
        """
        if not hasattr(data, "items"):
            text = f"the signal is {shown(data)}: use a mapping of names to values"
            raise InvalidValue(text, code="not-a-mapping", value=shown(data))
        names = spellings.SIGNAL
        required = {field: spellings.missing(field, names) for field in spellings.REQUIRED}
        return make(cls, spellings.read_fields(data.items(), names), required, spellings.STAND_INS)

    @property
    def pip(self) -> Decimal:
        """The size of one pip, in price: the instrument's, or one tick if it has none."""
        return self.pair.pip or exact.step(self.price_places)

    @property
    def stream(self) -> str:
        """Instrument and timeframe, such as `EUR_USD H4`; only the instrument without a timeframe."""
        return str(self.pair) if self.timeframe is None else f"{self.pair} {self.timeframe}"

    @property
    def shares(self) -> tuple[Decimal, ...]:
        """The share of each target, in per cent of the initial size: as given, or equal parts of 100."""
        return shares_of(self.targets)

    @property
    def risk(self) -> Decimal | None:
        """The distance from entry to the initial stop, in price, above zero; None without a stop."""
        stop = self.stop_loss if self.initial_stop is None else self.initial_stop
        return None if stop is None else self._gain(stop).copy_negate()  # `-` would round

    @property
    def stop_pips(self) -> Decimal | None:
        """The distance from entry to stop, in pips; negative for a stop in profit, None without a stop or a pip."""
        return self._in_pips(None if self.stop_loss is None else self._gain(self.stop_loss).copy_negate())

    @property
    def target_pips(self) -> Decimal | None:
        """The distance from entry to the first target, in pips; None without a target or a defined pip."""
        return next(iter(self.pips_of_targets), None)

    @property
    def pips_of_targets(self) -> tuple[Decimal | None, ...]:
        """The distance from entry to each target, in pips; None without a defined pip."""
        return tuple(self._in_pips(self._gain(target.price)) for target in self.targets)

    @property
    def pnl(self) -> Decimal:
        """The profit at `current_price`, in price per unit; negative for a loss."""
        return self._gain(self.current_price)

    @property
    def is_profitable(self) -> bool:
        """True if `current_price` is better than the entry."""
        return self._gain(self.current_price) > 0

    @property
    def should_stop_loss(self) -> bool:
        """True if `current_price` has reached the stop."""
        return self.stop_loss is not None and self._gain(self.current_price) <= self._gain(self.stop_loss)

    @property
    def should_take_profit(self) -> bool:
        """True if `current_price` has reached the target."""
        return self.take_profit is not None and self._gain(self.current_price) >= self._gain(self.take_profit)

    def r_multiple(self, price: exact.Number) -> Decimal | None:
        """The profit at `price` in units of the risk: -1 at the initial stop; None without a stop."""
        return None if (risk := self.risk) is None else exact.quotient(self._gain(self._price(price)), risk)

    def price_text(self, price: Decimal) -> str:
        """`price` as text with `price_places` decimals, or more if it would otherwise be shown as zero."""
        return exact.fixed(price, places_for(price, self.price_places))

    def but(self, **changes: object) -> Self:
        """A copy with some fields changed, validated like a new signal.

        If only the stop changes, it moves: `initial_stop` becomes the first one, and the new one may be anywhere before
        the last target. With a new entry or side it is a new plan, and without a stop there is none to count from.
        `take_profit` and `targets` follow each other, and what was derived from a changed field is derived again.
        """
        if "stop_loss" in changes:
            changes.setdefault("initial_stop", self._initial_stop_with(changes))
        if changes.keys() & {"take_profit", "targets"}:
            changes |= changed(changes, self.targets)
        if "order" in changes:
            changes.setdefault("good_until", None)
            if self.status is self.order.first_status:
                changes.setdefault("status", None)
        if not changes.keys().isdisjoint(("entry_price", "stop_loss", "initial_stop", "take_profit")):
            changes.setdefault("risk_reward_ratio", None)
        return super().but(**changes)

    def valid_for(self, lasts: timedelta) -> Self:
        """A copy that is valid for `lasts` after it was known, if it has no timeframe and was valid for an hour."""
        is_usual = self.timeframe is None and self.valid_until == self.but(valid_until=None).valid_until
        if not is_usual:
            return self
        until = validity.later(self.known_at, validity.of_signal(self.pair, None, self.known_at, lasts))
        return self.but(valid_until=until if self.good_until is None else min(until, self.good_until))

    def at_price(self, price: exact.Number) -> Self:
        """A copy with `price` as `current_price`, updated now."""
        return self.but(current_price=self._price(price), updated_at=clock.now())

    def close(self, reason: str) -> Self:
        """A CLOSED copy, with the reason in its notes. Raises InvalidValue unless the signal is ACTIVE."""
        return self._ended(SignalStatus.CLOSED, reason, (SignalStatus.ACTIVE,))

    def cancel(self, reason: str) -> Self:
        """A CANCELLED copy, with the reason in its notes. Raises InvalidValue unless it is PENDING or ACTIVE."""
        return self._ended(SignalStatus.CANCELLED, reason, (SignalStatus.PENDING, SignalStatus.ACTIVE))

    def _ended(self, status: SignalStatus, reason: str, possible: Sequence[SignalStatus]) -> Self:
        if self.status not in possible:
            text = (
                f"{self.signal_id} is {self.status}: only a signal that is {' or '.join(possible)} can become {status}"
            )
            raise InvalidValue(text, code="conflict", field="status", value=str(self.status), limit=", ".join(possible))
        added = required_text(reason, "reason")
        notes = f"{self.notes}\n{added}" if self.notes else added
        return self.but(status=status, notes=notes, updated_at=clock.now())

    def _gain(self, price: Decimal) -> Decimal:
        if self.signal_type is SignalType.BUY:
            return exact.difference(price, self.entry_price)
        return exact.difference(self.entry_price, price)

    def _in_pips(self, distance: Decimal | None) -> Decimal | None:
        """`distance` in pips; None without a pip, because a distance in ticks depends on how a price is written."""
        pip = self.pair.pip
        return None if distance is None or pip is None else exact.quotient(distance, pip)

    def _price(self, given: exact.Number) -> Decimal:
        price = exact.decimal_of(given, "price")
        self.pair.check_price(price, "price")
        return price

    def _initial_stop_with(self, changes: Mapping[str, Any]) -> Decimal | None:
        """The initial stop of a copy with these changes, one of which is the stop."""
        stop = self.stop_loss if self.initial_stop is None else self.initial_stop
        try:
            moved = None if changes["stop_loss"] is None else _none_if_zero(changes["stop_loss"], "stop_loss")
        except InvalidValue:  # the constructor reports it, together with other faults
            return None
        is_unmoved = moved is None or (self.initial_stop is None and moved == stop)
        return None if is_unmoved or not _PLAN.isdisjoint(changes) else stop

    def _set_times(self, _: object, name: str) -> None:
        closed = self.timestamp
        if self.timeframe is not None:
            closed = validity.later(closed, self.timeframe.duration, name)
        known = min(clock.now(), closed) if self.known_at is None else self.known_at
        created = clock.now() if self.created_at is None else self.created_at
        lasts_for = validity.of_signal(self.pair, self.timeframe, known)
        if self.order.is_pending:
            good_until = validity.end(self.good_until, known, validity.of_order(self.timeframe), "good_until")
            self._set(good_until=good_until)
            lasts_for = min(lasts_for, good_until - known)
        elif self.good_until is not None:
            raise InvalidValue(
                "good_until is set, but order is MARKET: only a limit or stop order waits for its entry",
                code="conflict",
                field="good_until",
                value=iso(self.good_until),
                limit="LIMIT, STOP",
            )
        self._set(
            created_at=created,
            updated_at=created if self.updated_at is None else self.updated_at,
            known_at=known,
            valid_until=validity.end(self.valid_until, known, lasts_for),
        )

    def _derive(self) -> None:
        """Derive the fields that were not given."""
        self._set(
            crossover_type=self.signal_type.crossover if self.crossover_type is None else self.crossover_type,
            status=self.order.first_status if self.status is None else self.status,
            current_price=self.entry_price if self.current_price is None else self.current_price,
        )
        current = None if self.current_price is self.entry_price else self.current_price
        if self.price_places is None:
            targets, zone = (each.price for each in self.targets), self.entry_zone
            ends = (None, None) if zone is None else (zone.low, zone.high)
            prices = (self.entry_price, current, self.stop_loss, self.take_profit, *targets, *ends)
            at_least = self.pair.places
        else:  # a strategy's stop and target are computed, not quoted: messages round them
            prices, at_least = (self.entry_price, current), self.price_places
        self._set(price_places=finest_of(prices, at_least))
        if self.risk_reward_ratio is None and self.take_profit is not None and (risk := self.risk) is not None:
            ratio = exact.quotient(self._gain(self.take_profit), risk)
            self._set(risk_reward_ratio=exact.decimal_of(ratio, "risk_reward_ratio"))
        if self.signal_id is None:
            self._set(signal_id=derived_id(self, id_start(self.strategy_name or NO_STRATEGY, self.pair.symbol)))


def _none_if_zero(value: exact.Number, name: str) -> Decimal | None:
    return exact.decimal_of(value, name) or None


_PRICES = ("entry_price", "current_price", "stop_loss", "initial_stop", "take_profit")
_PLAN = frozenset(("entry_price", "signal_type", "pair"))
"""Fields whose change makes a new plan, which has its own initial stop."""
_NEVER_NONE = (*spellings.REQUIRED, "order")
_CONVERSION_BY_FIELD: Conversions = {
    "pair": read_pair,
    "timeframe": lambda value, _: Timeframe(value),
    "signal_type": partial(member, SignalType),
    "entry_price": exact.decimal_of,
    "timestamp": utc,
    "order": partial(member, OrderKind),
    "entry_zone": zone_of,
    "stop_loss": _none_if_zero,
    "initial_stop": _none_if_zero,
    "take_profit": _none_if_zero,
    "targets": targets_of,
    "leverage": leverage_of,
    "risk_percent": exact.percentage,
    "signal_id": id_of,
    "strategy_name": required_text,
    "crossover_type": partial(member, CrossoverType),
    "status": partial(member, SignalStatus),
    "current_price": exact.decimal_of,
    "price_places": signal_places,
    "fast_ma": exact.decimal_of,
    "slow_ma": exact.decimal_of,
    "atr_value": exact.non_negative,
    "atr_multiplier_sl": exact.non_negative,
    "atr_multiplier_tp": exact.non_negative,
    "risk_reward_ratio": exact.non_negative,
    "position_size": exact.positive,
    "confidence_score": exact.share,
    "notes": text_of,
    "created_at": utc,
    "updated_at": utc,
    "known_at": utc,
    "valid_until": utc,
    "good_until": utc,
}
