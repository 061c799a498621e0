"""Waits that are counted anew where the clock was put back, each time that it is: none gets longer, and none shorter.

A wait counts from the end of the last attempt. Once it has been counted anew, that no longer tells how long it was to
be: so since when it counts is kept, as a fact, for as long as it waits after the same attempt.
"""

from datetime import datetime

import msgspec

from signalpost.delivery.outbox.lanes import Row
from signalpost.delivery.outbox.tables import Tables

PLACE = "(waits)"
"""Where the facts are kept, in place of a destination's name."""


class _Anew(msgspec.Struct, frozen=True):
    attempt_ended: datetime
    since: datetime


def shortened(tables: Tables, now: datetime) -> list[Row]:
    """The pending rows whose wait counts from later than `now`, with their waits counted from now, by their ids."""
    kept = tables.facts(PLACE)
    facts = dict.fromkeys(kept, b"")
    rows = []
    for row in tables.waiting_beyond(now):
        name, until = str(row.delivery.id), row.delivery.not_before
        if until is None or not (attempts := tables.attempts(row.delivery.id)):
            continue
        ended = attempts[-1].ended_at
        since = _since(kept.get(name), ended)
        if since > now:
            rows.append(row._replace(delivery=row.delivery._replace(not_before=now + (until - since))))
        if (began := min(since, now)) != ended:
            facts[name] = msgspec.json.encode(_Anew(ended, began))
    tables.save_facts(PLACE, facts)
    return sorted(rows, key=lambda row: row.delivery.id)


def _since(fact: bytes | None, ended: datetime) -> datetime:
    """From when on a wait counts after an attempt that ended then."""
    try:
        anew = msgspec.json.decode(fact or b"", type=_Anew)
    except (msgspec.DecodeError, UnicodeDecodeError):  # there is none, or another version wrote it
        return ended
    return anew.since if anew.attempt_ended == ended and anew.since.tzinfo is not None else ended
