"""Parsing TradingView's alerts, without a server."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.change import Update
from signalpost.domain.life import after
from signalpost.domain.life import opened as opened_trade
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.spellings import SPELLINGS
from signalpost.domain.target import Target
from signalpost.domain.trade import Trade
from signalpost.web import tradingview
from signalpost.web.problem import Problem
from signalpost.web.tradingview import Exit, Ignored, Opened, Parsed, change_of
from tests.unit.web.tokens import refusal, token

ALERT = {"ticker": "EURUSD", "interval": "240", "action": "buy", "price": "1.1634", "time": "2026-08-20T01:00:00Z"}
AT = datetime(2026, 8, 20, 2, tzinfo=UTC)


def parsed(body: dict[str, Any] | str) -> Parsed:
    raw = body if isinstance(body, str) else json.dumps(body)
    return tradingview.read(raw.encode(), token("chart"))[0]


def opened(body: dict[str, Any] | str) -> Signal:
    result = parsed(body)
    assert isinstance(result, Opened), result
    return result.signal


def leaving(body: dict[str, Any] | str) -> Exit:
    result = parsed(body)
    assert isinstance(result, Exit), result
    return result


def faults(body: dict[str, Any] | str) -> dict[str, str]:
    with pytest.raises(Problem) as caught:
        parsed(body)
    assert caught.value.status == 422
    return {fault.field or "": fault.code for fault in caught.value.faults}


def test_the_id_of_an_alert_has_token_strategy_pair_timeframe_side_and_bar() -> None:
    signal = opened(ALERT)
    assert (signal.pair, signal.timeframe, signal.signal_type) == ("EUR_USD", "H4", SignalType.BUY)
    assert (signal.entry_price, signal.strategy_name) == (Decimal("1.1634"), "TradingView")
    assert signal.signal_id == "chart:tradingview:EUR_USD:H4:BUY:20260820T010000Z"
    assert opened({**ALERT, "strategy": "MA Cross"}).signal_id.startswith("chart:ma-cross:EUR_USD")


def test_an_id_in_the_body_is_the_key_within_its_token() -> None:
    assert opened({**ALERT, "id": "a-1"}).signal_id == "chart:a-1"
    assert opened({**ALERT, "id": 17}).signal_id == "chart:17"
    assert list(faults({**ALERT, "id": "i" * 200})) == ["id"]


@pytest.mark.parametrize(
    ("ticker", "pair"),
    [
        ("EURUSD", "EUR_USD"),
        ("OANDA:EURUSD", "EUR_USD"),
        ("BINANCE:BTCUSDT.P", "BTCUSDT.P"),
        ("BTCUSDT", "BTCUSDT"),
        ("ES1!", "ES1!"),
        ("NSE:M&M", "M&M"),
        ("BRK.B", "BRK.B"),
    ],
)
def test_a_ticker_is_read_as_tradingview_spells_it(ticker: str, pair: str) -> None:
    assert opened({**ALERT, "ticker": ticker}).pair == pair


@pytest.mark.parametrize(
    ("interval", "timeframe"),
    [("240", "H4"), (240, "H4"), ("1D", "D"), ("D", "D"), ("60", "H1"), ("1W", "W"), ("5S", "S5")],
)
def test_an_interval_is_read_as_tradingview_spells_it(interval: object, timeframe: str) -> None:
    assert opened({**ALERT, "interval": interval}).timeframe == timeframe


@pytest.mark.parametrize(
    ("action", "side"),
    [("buy", "BUY"), ("BUY", "BUY"), ("long", "BUY"), ("Enter Long", "BUY"), ("sell", "SELL"), ("short", "SELL")],
)
def test_an_action_is_a_side(action: str, side: str) -> None:
    assert opened({**ALERT, "action": action}).signal_type == side


@pytest.mark.parametrize("time", ["2026-08-20T01:00:00Z", 1787187600, "1787187600", 1787187600000, "1787187600000"])
def test_a_time_is_iso_text_or_unix_time(time: object) -> None:
    assert opened({**ALERT, "time": time}).timestamp.isoformat() == "2026-08-20T01:00:00+00:00"


def test_a_comment_may_go_over_several_lines_as_its_author_wrote_it() -> None:
    raw = json.dumps({**ALERT, "comment": "above\r\naverage"}).replace("\\r\\n", "\r\n")
    notes = opened(raw).notes
    assert notes is not None
    assert notes.splitlines() == ["above", "average"]


def test_a_comma_in_a_number_is_refused_because_it_could_mean_two_things() -> None:
    assert list(faults({**ALERT, "price": "61,234"})) == ["price"]


def test_nan_null_and_na_count_as_absent() -> None:
    raw = json.dumps(ALERT)[:-1] + ', "sl": NaN, "tp": "NaN", "confidence": null, "comment": "na"}'
    signal = opened(raw)
    assert (signal.stop_loss, signal.take_profit, signal.confidence_score, signal.notes) == (None, None, None, None)


def test_stop_target_confidence_and_comment_are_read_and_others_ignored() -> None:
    more = {"sl": "1.16", "tp": 1.17, "confidence": "0.8", "comment": "breakout", "secret": "s", "volume": "12"}
    signal = opened({**ALERT, **more})
    assert (signal.stop_loss, signal.take_profit) == (Decimal("1.16"), Decimal("1.17"))
    assert (signal.confidence_score, signal.notes) == (Decimal("0.8"), "breakout")
    assert b'"s"' not in signal.to_json()


def test_text_of_names_and_values_is_read_too() -> None:
    text = 'ticker=EURUSD, interval=240; action=buy price=1.1634\ntime=2026-08-20T01:00:00Z comment="a b"'
    assert opened(text).signal_id == opened(ALERT).signal_id
    assert opened(text).entry_price == opened(ALERT).entry_price
    assert opened(text).notes == "a b"
    assert list(faults("ticker=EURUSD ticker=GBPUSD")) == ["ticker"]


@pytest.mark.parametrize("text", ["BUY EURUSD @ 1.1", "EURUSD Crossing 1.1", "order buy @ 10 filled on EURUSD"])
def test_other_text_is_422_with_an_example(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parsed(text)
    (fault,) = caught.value.faults
    assert (caught.value.status, fault.code) == (422, "not-readable")
    assert text in fault.text
    assert '"ticker": "{{ticker}}"' in fault.text


@pytest.mark.parametrize("raw", ["", "{", '{"price": , }', "[1]", '{"a": 1, "a": 2}'])
def test_broken_json_is_400(raw: str) -> None:
    with pytest.raises(Problem) as caught:
        parsed(raw)
    assert caught.value.status == 400


def test_all_missing_and_wrong_fields_are_reported_together() -> None:
    codes = faults("{}")
    assert set(codes) == {"ticker", "interval", "price", "time", "action"}
    assert set(codes.values()) == {"missing"}
    wrong = {"symbol": "?", "interval": "1M", "side": "{{strategy.order.action}}", "close": "x", "timenow": "now"}
    wrong |= {"sl": "y", "market_position": "up", "priority": "soon", "tier": "?"}
    codes = faults(wrong)
    assert set(codes) == set(wrong)
    assert codes["side"] == "placeholder"
    assert list(faults({**ALERT, "sl": "2"})) == ["sl"]
    assert list(faults({**ALERT, "action": 5})) == ["action"]


def test_the_names_of_a_strategys_order_are_read_also_inside_an_object() -> None:
    inner = {"order_action": "sell", "order_price": "1.2", "market_position": "short", "prev_market_position": "flat"}
    outer = {name: ALERT[name] for name in ("ticker", "interval", "time")}
    signal = opened({**outer, "strategy": inner})
    assert (signal.signal_type, signal.entry_price, signal.strategy_name) == ("SELL", Decimal("1.2"), "TradingView")


@pytest.mark.parametrize(
    ("action", "before", "now", "expected"),
    [
        ("buy", "flat", "long", "BUY"),
        ("sell", "flat", "short", "SELL"),
        ("buy", "short", "long", "BUY"),
        ("sell", "long", "flat", "close BUY"),
        ("buy", "short", "flat", "close SELL"),
        ("sell", None, "flat", "close BUY"),
        ("close", None, "flat", "close"),
        (None, "long", "flat", "close BUY"),
        (None, "flat", "short", "SELL"),
        ("close", None, None, "close"),
        ("flat", "long", None, "close BUY"),
        ("exit_short", None, None, "close SELL"),
        ("Close Long", None, None, "close BUY"),
        ("buy", "long", "long", "ignored"),
        ("sell", "long", "long", "ignored"),
        ("sell", None, "long", "ignored"),
        ("exit", None, "long", "ignored"),
        ("buy", None, "long", "BUY"),
    ],
)
def test_a_position_counts_more_than_an_order(
    action: str | None, before: str | None, now: str | None, expected: str
) -> None:
    body = {**ALERT, "action": action, "prev_market_position": before, "market_position": now}
    match parsed(body):
        case Opened(signal):
            assert signal.signal_type == expected
        case Exit() as close:
            assert (close.left, close.levels) == (0, None)
            assert ("close" if close.side is None else f"close {close.side}") == expected
        case Ignored(reason):
            assert expected == "ignored"
            assert reason


def test_a_close_names_its_signal_and_its_repeat_has_the_same_identity() -> None:
    close = {**ALERT, "action": "close", "price": "1.17", "sl": "1.2", "tp": "1.1", "comment": "target"}
    closed = leaving(close).alert
    assert (closed.strategy_name, closed.pair, closed.timeframe) == ("TradingView", "EUR_USD", "H4")
    assert (closed.entry_price, closed.stop_loss, closed.targets) == (Decimal("1.17"), None, ())
    known = leaving(close).identity
    assert leaving({**close, "comment": "stop"}).identity == known
    others = [{"price": "1.18"}, {"time": "2026-08-20T05:00:00Z"}, {"timenow": "x"}, {"id": "1"}, {"ticker": "GBPUSD"}]
    identities = {leaving({**close, **other}).identity for other in others}
    assert len(identities | {known}) == len(others) + 1
    same = [leaving({**close, "id": "1", **more}).identity for more in ({}, {"time": "2026-08-20T05:00:00Z"})]
    assert same[0] == same[1]


LONG = {"market_position": "long", "prev_market_position": "long", "action": "sell"}


@pytest.mark.parametrize(
    ("sizes", "left"),
    [
        ({"market_position_size": "50", "prev_market_position_size": "100"}, Fraction(1, 2)),
        ({"strategy.market_position_size": 1, "strategy.prev_market_position_size": 3}, Fraction(1, 3)),
        ({"strategy": {"market_position_size": "1", "prev_market_position_size": "4"}}, Fraction(1, 4)),
        ({"position_size": "-2", "contracts": "3"}, Fraction(2, 5)),
        ({"market_position_size": "1", "order": {"contracts": "1"}}, Fraction(1, 2)),
        ({"market_position_size": "150", "prev_market_position_size": "100"}, None),
        ({"market_position_size": "100", "prev_market_position_size": "100"}, None),
        ({"market_position_size": "50"}, None),
        ({"market_position_size": "x", "prev_market_position_size": "100"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_reduced_position_is_compared_with_its_earlier_size(sizes: dict[str, Any], left: Fraction | None) -> None:
    found = parsed({**ALERT, **LONG, **sizes})
    assert isinstance(found, Ignored) if left is None else isinstance(found, Exit)
    if isinstance(found, Exit):
        assert (found.left, found.side) == (left, "BUY")
        again = leaving({**ALERT, **LONG, **sizes, "timenow": "2026-08-20T01:00:05Z"})
        assert again.identity != found.identity


def test_new_levels_are_read_from_an_update_and_from_an_order_that_keeps_the_position() -> None:
    for body in ({"action": "Update"}, {**LONG, "action": "buy"}):
        found = leaving({**ALERT, **body, "sl": "be", "tp1": "1.2", "tp1_size": "50%", "tp2": "1.3", "tp2_size": 50})
        assert (found.left, found.levels is not None and found.levels.stop_at_entry) == (1, True)
        assert found.levels is not None
        assert found.levels.targets == (Target("1.2", 50), Target("1.3", 50))
    noted = leaving({**ALERT, "action": "update", "market_position": "short", "comment": "news"})
    assert (noted.side, noted.levels) == ("SELL", Update(note="news"))
    assert isinstance(parsed({**ALERT, "action": "update"}), Ignored)
    assert isinstance(parsed({**ALERT, **LONG, "comment": "add"}), Ignored)
    wrong = {"sl": "x", "tp1": 1, "tp1_size": 50, "tp2": 2, "tp2_size": 60}
    assert faults({**ALERT, "action": "update", **wrong}) == {"sl": "not-a-number", "tp1, tp2": "out-of-range"}


def trade(**changes: Any) -> Trade:
    levels: dict[str, Any] = {"stop_loss": "1.16", "targets": [("1.17", 50), ("1.18", 25)], **changes}
    return opened_trade(opened(ALERT).but(**levels), 1, (), AT)


@given(
    st.fractions(min_value="1/1000", max_value="999/1000"),
    st.lists(st.fractions(min_value="1/1000", max_value="999/1000"), max_size=3),
    st.sampled_from(["1.15", "1.1634", "1.165", "1.17", "1.19"]),
)
def test_a_part_never_exceeds_the_open_position(left: Fraction, earlier: list[Fraction], price: str) -> None:
    now = trade()
    for each in [*earlier, left]:
        body = {**ALERT, **LONG, "price": price, "market_position_size": "1", "prev_market_position_size": "2"}
        before = now.open_share
        now = after(now, change_of(leaving(body)._replace(left=each), now), AT)
        assert abs(now.open_share - before * each) < Fraction(1, 10**15)
    reached = sum(Decimal(price) >= target.price for target in now.targets)
    assert now.hits == min(reached, len(earlier) + 1)


def test_targets_that_were_hit_may_be_sent_again() -> None:
    now = after(trade(), Update(target_hit=1), AT)
    body = {**ALERT, "action": "update", "tp1": "1.17", "tp1_size": 50, "tp2": "1.19", "tp2_size": 25}
    assert [each.price for each in after(now, change_of(leaving(body), now), AT).targets] == [
        Decimal("1.17"),
        Decimal("1.19"),
    ]
    for repeated in ({"tp": "1.17"}, {"tp1": "1.17", "tp1_size": 50}):
        assert after(now, change_of(leaving({**ALERT, "action": "update", **repeated}), now), AT) is now
    only = {**ALERT, "action": "update", "tp1": "1.175", "tp1_size": 50}
    assert [each.price for each in after(now, change_of(leaving(only), now), AT).targets][1:] == [Decimal("1.175")]


WORDS = st.sampled_from(
    [
        *(*ALERT.values(), "NaN", "close", "flat", "long", "update", "be", "50%"),
        *("{{close}}", "x" * 300, "\ud800", "1e999", ""),
    ]
)


@given(
    st.dictionaries(
        st.sampled_from([name for names in SPELLINGS.values() for name in names])
        | st.sampled_from(["action", "market_position", "prev_market_position", "context", "tier", "priority"])
        | st.sampled_from(["market_position_size", "prev_market_position_size", "contracts"]),
        WORDS | st.none() | st.booleans() | st.integers() | st.lists(WORDS, max_size=2),
    ),
    st.booleans(),
)
def test_any_values_are_read_or_refused(values: dict[str, Any], is_filled_up: bool) -> None:
    problem = refusal(lambda: parsed({**(ALERT if is_filled_up else {}), **values}))
    assert problem is None or (problem.status == 422 and problem.faults)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    problem = refusal(lambda: tradingview.read(text.encode(errors="surrogatepass"), token()))
    assert problem is None or problem.status in {400, 422}
