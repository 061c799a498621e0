"""The facts of what is published: from options, or from a JSON object on standard input, with known names only."""

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
"""What a value's own JSON calls what it is."""
_STRATEGY = "Manual"
"""The strategy of a signal that a person made."""


def made(payload: type[Payload], options: Mapping[str, Any], required: Collection[str]) -> Payload:
    """What is published: of the kind `payload`, from the options that were given, or else from standard input.

    Raises InvalidValue with all faults, each under the name that was used, and UsageError if an option of `required` is
    missing beside others, or a person at a terminal gave nothing at all.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if missing := [f"--{name}" for name in required if given and name not in given]:
        raise click.UsageError(f"{', '.join(missing)} must be given, too; or give JSON on standard input")
    facts = given or _from_stdin()
    kind = KIND_BY_PAYLOAD[payload]
    named = facts.pop(_KIND, kind.word)
    if named != kind.word:
        raise InvalidValue(
            f"standard input holds {shown(named)}: `signalpost publish` has a command for each kind",
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
        raise click.UsageError("give it by options, or as JSON on standard input")
    try:
        facts = json.loads(sys.stdin.buffer.read(), parse_float=Decimal, object_pairs_hook=_object)
    except (ValueError, ArithmeticError, RecursionError) as fault:
        raise InvalidValue(f"standard input is not JSON: {fault}", code="not-readable") from fault
    if not isinstance(facts, dict):
        raise InvalidValue(
            "standard input is not a JSON object: give one with the names of its fields", code="not-readable"
        )
    return facts


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names differ: of two values under one name, json would keep the last."""
    read: dict[str, Any] = {}
    for name, value in pairs:
        if name in read:
            raise ValueError(f"it has {shown(name)} twice")
        read[name] = value
    return read
