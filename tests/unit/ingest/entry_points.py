"""Sends the same names and values through each entry point, without a server, and returns the results."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import click
from click.testing import CliRunner

from signalpost import InvalidValue, Signal
from signalpost.cli.publish_facts import made
from signalpost.web import api, freqtrade, router, tradingview
from signalpost.web.body import json_object
from signalpost.web.problem import Problem
from tests.unit.web.tokens import token

TIME = "2099-01-01T00:00:00Z"
PLAIN: dict[str, Any] = {"pair": "EURUSD", "timeframe": "H1", "side": "buy", "price": "1.16", "time": TIME}


class Seen(NamedTuple):
    """The signal, or the faulty names with their codes ("" for errors without codes)."""

    signal: Signal | None
    codes: dict[str, str]


def by_mapping(data: Mapping[str, Any]) -> Seen:
    """`Signal.from_mapping`."""
    return _seen(lambda: Signal.from_mapping(data))


def by_http(data: Mapping[str, Any]) -> Seen:
    """`POST /api/v1/signals`."""
    return _seen(lambda: api.read(api.SIGNAL, _json(data), token(), None).payload)


def by_cli(data: Mapping[str, Any]) -> Seen:
    """`signalpost publish signal`, with JSON on standard input."""
    found: list[Any] = []
    command = click.command()(lambda: found.append(made(Signal, {}, ())))

    def read() -> Any:
        result = CliRunner().invoke(command, input=json.dumps(data, default=str), standalone_mode=False)
        if result.exception:
            raise result.exception
        return found[0]

    return _seen(read)


def by_tradingview(data: Mapping[str, Any] | str) -> Seen:
    """The hook of TradingView."""
    raw = data if isinstance(data, str) else json.dumps(data, default=str)

    def read() -> Any:
        parsed = tradingview.read(raw.encode(), token())[0]
        assert isinstance(parsed, tradingview.Opened), parsed
        return parsed.signal

    return _seen(read)


def by_freqtrade(data: Mapping[str, Any]) -> Seen:
    """The hook of freqtrade, with a filled entry."""
    body = {"event": "entry_fill", "trade_id": "1", **data}

    def read() -> Any:
        parsed = freqtrade.read(json.dumps(body, default=str).encode(), token())[0]
        assert isinstance(parsed, freqtrade.Parsed), parsed
        return parsed.signal

    return _seen(read)


def other_kind(path: str, data: Mapping[str, Any]) -> Any:
    """The payload of `POST /api/v1/PATH`. Raises Problem."""
    return api.read(router.KIND_BY_PATH[path], _json(data), token(), None).payload


ENTRY_POINTS: dict[str, Callable[[Mapping[str, Any]], Seen]] = {
    "mapping": by_mapping,
    "http": by_http,
    "cli": by_cli,
    "tradingview": by_tradingview,
}


def _json(data: Mapping[str, Any]) -> dict[str, Any]:
    return json_object(json.dumps(data, default=str).encode())


def _seen(read: Callable[[], Any]) -> Seen:
    try:
        signal = read()
    except InvalidValue as error:
        return Seen(None, {fault.field or "": fault.code for fault in getattr(error, "errors", ())} or {"": ""})
    except Problem as problem:
        return Seen(None, {fault.field or "": getattr(fault, "code", "") for fault in problem.faults} or {"": ""})
    assert isinstance(signal, Signal)
    return Seen(signal, {})


def shared_facts(signal: Signal | None) -> dict[str, Any]:
    """The fields of a signal that every entry point sets in the same way; its id and strategy differ."""
    assert signal is not None
    names = ("pair", "timeframe", "signal_type", "entry_price", "stop_loss", "take_profit", "timestamp", "notes")
    found = {name: getattr(signal, name) for name in (*names, "confidence_score")}
    return {name: value.normalize() if isinstance(value, Decimal) else value for name, value in found.items()}
