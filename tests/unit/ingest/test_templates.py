"""Real TradingView alerts: nested objects, prices of order and bar, unfilled placeholders."""

import json
from decimal import Decimal
from typing import Any

import pytest

from signalpost.web import tradingview
from signalpost.web.problem import Problem
from signalpost.web.tradingview import Exit
from tests.unit.ingest.entry_points import ENTRY_POINTS, PLAIN, TIME, by_tradingview, other_kind
from tests.unit.web.tokens import refusal, token

BAR = {"ticker": "ETHUSDT", "interval": "15", "time": TIME}
ALERT = {**BAR, "action": "buy", "price": "3006.2"}


@pytest.mark.parametrize(
    "inner",
    [
        {"order": {"id": "Long"}},
        {"strategy_info": {"order": {"id": "Long", "comment": "x"}}},
        {"account": {"id": "A1"}},
        {"user": {"id": 7}},
        {"bot": {"signal_id": "Long"}},
        {"alert": {"alert_id": "Long"}},
        {"strategy": {"order_id": "Long", "id": "Long"}},
        {"meta": {"source": {"id": "Long"}}},
        {"webhook": {"ID": "Long"}},
        {"position": {"signal_id": "Long", "side": "buy"}},
    ],
)
def test_an_id_inside_an_object_belongs_to_that_object(inner: dict[str, Any]) -> None:
    first = by_tradingview({**ALERT, **inner})
    later = by_tradingview({**ALERT, **inner, "time": "2099-01-01T00:15:00Z"})
    assert first.signal is not None
    assert later.signal is not None
    assert first.signal.signal_id == by_tradingview(ALERT).signal.signal_id  # type: ignore[union-attr]
    assert later.signal.signal_id != first.signal.signal_id


def test_a_tier_or_priority_inside_an_object_is_ignored() -> None:
    body = {**ALERT, "account": {"tier": "gold!", "priority": "first"}}
    assert by_tradingview(body).codes == {}


def test_an_id_at_the_top_level_is_the_id_of_the_signal() -> None:
    for name in ("id", "signal_id", "Signal-ID"):
        signal = by_tradingview({**ALERT, name: "mine", "order": {"id": "Long"}}).signal
        assert signal is not None
        assert signal.signal_id == "bot:mine"


@pytest.mark.parametrize(
    "prices",
    [
        {"bar": {"close": "3005.5"}, "strategy": {"order_price": "3006.2"}},
        {"close": "3005.5", "order_price": "3006.2"},
        {"close": "3005.5", "strategy": {"order_price": "3006.2"}},
        {"price": "3005.5", "order_price": "3006.2"},
        {"price": "3005.5", "strategy": {"order": {"price": "3006.2"}}},
        {"Close": "3005.5", "Order Price": "3006.2"},
        {"close": "3005.5", "strategy.order.price": "3006.2"},
        {"price": "3005.5", "strategy_order": {"price": "3006.2"}},
        {"candle": {"price": "3005.5"}, "order": {"price": "3006.2"}},
    ],
)
def test_the_price_of_the_order_comes_before_the_close_of_the_bar(prices: dict[str, Any]) -> None:
    signal = by_tradingview({**BAR, "action": "buy", **prices}).signal
    assert signal is not None
    assert signal.entry_price == Decimal("3006.2")


@pytest.mark.parametrize(
    "prices",
    [
        {"close": "3005.5", "order": {"price": "3006.2"}},
        {"close": 3005.5, "strategy": {"order": {"action": "buy", "price": 3006.2}}},
        {"bar": {"open": "3001", "close": "3005.5"}, "order": {"Price": "3006.2"}},
        {"bar": {"close": "3005.5"}, "strategy": {"order": {"price": "3006.2"}}, "volume": "7"},
    ],
)
def test_the_price_inside_an_order_comes_before_the_close_of_the_bar(prices: dict[str, Any]) -> None:
    signal = by_tradingview({**BAR, "action": "buy", **prices}).signal
    assert signal is not None
    assert signal.entry_price == Decimal("3006.2")


