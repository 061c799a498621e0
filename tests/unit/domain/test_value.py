import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import (
    Alert,
    AlertSeverity,
    AlertStatus,
    Announcement,
    Candle,
    CrossoverType,
    InvalidValue,
    MarketAnalysis,
    Signal,
    SignalStatus,
    SignalType,
    SystemStatus,
)
from signalpost.domain.order import OrderKind
from signalpost.domain.value import Value, encoded

texts = st.text(st.characters(exclude_categories=[]))  # lone surrogates too
full_texts = texts.filter(str.strip)
ids = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=200)
starts = st.builds(
    lambda zone, since: (datetime(1900, 1, 1, tzinfo=UTC) + since).astimezone(zone),
    st.timezones(),
    st.timedeltas(timedelta(), timedelta(days=7_000 * 365)),
)
ends = st.just(datetime(8999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
numbers = st.decimals(0, 10**18, places=12)
above_zero = st.decimals("1e-12", 10**12, places=12)
quoted = st.decimals("1e-6", 10**12, places=6)  # so that any two distances have a ratio that is admitted
facts = st.dictionaries(
    full_texts, st.none() | st.booleans() | st.integers() | st.floats() | texts | numbers | st.lists(st.integers())
)
pairs = st.sampled_from(["EUR/USD", "usdjpy", "BTC-USDT", "US500", "A_1"])


@st.composite
def candles(draw: st.DrawFn) -> Candle:
    low, one, other, high = sorted(draw(above_zero) for _ in range(4))
    volume = draw(st.none() | numbers)
    return Candle(time=draw(starts), open=one, high=high, low=low, close=other, volume=volume)


@st.composite
def signals(draw: st.DrawFn) -> Signal:
    side = draw(st.sampled_from(SignalType))
    below, entry, above = sorted(draw(st.lists(quoted, min_size=3, max_size=3, unique=True)))
    stop, target = (below, above) if side is SignalType.BUY else (above, below)
    start = draw(starts)
    optional = st.fixed_dictionaries(
        {},
        optional={
            "stop_loss": st.just(stop),
            "take_profit": st.just(target),
            "order": st.sampled_from(OrderKind),
            "entry_zone": st.just((entry * Decimal("0.5"), entry * 2)),
            "leverage": above_zero,
            "risk_percent": st.integers(1, 100),
            "signal_id": ids,
            "strategy_name": full_texts,
            "crossover_type": st.sampled_from(CrossoverType),
            "status": st.sampled_from(SignalStatus),
            "current_price": above_zero,
            "price_places": st.integers(0, 12),
            **dict.fromkeys(("fast_ma", "slow_ma", "atr_value", "atr_multiplier_sl", "atr_multiplier_tp"), numbers),
            "risk_reward_ratio": numbers,
            "position_size": above_zero,
            "confidence_score": st.floats(0, 1).map(lambda share: round(share, 9)),
            "notes": texts,
            **dict.fromkeys(("created_at", "updated_at", "known_at"), starts),
            "valid_until": ends,
        },
    )
    timeframe = draw(st.sampled_from(["M1", "4h", "D", 240, timedelta(seconds=1_234_567), "W52", None]))
    return Signal(
        pair=draw(pairs), timeframe=timeframe, signal_type=side, entry_price=entry, timestamp=start, **draw(optional)
    )


def alerts() -> st.SearchStrategy[Alert]:
    optional = {
        "message": texts,
        "timestamp": starts,
        "alert_id": ids,
        "context": facts,
        "status": st.sampled_from(AlertStatus),
        "source": texts,
        "tags": st.lists(full_texts),
        "acknowledged_by": full_texts,
        "acknowledged_at": starts,
        "resolved_at": starts,
        "escalation_level": st.integers(0, 100),
        "valid_until": ends,
    }
    needed = {"alert_type": ids, "severity": st.sampled_from(AlertSeverity), "title": full_texts}
    return st.fixed_dictionaries(needed, optional=optional).map(lambda fields: Alert(**fields))  # type: ignore[arg-type]


def analyses() -> st.SearchStrategy[MarketAnalysis]:
    optional = {"pair": pairs, "timestamp": starts, "analysis_id": ids, "context": facts, "valid_until": ends}
    needed = {"title": full_texts, "text": full_texts}
    return st.fixed_dictionaries(needed, optional=optional).map(lambda fields: MarketAnalysis(**fields))  # type: ignore[arg-type]


def statuses() -> st.SearchStrategy[SystemStatus]:
    optional = {
        "message": texts,
        "uptime": st.timedeltas(timedelta()),
        "metrics": facts,
        "timestamp": starts,
        "status_id": ids,
        "valid_until": ends,
    }
    return st.fixed_dictionaries({"status": ids}, optional=optional).map(lambda fields: SystemStatus(**fields))  # type: ignore[arg-type]


def announcements() -> st.SearchStrategy[Announcement]:
    optional = {"timestamp": starts, "announcement_id": ids, "valid_until": ends}
    needed = {"title": full_texts, "text": full_texts}
    return st.fixed_dictionaries(needed, optional=optional).map(lambda fields: Announcement(**fields))  # type: ignore[arg-type]


sound_texts = st.text(st.characters(codec="utf-8"))
futures = st.dictionaries(
    sound_texts.map("x-{}".format),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.lists(sound_texts),
)
values = candles() | signals() | alerts() | analyses() | statuses() | announcements()
SIGNAL = Signal(
    pair="EUR_USD",
    timeframe="H4",
    signal_type="BUY",
    entry_price="1.10",
    stop_loss="1.09",
    timestamp="2025-08-20T01:00:00Z",
    created_at="2025-08-20T05:00:01Z",
    known_at="2025-08-20T05:00:00Z",
)
STATUS = SystemStatus(
    status="up", metrics={"b": 1, "a": None}, uptime=timedelta(hours=1), timestamp="2025-08-20T05:00Z"
)


@given(values)
def test_every_value_survives_json_and_plain_data_unchanged(value: Value) -> None:
    kind = type(value)
    plain = value.to_dict()
    twins = [
        kind.from_json(value.to_json()),
        kind.from_json(value.to_json().decode()),
        kind.from_dict(plain),
        kind.from_dict(json.loads(value.to_json())),
        pickle.loads(pickle.dumps(value)),
        copy.deepcopy(value),
        copy.copy(value),
        value.but(),
    ]
    for twin in twins:
        assert type(twin) is kind
        assert twin == value
        assert hash(twin) == hash(value)
        assert twin.to_json() == value.to_json()
    assert json.loads(value.to_json()) == json.loads(json.dumps(plain))


@given(values, futures)
def test_fields_of_a_newer_version_are_ignored(value: Value, future: dict[str, Any]) -> None:
    added = {**value.to_dict(), **future, "x-nested": {"a": [1, {"b": None}]}}
    assert type(value).from_dict(added) == value
    assert type(value).from_json(json.dumps(added)) == value


@given(values, values)
def test_values_are_equal_if_and_only_if_their_plain_data_is(one: Value, other: Value) -> None:
    for left, right in ((one, other), (one, one.but())):
        same = type(left) is type(right) and left.to_json() == right.to_json()
        assert (left == right) is same
        assert len({left, right}) == (1 if same else 2)


def test_prices_are_strings_and_times_end_in_z() -> None:
    assert SIGNAL.to_dict() == json.loads(SIGNAL.to_json()) | {"targets": ()}
    assert SIGNAL.to_json().startswith(
        b'{"kind":"signal","pair":"EUR_USD","timeframe":"H4","signal_type":"BUY","entry_price":"1.10",'
        b'"timestamp":"2025-08-20T01:00:00Z","stop_loss":"1.09","take_profit":null,'
    )
    assert STATUS.to_dict() == {
        "kind": "system_status",
        "status": "up",
        "message": "",
        "uptime": "PT3600S",
        "metrics": {"b": 1, "a": None},
        "timestamp": "2025-08-20T05:00:00Z",
        "status_id": STATUS.status_id,
        "valid_until": "2025-08-20T05:15:00Z",
    }
    assert {type(text) for text in SIGNAL.to_dict().values()} <= {str, int, tuple, type(None)}


def test_changing_the_plain_data_does_not_change_the_value() -> None:
    STATUS.to_dict()["metrics"]["b"] = 2
    assert STATUS.metrics["b"] == 1


def test_two_spellings_of_a_price_are_equal() -> None:
    other = SIGNAL.but(entry_price="1.1")
    assert (other, hash(other)) == (SIGNAL, hash(SIGNAL))


def test_numbers_in_json_are_read_from_their_text() -> None:
    plain = {**SIGNAL.to_dict(), "entry_price": 1.1234567890123, "timeframe": 240}
    assert str(Signal.from_json(json.dumps(plain)).entry_price) == "1.1234567890123"
    assert Signal.from_dict(plain) == Signal.from_json(json.dumps(plain))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"kind":"signal","pair":' + b"[" * 100_000,
        "\ud800",
        None,
        5,
        b'{"kind":"alert"}',
        SIGNAL.to_json().replace(b'"signal"', b'"candle"'),
        SIGNAL.to_json().replace(b'"1.10"', b'"NaN"'),
        SIGNAL.to_json().replace(b'"1.10"', b'"1.0"'),
        SIGNAL.to_json().replace(b'"1.10"', b"null"),
        SIGNAL.to_json().replace(b'"1.10"', b"1" + b"0" * 5000),
        SIGNAL.to_json().replace(b'"BUY"', b'"HOLD"'),
        SIGNAL.to_json().replace(b'"H4"', b"[]"),
        SIGNAL.to_json().replace(b'"targets":[', b'"targets":[1,'),
        SIGNAL.to_json().replace(b'"MARKET"', b'"ASK"'),
        SIGNAL.to_json().replace(b'"EUR_USD"', b"1"),
        SIGNAL.to_json().replace(b"01:00:00Z", b"01:00:00"),
        SIGNAL.to_json().replace(b"2025-08-20T01:00:00Z", b"0001-01-01T00:00:00+14:00"),
    ],
    ids=lambda data: ascii(data)[:40],
)
def test_json_without_a_valid_signal_is_refused(data: Any) -> None:
    is_unreadable(lambda: Signal.from_json(data), "Signal")


