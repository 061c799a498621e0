"""Parses what `signalpost publish` sends, from options or from a JSON object on standard input."""

import json
import sys
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

import click

from signalpost.domain.notification import Payload
from signalpost.domain.signal import Signal
from signalpost.domain.text import shown
from signalpost.errors import InvalidValue
from signalpost.ingest.kinds import KIND_BY_PAYLOAD

_KIND = "kind"
"""The field for the kind that a payload's `to_json` writes."""
_STRATEGY = "Manual"
"""The default strategy of a signal."""


def made(payload: type[Payload], options: Mapping[str, Any], required: Collection[str]) -> Payload:
    """Build a payload of the kind `payload` from the given options, or without options from standard input.

    Raises InvalidValue with all faults, each under the name that was used. Raises UsageError if an option in `required`
    is missing although others were given, or if there is no option and standard input is a terminal.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if missing := [f"--{name}" for name in required if given and name not in given]:
        raise click.UsageError(f"Missing {', '.join(missing)}. Give all required options, or JSON on standard input.")
    facts = given or _from_stdin()
    kind = KIND_BY_PAYLOAD[payload]
    named = facts.pop(_KIND, kind.word)
    if named != kind.word:
        raise InvalidValue(
            f"standard input contains the kind {shown(named)}. Use the command of `signalpost publish` for that kind",
            code="wrong-kind",
            field=_KIND,
            value=shown(named),
            limit=kind.word,
        )
    read = kind.read(facts, has_options=False)
    if payload is Signal:
        read = read.or_else("strategy_name", _STRATEGY).or_else("timestamp", _now())
    return kind.made(read)


def _now() -> str:
    from signalpost import clock
    from signalpost.domain.instant import iso

    return iso(clock.now().replace(microsecond=0))


def _from_stdin() -> dict[str, Any]:
    if sys.stdin.isatty():
        raise click.UsageError("Give options, or JSON on standard input.")
    try:
        facts = json.loads(sys.stdin.buffer.read(), parse_float=Decimal, object_pairs_hook=_object)
    except (ValueError, ArithmeticError, RecursionError) as fault:
        raise InvalidValue(f"standard input is not valid JSON: {fault}", code="not-readable") from fault
    if not isinstance(facts, dict):
        raise InvalidValue(
            'standard input is JSON, but not an object: use {"NAME": VALUE, ...} with the names of the fields',
            code="not-readable",
        )
    return facts


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object and reject repeated names, of which json would keep only the last."""
    read: dict[str, Any] = {}
    for name, value in pairs:
        if name in read:
            raise ValueError(f"{shown(name)} appears twice")
        read[name] = value
    return read
