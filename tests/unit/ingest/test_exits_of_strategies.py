"""A strategy's exit is never shown as a new signal, whichever name its alert uses for the position."""

import json
from decimal import Decimal
from typing import Any

import pytest

from signalpost import clock
from signalpost.domain import life
from signalpost.domain.change import Close, Update
from signalpost.web import freqtrade, tradingview
from signalpost.web.tradingview import Exit
from tests.unit.ingest.entry_points import PLAIN, TIME, other_kind
from tests.unit.web.tokens import refusal, token

BAR = {"ticker": "EURUSD", "interval": "60", "price": "1.17", "time": TIME}
SELL = {**BAR, "action": "sell"}
EXITS: list[dict[str, Any]] = [
    {"strategy.market_position": "flat", "strategy.prev_market_position": "long"},
    {"strategy_market_position": "flat", "strategy_prev_market_position": "long"},
    {"strategy": {"position": "flat"}},
    {"position": "flat"},
    {"sentiment": "flat"},
    {"current_position": "Flat"},
    {"market_pos": "flat"},
    {"mp": "flat"},
    {"pos": "flat"},
    {"position": 0},
    {"market_position_size": "0", "prev_market_position": "long"},
    {"position_size": "0", "prev_market_position": "long"},
    {"position": {"size": 0}},
]


def read_by_the_hook(body: dict[str, Any] | str) -> str:
    """The result of the hook: close or new with the side, or the faulty field with its code."""
    raw = body if isinstance(body, str) else json.dumps(body)
    found: list[Any] = []
    if problem := refusal(lambda: found.append(tradingview.read(raw.encode(), token())[0])):
        return ", ".join(f"{fault.field} {fault.code}" for fault in problem.faults)
    parsed = found[0]
    if isinstance(parsed, Exit):
        return f"close {parsed.side}"
    return f"new {parsed.signal.signal_type}" if isinstance(parsed, tradingview.Opened) else "nothing"


@pytest.mark.parametrize("position", EXITS, ids=str)
def test_an_exit_of_a_strategy_is_a_close(position: dict[str, Any]) -> None:
    assert read_by_the_hook({**SELL, **position}) == "close BUY"


@pytest.mark.parametrize(
    ("position", "read"),
    [
        ({"position": "long"}, "new SELL"),
        ({"sentiment": 0}, "new SELL"),
        ({"sentiment": "bearish"}, "new SELL"),
        ({"position_size": "2"}, "new SELL"),
        ({"position_size": "{{strategy.position_size}}"}, "new SELL"),
        ({"position": "flat", "market_position": "short"}, "new SELL"),
        ({"market_position": "short", "strategy.market_position": "short"}, "new SELL"),
        ({"market_position": "short", "strategy.market_position": "flat"}, "strategy.market_position conflict"),
        ({"strategy.market_position": "gone"}, "strategy.market_position unknown-word"),
        ({"prev_market_position": "flat"}, "new SELL"),
        ({"prev_market_position": "short"}, "new SELL"),
        ({"prev_market_position": "long"}, "market_position missing"),
    ],
    ids=str,
)
def test_a_position_of_another_name_counts_only_if_it_is_flat(position: dict[str, Any], read: str) -> None:
    assert read_by_the_hook({**SELL, **position}) == read


@pytest.mark.parametrize(
    ("bare", "read"),
    [
        ('"market_position": {{strategy.market_position}}', "new SELL"),
        ('"position_size": {{strategy.position_size}}', "new SELL"),
        ('"comment": "say \\"{{\\" twice", "market_position":{{ strategy.market_position }}', "comment placeholder"),
        ('"sl": {{plot_0}}', "sl placeholder"),
        ('"sl": {{plot("stop")}}', "sl placeholder"),
    ],
)
def test_a_placeholder_without_quotes_is_reported_or_counts_as_missing(bare: str, read: str) -> None:
    assert read_by_the_hook(f"{json.dumps(SELL)[:-1]}, {bare}}}") == read


def test_unterminated_text_is_read_in_one_pass() -> None:
    assert read_by_the_hook('{"a": "' + '\\"' * 30_000) == "None not-readable"