def test_the_entry_comes_before_the_close_at_every_entry_point() -> None:
    rest = {name: value for name, value in PLAIN.items() if name != "price"}
    for name, read in ENTRY_POINTS.items():
        for entry in ("entry", "entry_price", "price", "order_price", "open_rate"):
            signal = read({**rest, "close": "1.15", entry: "1.16"}).signal
            assert signal is not None, (name, entry)
            assert signal.entry_price == Decimal("1.16"), (name, entry)


UNFILLED = [
    {"ticker": "{{ticker}}"},
    {"ticker": "{{exchange}}:{{ticker}}"},
    {"ticker": "BINANCE:{{ticker}}"},
    {"symbol": "{{ticker}}", "ticker": None},
    {"ticker": "{{ syminfo.ticker }}"},
    {"comment": "{{strategy.order.comment}}"},
    {"message": "RSI is {{plot_0}}"},
    {"strategy": "{{strategy.name}}"},
    {"id": "{{strategy.order.id}}"},
    {"notes": "{{strategy.order.alert_message}}"},
    {"alert_message": '{{plot("RSI")}}'},
]


@pytest.mark.parametrize("unfilled", UNFILLED, ids=str)
def test_a_placeholder_that_was_not_filled_in_is_refused_by_name(unfilled: dict[str, Any]) -> None:
    assert by_tradingview({**ALERT, **unfilled}).codes == {next(iter(unfilled)): "placeholder"}


@pytest.mark.parametrize(
    "unfilled",
    [{"strategy": "{{strategy.name}}"}, {"id": "{{id}}"}, {"notes": "{{note}}"}, {"comment": "at {{close}}"}],
)
def test_a_placeholder_is_refused_at_every_entry_point(unfilled: dict[str, Any]) -> None:
    for name, read in ENTRY_POINTS.items():
        assert read({**PLAIN, **unfilled}).codes == {next(iter(unfilled)): "placeholder"}, name


def test_a_placeholder_in_a_required_field_is_not_also_reported_as_missing() -> None:
    for field, value in {"pair": "{{ticker}}", "price": "{{close}}", "time": "{{time}}", "side": "{{action}}"}.items():
        for name, read in ENTRY_POINTS.items():
            assert read({**PLAIN, field: value}).codes == {field: "placeholder"}, name


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("alerts", {"alert_type": "{{type}}", "severity": "high", "title": "t"}, "alert_type"),
        ("alerts", {"alert_type": "feed", "severity": "high", "title": "{{ .Labels.alertname }} fires"}, "title"),
        ("alerts", {"alert_type": "feed", "severity": "high", "title": "t", "message": "{{msg}}"}, "message"),
        ("announcements", {"title": "t", "text": " {{text}} "}, "text"),
        ("statuses", {"status": "{{status}}"}, "status"),
        ("alerts", {"alert_type": "a", "severity": "low", "title": "t", "context": {"rsi": "{{rsi}}"}}, "context.rsi"),
        ("signals", {**PLAIN, "context": {"rsi": "{{plot_0}}"}}, "context.rsi"),
    ],
)
def test_a_placeholder_is_refused_in_every_kind(path: str, body: dict[str, Any], name: str) -> None:
    problem = refusal(lambda: other_kind(path, body))
    assert problem is not None
    assert [fault.field for fault in problem.faults] == [name]


def test_a_text_may_mention_a_placeholder() -> None:
    made = other_kind("announcements", {"title": "t", "text": "Write {{ticker}} into your alert."})
    assert made.text == "Write {{ticker}} into your alert."


POSITIONS = [
    {"market_position": "{{strategy.market_position}}"},
    {"prev_market_position": "{{strategy.prev_market_position}}"},
    {"market_position": "{{strategy.market_position}}", "prev_market_position": "{{strategy.prev_market_position}}"},
    {"strategy": {"market_position": "{{strategy.market_position}}"}},
    {"Market_Position": "{{strategy.market_position}}"},
    {"market_position": "{{ strategy.market_position }}"},
    {"market_position": "{{strategy.market_position}}", "prev_market_position": "flat"},
    {"market_position": "", "prev_market_position": "{{strategy.prev_market_position}}"},
    {"market_position": "{{strategy.position}}", "position_size": "{{strategy.position_size}}"},
    {"market_position": "{{strategy.market_position}}", "contracts": "{{strategy.order.contracts}}"},
]


