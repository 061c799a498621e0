from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from signalpost import CrossoverType, InvalidValue, Signal, SignalStatus, SignalType
from signalpost.testing.manual_clock import ManualClock
from tests.surface.errors import Facts, facts_of

OPEN = datetime(2025, 8, 20, 1, tzinfo=UTC)
CLOSE = datetime(2025, 8, 20, 5, tzinfo=UTC)
NOW = datetime(2025, 8, 20, 5, 0, 1, tzinfo=UTC)
LATER = datetime(2025, 8, 20, 6, tzinfo=UTC)


def made(**fields: Any) -> Signal:
    plain = {"pair": "EUR_USD", "timeframe": "H4", "signal_type": "BUY", "entry_price": "1.10", "timestamp": OPEN}
    return Signal(**{**plain, **fields})


@pytest.fixture
def later() -> Iterator[ManualClock]:
    """An hour after the candle closed."""
    with ManualClock(LATER) as manual:
        yield manual


def test_one_line_makes_a_signal_and_derives_the_rest() -> None:
    signal = made(stop_loss=1.09, take_profit=1.12)
    assert signal.signal_id == "signal:EUR_USD:H4:BUY:20250820T010000Z"
    assert (signal.crossover_type, signal.status) == (CrossoverType.BULLISH, SignalStatus.ACTIVE)
    assert (signal.current_price, signal.price_places) == (Decimal("1.10"), 5)
    assert (signal.known_at, signal.valid_until) == (CLOSE, CLOSE + timedelta(hours=4))
    assert (signal.created_at, signal.updated_at) == (NOW, NOW)
    assert signal.risk_reward_ratio == 2
    assert (signal.confidence_score, signal.notes, signal.position_size) == (None, None, None)


def test_numbers_and_times_of_numpy_and_pandas_make_the_same_signal() -> None:
    numpy = made(
        entry_price=np.float64(1.1),
        stop_loss=np.float32(1.09),
        signal_type=np.int64(1),
        price_places=np.int64(5),
        timestamp=pd.Timestamp("2025-08-20T03:00:00", tz="Europe/Berlin"),
    )
    assert numpy == made(stop_loss="1.09")
    assert hash(numpy) == hash(made(stop_loss="1.09"))


def test_a_sell_is_the_mirror_of_a_buy() -> None:
    signal = made(signal_type=-1, stop_loss="1.11", take_profit="1.07", current_price="1.08")
    assert signal.crossover_type is CrossoverType.BEARISH
    assert (signal.risk, signal.risk_reward_ratio, signal.pnl) == (Decimal("0.01"), 3, Decimal("0.02"))
    assert signal.r_multiple("1.11") == -1


def test_before_the_candle_closes_a_signal_is_known_now() -> None:
    early = datetime(2025, 8, 20, 3, tzinfo=UTC)
    with ManualClock(early):
        signal = made()
    assert (signal.known_at, signal.created_at, signal.valid_until) == (early, early, early + timedelta(hours=4))


def test_a_signal_made_mid_candle_was_known_when_it_was_created() -> None:
    class Ticking(ManualClock):
        def now(self) -> datetime:
            self.advance(timedelta(microseconds=1))
            return super().now()

    with Ticking(OPEN):
        signal = made()
    assert signal.known_at <= signal.created_at


def test_given_times_are_kept(later: ManualClock) -> None:
    signal = made(
        created_at=OPEN, updated_at=CLOSE, known_at="2025-08-20T05:00:02Z", valid_until="2025-08-20T05:30:00Z"
    )
    assert (signal.created_at, signal.updated_at) == (OPEN, CLOSE)
    assert signal.known_at == CLOSE + timedelta(seconds=2)
    assert signal.valid_until == CLOSE + timedelta(minutes=30)
    assert made(created_at=OPEN).updated_at == OPEN
    assert later.now() == LATER


@pytest.mark.parametrize(
    ("pair", "entry", "places", "pip"),
    [
        ("USD_JPY", "147.1", 3, "0.01"),
        ("BTC_USDT", "65000.5", 1, "0.1"),
        ("BTC_USDT", "65000", 0, "1"),
        ("PEPE_USDT", "0.00000123", 8, "0.00000001"),
        ("TINY_USDT", "1e-20", 20, "1e-20"),
    ],
)
def test_price_places_are_the_instruments_or_those_of_the_entry(pair: str, entry: str, places: int, pip: str) -> None:
    signal = made(pair=pair, entry_price=entry)
    assert (signal.price_places, signal.pip) == (places, Decimal(pip))


