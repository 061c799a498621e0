"""`signalpost purge`: deletes old notifications."""

import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from threading import Event

import click
from rich.filesize import decimal

from signalpost import clock
from signalpost.cli.options import Flags, configured
from signalpost.cli.output import json_option, say, say_json
from signalpost.cli.time_format import format_time, parse_time
from signalpost.config import STORE_FILE
from signalpost.delivery.outbox.commands import Prune
from signalpost.delivery.outbox.port import Core
from signalpost.delivery.outbox.reader import Past, SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.instant import iso
from signalpost.errors import InvalidValue

PAGE = 200
_PAUSE = 0.02
"""Seconds between two pages, so that a service can write in between."""


@click.command(
    epilog="""
    \b
    Examples:
      signalpost purge --before 30d --dry-run        only count
      signalpost purge --before 2026-01-31
      signalpost purge --before 90d --yes --json     in a script

    \b
    The file keeps its size, and its free space is used again. To make it smaller, stop the service and run
      sqlite3 outbox.db VACUUM
    """,
)
@click.option(
    "--before", required=True, metavar="WHEN", help="Delete what was accepted before WHEN: 30d, 12h ago, 2026-01-31 ..."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="Only count, and delete nothing.")
@configured
@json_option("Print the result as JSON.")
def purge(before: str, yes: bool, dry_run: bool, flags: Flags, as_json: bool) -> None:
    """Delete notifications accepted before WHEN, with their deliveries, attempts and messages.

    Notifications with an open delivery stay, and so do idempotency keys that are still valid. This works page by page
    while a service runs. A running service does the same by itself, by default after 30 days.
    """
    instant = parse_time(before, "--before")
    if instant > clock.now():
        text = f"--before is {format_time(instant, clock.now())}, which is in the future: use a time in the past"
        raise InvalidValue(text, code="out-of-range", field="--before", value=iso(instant))
    path = flags.config().home / STORE_FILE
    past = _past(path, instant)
    if not (dry_run or yes) and past.ended:
        _ask(past, format_time(instant, clock.now()))
    deleted = 0 if dry_run else _delete(path, instant)
    after = _past(path, instant)
    if as_json:
        plain = {"before": iso(instant), "deleted": deleted, "would_delete": past.ended if dry_run else 0}
        say_json({**plain, "open": after.open, "size": after.size, "free": after.free})
        return
    count, verb = (past.ended, "would be deleted") if dry_run else (deleted, "deleted")
    say(f"notifications {verb}: {count:,}; kept because of open deliveries: {after.open:,}")
    say(f"file size {decimal(after.size)}, of which {decimal(after.free)} are free for new data")


def _past(path: Path, before: datetime) -> Past:
    with closing(SqliteReader(path)) as reader:
        return reader.past(before)


def _ask(past: Past, when: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("cannot ask for confirmation without a terminal. Give --yes, or --dry-run to only count")
    if not click.confirm(f"Delete {past.ended:,} notifications accepted before {when}?", err=True):
        say("Nothing was deleted.", err=True)
        raise SystemExit(1)


def _delete(path: Path, before: datetime) -> int:
    with closing(SqliteCore(path, owns=False)) as core:
        deleted = count = _prune(core, before)
        while count == PAGE:
            Event().wait(_PAUSE)
            count = _prune(core, before)
            deleted += count
        return deleted


def _prune(core: Core, before: datetime) -> int:
    count: int
    (count,) = core.apply([Prune(before=before, limit=PAGE)])
    return count
