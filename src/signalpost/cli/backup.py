"""`signalpost backup`: a whole copy of the store, also while a service runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from signalpost.cli.configuration import configuration, configured
from signalpost.cli.output import json_option, say, say_json

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = 64 * 1024 * 1024
"""Bytes from which copying takes long enough to show how far it is."""


@click.command(
    short_help="Copy the store, also while a service runs.",
    epilog="""
    \b
    Examples:
      signalpost backup /backup/outbox.db
      signalpost backup --force /backup/latest.db
      signalpost backup "/backup/outbox-$(date +%F).db" --json

    \b
    To put a copy back:
      1. Stop the service and whatever else uses the data folder.
      2. Remove outbox.db-wal and outbox.db-shm there, if they are left: they belong to the old file.
      3. Copy the backup over outbox.db, and start the service.
    What waited when the copy was made is sent then, perhaps for a second time and without a mark; what has
    expired since is not. What was accepted since is not known any more, and may be accepted anew.
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE where it is there already.")
@configured
@json_option("Print what was copied as JSON.")
def backup(file: Path, force: bool, home: Path | None, config_file: Path | None, as_json: bool) -> None:
    """Copy the store to FILE: whole, checked and of one moment, while services go on writing.

    FILE is for its owner alone to read, and is there whole or not at all. It holds what your messages say, and no
    webhook. The exit code is 0 where it was made, 2 where FILE cannot be, and 3 where the store cannot be read.
    """
    from signalpost.config import STORE_FILE
    from signalpost.delivery.outbox.copy import copy

    store = configuration(home, config_file).home / STORE_FILE
    with _progress(store) as tell:
        copied = copy(store, file, progress=tell, overwrite=force)
    if as_json:
        say_json({"file": str(file), **copied._asdict()})
    else:
        from rich.filesize import decimal

        say(
            f"{file}: {decimal(copied.size)}; notifications: {copied.notifications:,}, deliveries: "
            f"{copied.deliveries:,}, of which wait: {copied.open:,}"
        )


@contextmanager
def _progress(store: Path) -> "Iterator[Callable[[int, int], None]]":
    """A bar on standard error, where there is a terminal and much to copy."""
    from rich.console import Console
    from rich.progress import Progress

    from signalpost.delivery.outbox.sqlite_file import is_there

    is_large = is_there(store) and store.stat().st_size >= LARGE
    with Progress(console=Console(stderr=True), disable=not is_large, transient=True) as bar:
        task = bar.add_task("Copying")
        yield lambda done, pages: bar.update(task, completed=done, total=pages)