def test_given_price_places_are_the_tick_if_the_instrument_has_no_pip() -> None:
    assert made(pair="BTC_USDT", price_places=2).pip == Decimal("0.01")
    assert made(price_places=2).pip == Decimal("0.0001")


@pytest.mark.parametrize(
    ("fields", "code", "value", "limit"),
    [
        ({"stop_loss": "1.10"}, "wrong-side", "1.10", "below 1.10"),
        ({"stop_loss": "1.11"}, "wrong-side", "1.11", "below 1.10"),
        ({"take_profit": "1.10"}, "wrong-side", "1.10", "above 1.10"),
        ({"take_profit": "1.09"}, "wrong-side", "1.09", "above 1.10"),
        ({"signal_type": "SELL", "stop_loss": 1}, "wrong-side", "1", "above 1.10"),
        ({"signal_type": "SELL", "take_profit": 2}, "wrong-side", "2", "below 1.10"),
        ({"confidence_score": 85}, "out-of-range", "85", "0 to 1"),
        ({"confidence_score": -0.1}, "out-of-range", "-0.1", "0 to 1"),
        ({"price_places": True}, "out-of-range", "True", "0 to 30"),
        ({"price_places": 31}, "out-of-range", "31", "0 to 30"),
        ({"signal_id": ""}, "missing", None, None),
        ({"strategy_name": " "}, "missing", None, None),
        ({"notes": 1}, "not-text", "1", None),
        ({"timestamp": "2025-08-20T01:00"}, "no-time-zone", "2025-08-20T01:00:00", None),
        ({"timestamp": "8999-12-31T23:00Z"}, "out-of-range", "8999-12-31T23:00:00Z", "9000-01-01T00:00:00Z"),
        ({"created_at": 0}, "out-of-range", "0", "1973 to 2286"),
        ({"updated_at": 0}, "out-of-range", "0", "1973 to 2286"),
        ({"known_at": 0}, "out-of-range", "0", "1973 to 2286"),
        ({"valid_until": CLOSE}, "not-after", "2025-08-20T05:00:00Z", "2025-08-20T05:00:00Z"),
        ({"crossover_type": "up"}, "unknown-word", "'up'", "BULLISH, BEARISH"),
        ({"status": "open"}, "unknown-word", "'open'", "PENDING, ACTIVE, FILLED, CLOSED, CANCELLED, EXPIRED"),
    ],
)
def test_an_invalid_field_is_refused_with_its_facts(
    fields: dict[str, Any], code: str, value: str | None, limit: str | None
) -> None:
    with pytest.raises(InvalidValue) as error:
        made(**fields)
    *_, field = fields
    assert facts_of(error.value) == [Facts(code, field, value, limit)]
    assert field in str(error.value)
    assert (value or "") in str(error.value)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        *dict.fromkeys(("entry_price", "current_price", "position_size"), "above").items(),
        *dict.fromkeys(("atr_value", "atr_multiplier_sl", "atr_multiplier_tp", "risk_reward_ratio"), "zero").items(),
        *dict.fromkeys(("fast_ma", "slow_ma"), "any").items(),
    ],
)
def test_each_number_has_its_minimum(name: str, least: str) -> None:
    for value, allowed in ((-1, {"any"}), (0, {"any", "zero"})):
        if least in allowed:
            assert getattr(made(**{name: value}), name) == value
        else:
            with pytest.raises(InvalidValue) as refusal:
                made(**{name: value})
            limit = "above 0" if least == "above" else "0 or more"
            assert facts_of(refusal.value) == [Facts("out-of-range", name, str(value), limit)]
    for nothing in ("nan", True):
        with pytest.raises(InvalidValue) as refusal:
            made(**{name: nothing})
        assert (refusal.value.code, refusal.value.field) == ("not-a-number", name)


@pytest.mark.parametrize("confidence", [0, 1, "0.85"])
def test_a_confidence_may_be_zero_or_one(confidence: object) -> None:
    assert made(confidence_score=confidence).confidence_score == Decimal(str(confidence))


def test_a_given_risk_reward_is_kept_and_without_a_target_it_is_not_set() -> None:
    assert made(stop_loss="1.09", take_profit="1.12", risk_reward_ratio="1.5").risk_reward_ratio == Decimal("1.5")
    assert made(stop_loss="1.09").risk_reward_ratio is None
    assert made(take_profit="1.12").risk_reward_ratio is None