@pytest.mark.parametrize("position", POSITIONS, ids=str)
def test_an_unfilled_position_counts_as_absent(position: dict[str, Any]) -> None:
    seen = by_tradingview({**ALERT, **position})
    assert seen.codes == {}
    assert seen.signal is not None
    assert seen.signal.signal_type == "BUY"


def test_a_close_with_an_unfilled_position_is_a_close() -> None:
    body = {**ALERT, "action": "close_long", "prev_market_position": "{{strategy.prev_market_position}}"}
    parsed = tradingview.read(json.dumps(body).encode(), token())[0]
    assert isinstance(parsed, Exit)
    assert (parsed.side, parsed.left) == ("BUY", 0)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ({"action": "close", "side": "long"}, "close BUY"),
        ({"action": "exit", "direction": "short"}, "close SELL"),
        ({"action": "buy", "side": "long"}, "BUY"),
        ({"action": "buy", "signal": "golden cross"}, "BUY"),
        ({"signal": "sell"}, "SELL"),
        ({"order": {"action": "sell"}}, "SELL"),
        ({"action": "buy", "side": "short"}, "side"),
        ({"action": "close_long", "side": "short"}, "side"),
        ({"action": "buy", "signal": "exit"}, "signal"),
        ({"action": "up", "side": "long"}, "action"),
        ({"action": "{{strategy.order.action}}"}, "action"),
    ],
)
def test_action_and_side_are_read_together(words: dict[str, Any], meant: str) -> None:
    body = {**BAR, "price": "3006.2", **words}
    found: list[Any] = []
    problem = refusal(lambda: found.append(tradingview.read(json.dumps(body).encode(), token())[0]))
    if problem is not None:
        assert [fault.field for fault in problem.faults] == [meant]
    elif isinstance(found[0], Exit):
        assert f"close {found[0].side}" == meant
    else:
        assert found[0].signal.signal_type == meant


@pytest.mark.parametrize("interval", ["100R", "10R", "1000T", "10T", "1M", "3M", "12M", "1R", "500T", "6M"])
def test_an_interval_without_a_fixed_length_is_refused_with_advice(interval: str) -> None:
    with pytest.raises(Problem) as refused:
        tradingview.read(json.dumps({**ALERT, "interval": interval}).encode(), token())
    (fault,) = refused.value.faults
    assert fault.field == "interval"
    assert "{{interval}}" in getattr(fault, "text", "")


@pytest.mark.parametrize(
    ("pairs", "body"),
    [
        ("ticker=EURUSD", {"ticker": "EURUSD"}),
        ('order.price = "1.1", Side=buy;', {"order.price": "1.1", "Side": "buy"}),
        ("buy EURUSD", None),
    ],
)
def test_names_and_values_are_read_from_text(pairs: str, body: dict[str, str] | None) -> None:
    from signalpost.ingest.templates import pairs_of

    assert pairs_of(pairs) == body


def test_possible_passwords_are_not_shown() -> None:
    from signalpost.ingest.templates import shown_text

    for text in ("BUY passphrase=hush", "token: hush", 'secret="hush"', "api_key = hush"):
        assert "hush" not in shown_text(text)


def test_the_same_name_twice_in_one_object_must_agree_and_an_outer_name_comes_first() -> None:
    assert by_tradingview({**ALERT, "Price": "3006.20"}).codes == {}
    assert by_tradingview({**ALERT, "Price": "3007"}).codes == {"Price": "conflict"}
    assert by_tradingview({**ALERT, "bar": {"time": "2098-01-01T00:00:00Z"}}).signal.timestamp.year == 2099  # type: ignore[union-attr]
