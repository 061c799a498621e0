"""Reads the evidence of a run: the producers' answers, the sandbox's journal and the store."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from signalpost.delivery.outbox.commands import Find, History
from signalpost.delivery.outbox.reader import SqliteReader
from tests.channel import fact, is_marked
from tests.faults.oracle import Answer, Copy, Evidence, Kept

_ALL = 1_000_000


def evidence(folder: Path, store: Path) -> Evidence:
    """The evidence of a run."""
    answers = [Answer(**line) for path in sorted(folder.glob("answers-*.jsonl")) for line in _lines(path)]
    copies = [copy for line in _lines(folder / "journal.jsonl") for copy in _copies(line)]
    return Evidence(answers, copies, kept_in(store))


def kept_in(store: Path) -> list[Kept]:
    """Every delivery of the store, with the outcomes of its attempts."""
    reader = SqliteReader(store)
    try:
        (entries,) = reader.apply([Find(limit=_ALL)])
        histories = reader.apply([History(entry.delivery.id) for entry in entries])
    finally:
        reader.close()
    return [
        Kept(
            id=entry.delivery.id.notification_id,
            name=str(entry.notification.context["Name"]),
            destination=entry.delivery.id.destination,
            state=str(entry.delivery.state),
            message_id=entry.delivery.message_id,
            may_repeat=entry.delivery.may_repeat,
            attempts=tuple(attempt.outcome for attempt in history),
        )
        for entry, history in zip(entries, histories, strict=True)
    ]


def open_in(store: Path) -> tuple[int, int]:
    """The number of pending and of leased deliveries in the store, counted in one query."""
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as db:
        counts = dict(db.execute("SELECT state, count(*) FROM delivery GROUP BY state"))
    return counts.get("pending", 0), counts.get("leased", 0)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """A file's lines of JSON, without one that a kill cut off."""
    for line in path.read_bytes().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _copies(line: dict[str, Any]) -> Iterator[Copy]:
    """The notifications in a message."""
    body = line["body"]
    for embed in body["embeds"]:
        yield Copy(line["channel"], fact(embed, "Name") or "", line["message_id"], is_marked(body))