def test_risk_needs_a_stop_and_reward_needs_a_target() -> None:
    signal = made()
    assert (signal.risk, signal.stop_pips, signal.target_pips, signal.r_multiple(2)) == (None, None, None, None)
    assert not signal.should_stop_loss
    assert not signal.should_take_profit


@pytest.mark.parametrize(("side", "up"), [(SignalType.BUY, 1), (SignalType.SELL, -1)])
def test_stop_and_target_are_reached_when_touched(side: SignalType, up: int) -> None:
    step = Decimal("0.01") * up
    signal = made(signal_type=side, stop_loss=Decimal("1.10") - step, take_profit=Decimal("1.10") + step)
    tick = step / 1000
    stopped = [signal.at_price(signal.stop_loss + offset).should_stop_loss for offset in (tick, 0, -tick)]  # type: ignore[operator]
    taken = [signal.at_price(signal.take_profit + offset).should_take_profit for offset in (-tick, 0, tick)]  # type: ignore[operator]
    assert stopped == taken == [False, True, True]
    profits = [signal.at_price(signal.entry_price + offset).is_profitable for offset in (-tick, 0, tick)]
    assert profits == [False, False, True]


def test_a_closed_signal_records_why_and_when_and_closes_once(later: ManualClock) -> None:
    signal = made(notes="first", created_at=OPEN)
    closed = signal.close("target")
    assert (closed.status, closed.notes, closed.updated_at) == (
        SignalStatus.CLOSED,
        "first\ntarget",
        later.now(),
    )
    assert (closed.signal_id, closed.created_at, closed.valid_until) == (signal.signal_id, OPEN, signal.valid_until)
    assert made().cancel("news").notes == "news"
    assert made().cancel("news").status is SignalStatus.CANCELLED
    with pytest.raises(InvalidValue) as refusal:
        closed.cancel("too late")
    assert facts_of(refusal.value) == [Facts("conflict", "status", "CLOSED", "PENDING, ACTIVE")]
    assert signal.signal_id in str(refusal.value)
    with pytest.raises(InvalidValue) as refusal:
        signal.close(" ")
    assert facts_of(refusal.value) == [Facts("missing", "reason")]
    assert signal.status is SignalStatus.ACTIVE


def test_at_price_changes_only_price_and_time(later: ManualClock) -> None:
    signal = made(stop_loss="1.09", take_profit="1.12", created_at=OPEN)
    moved = signal.at_price("1.115")
    assert (moved.current_price, moved.updated_at, moved.pnl) == (Decimal("1.115"), later.now(), Decimal("0.015"))
    assert moved.but(current_price="1.10", updated_at=OPEN) == signal
    with pytest.raises(InvalidValue) as refusal:
        signal.at_price(None)  # type: ignore[arg-type]
    assert facts_of(refusal.value) == [Facts("not-a-number", "price", "None")]


@pytest.mark.parametrize(
    ("change", "ratio"),
    [
        ({"stop_loss": "1.08"}, 2),
        ({"stop_loss": "1.08", "initial_stop": None}, 1),
        ({"take_profit": "1.13"}, 3),
        ({"entry_price": "1.11"}, Decimal("0.5")),
        ({"stop_loss": None}, None),
        ({"stop_loss": "1.08", "risk_reward_ratio": "1.25"}, Decimal("1.25")),
        ({"notes": "x"}, 2),
        ({"current_price": "1.11"}, 2),
    ],
)
def test_a_changed_price_derives_the_risk_reward_again(change: dict[str, Any], ratio: Decimal | None) -> None:
    assert made(stop_loss="1.09", take_profit="1.12").but(**change).risk_reward_ratio == ratio


def test_a_change_is_validated_like_a_new_signal() -> None:
    with pytest.raises(InvalidValue) as refusal:
        made().but(stop_loss=2)
    assert facts_of(refusal.value) == [Facts("wrong-side", "stop_loss", "2", "below 1.10")]
    assert made().but(stop_loss=np.float32(1.05)).stop_loss == Decimal("1.05")


def test_a_stop_too_close_for_a_valid_ratio_is_refused() -> None:
    """Otherwise the signal could be written but not read back."""
    with pytest.raises(InvalidValue) as refusal:
        made(entry_price="2E-12", stop_loss="1E-12", take_profit="10000000.000000000002")
    ((code, field, value, _),) = facts_of(refusal.value)
    assert (code, field) == ("out-of-range", "risk_reward_ratio")
    assert str(value).startswith("1000000000000000000")
