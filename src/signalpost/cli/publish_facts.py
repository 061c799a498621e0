"""The facts of what is published: from options, or from a JSON object on standard input, with known names only."""

import json
import sys
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import click

from signalpost.domain.alert import Alert
from signalpost.domain.announcement import Announcement
from signalpost.domain.market_analysis import MarketAnalysis
from signalpost.domain.notification import Payload
from signalpost.domain.signal import Signal
from signalpost.domain.spellings import SPELLINGS
from signalpost.domain.system_status import SystemStatus
from signalpost.domain.text import shown
from signalpost.errors import InvalidValue

_KIND = "kind"
"""What a value's own JSON calls what it is."""
_STRATEGY = "Manual"
"""The strategy of a signal that a person made."""
_REQUIRED: dict[type[Payload], tuple[str, ...]] = {
    Alert: ("alert_type", "severity", "title"),
    Announcement: ("title", "text"),
    MarketAnalysis: ("title", "text"),
    SystemStatus: ("status",),
}
_OTHER_NAMES = {
    Alert: {"type": "alert_type", "id": "alert_id"},
    Announcement: {"id": "announcement_id", "message": "text"},
    MarketAnalysis: {"id": "analysis_id", "message": "text"},
    SystemStatus: {"id": "status_id"},
}


def made(kind: type[Payload], options: Mapping[str, Any], required: Collection[str]) -> Payload:
    """What is published: of `kind`, from the options that were given, or else from standard input.

    Raises InvalidValue, naming every name that is not known and every field that lacks, and UsageError where an option
    of `required` lacks beside others, or a person at a terminal gave nothing at all.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if missing := [f"--{name}" for name in required if given and name not in given]:
        raise click.UsageError(f"{', '.join(missing)} must be given, too; or give JSON on standard input")
    facts = given or _from_stdin()
    named = facts.pop(_KIND, None)
    wanted = kind.__struct_config__.tag
    if named is not None and named != wanted:
        raise InvalidValue(f"standard input holds {shown(named)}: `signalpost publish` has a command for each kind")
    return _signal(facts) if kind is Signal else _other(kind, facts)


def _signal(facts: dict[str, Any]) -> Payload:
    from signalpost import clock
    from signalpost.domain.instant import iso
    from signalpost.web.kinds import SIGNAL, in_small_letters

    names = {name.strip().lower() for name in facts}
    _check_names(names, [name for spellings in SPELLINGS.values() for name in spellings], "a signal")
    if names.isdisjoint(SPELLINGS["strategy_name"]):
        facts["strategy_name"] = _STRATEGY
    if names.isdisjoint(SPELLINGS["timestamp"]):
        facts["timestamp"] = iso(clock.now().replace(microsecond=0))
    read = SIGNAL.made(*SIGNAL.found(in_small_letters(facts)))
    if isinstance(read, list):
        raise InvalidValue("; ".join(fault.detail for fault in read))
    return read


def _other(kind: type[Payload], facts: Mapping[str, Any]) -> Payload:
    others = _OTHER_NAMES[kind]
    fields = {others.get(name, name): value for name, value in facts.items()}
    what = str(kind.__struct_config__.tag).replace("_", " ")
    _check_names(facts, [*kind.__struct_fields__, *others], f"this ({what})")
    if missing := [name for name in _REQUIRED[kind] if fields.get(name) is None]:
        raise InvalidValue(f"the {what} has no {', no '.join(missing)}: add what is missing")
    if fields.get("uptime") is not None:
        fields["uptime"] = _length(fields["uptime"])
    return kind(**{name: value for name, value in fields.items() if value is not None})


def _length(given: object) -> timedelta:
    """Seconds, or ISO 8601 text such as `PT1H`, as a value's own JSON has it."""
    import msgspec

    try:
        return msgspec.convert(given, timedelta, strict=False)
    except msgspec.ValidationError:
        raise InvalidValue(f"uptime is {shown(given)}: give seconds, or text such as 'PT1H'") from None


def _check_names(names: Collection[str], known: Collection[str], what: str) -> None:
    from signalpost.config.nearest import nearest

    faults = []
    for name in names:
        if name not in known:
            near = nearest(name, known)
            faults.append(f"{shown(name)} is no name of {what}" + (f": did you mean {near}?" if near else ""))
    if faults:
        raise InvalidValue("; ".join(sorted(faults)) + "; leave it out, or see `--help`")


def _from_stdin() -> dict[str, Any]:
    if sys.stdin.isatty():
        raise click.UsageError("give it by options, or as JSON on standard input")
    try:
        facts = json.loads(sys.stdin.buffer.read())
    except (ValueError, RecursionError) as fault:
        raise InvalidValue(f"standard input is no JSON: {fault}") from fault
    if not isinstance(facts, dict):
        raise InvalidValue("standard input is no JSON object: give one with the names of its fields")
    return facts