def test_an_alert_id_is_not_the_id_of_a_signal() -> None:
    first, second = (
        tradingview.read(json.dumps({**SELL, "alert_id": "mine", "time": time}).encode(), token())[0]
        for time in (TIME, "2099-01-02T00:00:00Z")
    )
    assert isinstance(first, tradingview.Opened)
    assert isinstance(second, tradingview.Opened)
    assert first.signal.signal_id != second.signal.signal_id


@pytest.mark.parametrize(
    "name",
    [
        *("fill_price", "filled_price", "avg_fill_price", "avg_price", "average", "exec_price", "execution_price"),
        *("limit_price", "entry_limit", "avgPrice", "Average Fill Price", "executed_price"),
    ],
)
def test_the_price_of_a_fill_comes_before_the_close_of_the_bar(name: str) -> None:
    assert entry({"close": "1.15", name: "1.17"}) == Decimal("1.17")


@pytest.mark.parametrize(
    ("prices", "price"),
    [
        ({"close": "1.15", "order": {"limit": "1.17"}}, "1.17"),
        ({"price": "1.15", "fill_price": "1.17"}, "1.17"),
        ({"price": "1.15", "limit_price": "1.17"}, "1.15"),
        ({"price": "1.15", "average": "1.17"}, "1.15"),
        ({"close": "1.15", "position": {"avg_price": "1.17"}}, "1.15"),
        ({"position": {"avg_price": "1.17"}}, "1.17"),
        ({"strategy.position_avg_price": "1.17"}, "1.17"),
    ],
)
def test_the_clearest_price_counts_and_the_average_of_a_position_comes_last(prices: dict[str, Any], price: str) -> None:
    assert entry(prices) == Decimal(price)


def entry(prices: dict[str, Any]) -> Decimal:
    """The entry price that the hook reads."""
    body = {**{name: value for name, value in BAR.items() if name != "price"}, "action": "buy", **prices}
    parsed = tradingview.read(json.dumps(body).encode(), token())[0]
    assert isinstance(parsed, tradingview.Opened)
    return parsed.signal.entry_price


EXIT = {
    "event": "exit_fill",
    "trade_id": "1",
    "pair": "BTC/USDT",
    "open_rate": "60000",
    "close_rate": "62000",
    "amount": "0.01",
    "stake_amount": "600",
}


@pytest.mark.parametrize(
    ("sent", "change"),
    [
        ({"sub_trade": "True"}, "part"),
        ({"sub_trade": "True", "is_final_exit": "None"}, "part"),
        ({"sub_trade": True}, "part"),
        ({"is_final_exit": "False"}, "part"),
        ({"sub_trade": "True", "stake_amount": "None"}, "nothing"),
        ({}, "close"),
        ({"sub_trade": "False"}, "close"),
        ({"sub_trade": "True", "is_final_exit": "True"}, "close"),
    ],
    ids=str,
)
def test_a_part_of_a_freqtrade_trade_is_not_its_end(sent: dict[str, Any], change: str) -> None:
    parsed = freqtrade.read(json.dumps({**EXIT, **sent}).encode(), token())[0]
    assert isinstance(parsed, freqtrade.Parsed)
    alert = tradingview.read(json.dumps({**BAR, "action": "buy"}).encode(), token())[0]
    assert isinstance(alert, tradingview.Opened)
    signal = alert.signal
    opened = life.opened(signal, 1, (), clock.now())
    made = None if parsed.change is None else parsed.change.change_of(opened)
    assert {Update: "part", Close: "close", type(None): "nothing"}[type(made)] == change
    assert parsed.reason if made is None else not parsed.reason


def test_raw_text_with_a_space_in_a_value_is_refused_by_field() -> None:
    body = "event=entry_fill\nopen_date=2099-04-01 00:00:00+00:00\npair=BTC/USDT"
    problem = refusal(lambda: freqtrade.read(body.encode(), token()))
    assert problem is not None
    assert [fault.field for fault in problem.faults] == ["open_date"]


def test_a_name_unlike_any_known_one_gets_no_hint() -> None:
    for name, hint in {"market_position": None, "stop_los": "stop_loss"}.items():
        problem = refusal(lambda name=name: other_kind("signals", {**PLAIN, name: "flat"}))
        assert problem is not None
        assert [(fault.code, fault.limit) for fault in problem.faults] == [("unknown-field", hint)]
