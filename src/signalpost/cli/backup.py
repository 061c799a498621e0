"""`signalpost backup`: a complete copy of the store, even while a service runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.filesize import decimal

from signalpost.cli.options import Flags, configured
from signalpost.cli.output import json_option, say, say_json
from signalpost.config import STORE_FILE
from signalpost.delivery.outbox.copy import copy
from signalpost.delivery.outbox.sqlite_file import is_there

LARGE = 64 * 1024 * 1024
"""The size in bytes from which copying takes long enough to need a progress bar."""


@click.command(
    epilog="""
    \b
    Examples:
      signalpost backup /backup/outbox.db
      signalpost backup --force /backup/latest.db
      signalpost backup "/backup/outbox-$(date +%F).db" --json

    \b
    To restore a copy:
      1. Stop the service and all other programs that use the data folder.
      2. Remove outbox.db-wal and outbox.db-shm there, if they exist: they belong to the old file.
      3. Copy the backup over outbox.db, and start the service.
    The service then sends the deliveries that were waiting at the time of the copy, unless they have expired.
    Some may be sent a second time, without a mark. Notifications accepted after the copy are forgotten, so
    they can be accepted again.
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@configured
@json_option("Print the result as JSON.")
def backup(file: Path, force: bool, flags: Flags, as_json: bool) -> None:
    """Copy the store to FILE: a complete, checked snapshot, while services go on writing.

    FILE is complete or does not exist, and only you can read it. It contains your messages but no webhooks. Exit codes:
    0 if it was written, 2 if FILE cannot be written, 3 if the store cannot be read.
    """
    store = flags.config().home / STORE_FILE
    with _progress(store) as progress:
        copied = copy(store, file, progress=progress, overwrite=force)
    if as_json:
        say_json({"file": str(file), **copied._asdict()})
    else:
        say(
            f"{file}: {decimal(copied.size)}; notifications: {copied.notifications:,}, "
            f"deliveries: {copied.deliveries:,}, waiting: {copied.open:,}"
        )


@contextmanager
def _progress(store: Path) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, for a large store in a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    is_large = is_there(store) and store.stat().st_size >= LARGE
    with Progress(console=Console(stderr=True), disable=not is_large, transient=True) as bar:
        task = bar.add_task("Copying")
        yield lambda done, pages: bar.update(task, completed=done, total=pages)