@pytest.mark.parametrize("context", [b"[1]", b"1", b"null", b'{"":1}', b"[" * 100_000])
def test_json_with_an_invalid_context_is_refused(context: bytes) -> None:
    data = STATUS.to_json().replace(b'{"b":1,"a":null}', context)
    is_unreadable(lambda: SystemStatus.from_json(data), "SystemStatus")


@pytest.mark.parametrize(
    "data",
    [None, 5, "ab", [], {}, {1: 2}, {"kind": "alert"}, {**SIGNAL.to_dict(), 1: 2}, {**SIGNAL.to_dict(), "pair": ...}],
    ids=lambda data: ascii(data)[:40],
)
def test_data_without_a_valid_signal_is_refused(data: Any) -> None:
    is_unreadable(lambda: Signal.from_dict(data), "Signal")


def is_unreadable(read: Callable[[], object], kind: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        read()
    assert refusal.value.code == "unreadable"
    assert kind in str(refusal.value)


def test_a_value_cannot_be_changed_or_get_unknown_fields() -> None:
    with pytest.raises(AttributeError):
        SIGNAL.pair = "x"  # type: ignore[misc, assignment]
    with pytest.raises(TypeError, match="stopp"):
        SIGNAL.but(stopp=1)
    with pytest.raises(TypeError, match="texts"):
        Announcement(title="x", text="x", texts="x")  # type: ignore[call-arg]


def test_only_parts_of_values_can_be_encoded() -> None:
    assert encoded([SIGNAL.pair, STATUS.metrics]) == b'["EUR_USD",{"b":1,"a":null}]'
    with pytest.raises(TypeError, match="object"):
        encoded(object())
