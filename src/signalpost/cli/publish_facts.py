"""Parses what `signalpost publish` sends, from options or from a JSON object on standard input."""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

import click

from signalpost import clock
from signalpost.domain.identity import BY_HAND
from signalpost.domain.instant import iso
from signalpost.domain.notification import Payload
from signalpost.domain.seconds import duration
from signalpost.domain.signal import Signal
from signalpost.errors import InvalidValue, shown
from signalpost.ingest.kinds import KIND_BY_PAYLOAD
from signalpost.ingest.send_options import good_until

_KIND = "kind"
"""The name of the field in which a payload's `to_json` writes the kind."""
_GOOD_FOR = "good_for"
"""The field for how long a signal's order is good."""
_STDIN = "standard input"


def made(payload: type[Payload], options: Mapping[str, Any], required: Collection[str]) -> Payload:
    """Build a payload of the kind `payload` from the given options, or from standard input if none is given.

    Raises InvalidValue with all faults, each under the name that was used. Raises UsageError if an option in `required`
    is missing although others were given, or if there is no option and standard input is a terminal.
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if missing := [f"--{name}" for name in required if given and name not in given]:
        raise click.UsageError(f"Missing {', '.join(missing)}. Give all required options, or JSON on standard input.")
    if (zone := given.get("entry_zone")) is not None:
        given["entry_zone"] = _zone(zone)
    return _of_facts(payload, given or _from_stdin(), _STDIN, "--good-for" if given else _GOOD_FOR)


def signal_in(data: bytes, source: str) -> Signal:
    """The signal in a JSON object; errors name `source`. Raises InvalidValue with all faults."""
    return cast("Signal", _of_facts(Signal, _parsed(data, source), source))


def _of_facts(payload: type[Payload], facts: dict[str, Any], source: str, good_for: str = _GOOD_FOR) -> Payload:
    kind = KIND_BY_PAYLOAD[payload]
    named = facts.pop(_KIND, kind.word)
    if named != kind.word:
        text = f"{source} contains the kind {shown(named)}. Use the command of `signalpost publish` for that kind"
        raise InvalidValue(text, code="wrong-kind", field=_KIND, value=shown(named), limit=kind.word)
    lasts = facts.pop(_GOOD_FOR, None) if payload is Signal else None
    read = kind.read(facts, has_options=False)
    has_time = "timestamp" in read.fields
    if payload is Signal:
        read = read.or_else("strategy_name", BY_HAND).or_else("timestamp", _now())
    made = kind.made(read)
    if lasts is None or not isinstance(made, Signal):
        return made
    return good_until(made, duration(lasts, good_for), good_for, has_time=has_time)


def _zone(text: str) -> Sequence[str] | str:
    """The two prices in `LOW-HIGH`, of which the first may be negative; other text as it is, to be rejected."""
    at = text.find("-", 1)
    return text if at < 0 else (text[:at], text[at + 1 :])


def _now() -> str:
    return iso(clock.now().replace(microsecond=0))


def _from_stdin() -> dict[str, Any]:
    if sys.stdin.isatty():
        raise click.UsageError("Give options, or JSON on standard input.")
    return _parsed(sys.stdin.buffer.read(), _STDIN)


def _parsed(data: bytes, source: str) -> dict[str, Any]:
    try:
        facts = json.loads(data, parse_float=Decimal, object_pairs_hook=_object)
    except (ValueError, ArithmeticError, RecursionError) as fault:
        raise InvalidValue(f"{source} is not valid JSON: {fault}", code="not-readable") from fault
    if not isinstance(facts, dict):
        text = f'{source} is JSON, but not an object: use {{"NAME": VALUE, ...}} with the names of the fields'
        raise InvalidValue(text, code="not-readable")
    return facts


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object and reject repeated names, of which json would keep only the last."""
    read: dict[str, Any] = {}
    for name, value in pairs:
        if name in read:
            raise ValueError(f"{shown(name)} appears twice")
        read[name] = value
    return read
