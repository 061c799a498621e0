"""`signalpost deliveries`: what waits, what was delivered, and what was not, and why."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from signalpost.delivery.outbox.commands import Parcel
    from signalpost.domain.delivery import Attempt

_COLOUR_BY_STATE = {"delivered": "green", "dead": "red", "unconfirmed": "yellow", "expired": "yellow"}


@click.group(
    short_help="Look at deliveries: waiting, delivered, dead.",
    epilog="""
    \b
    Examples:
      signalpost deliveries list --state dead --state unconfirmed
      signalpost deliveries list --destination signals-free --limit 5 --json
      signalpost deliveries show 019b8f2a4c3d5e6f70819203
    """,
)
def deliveries() -> None:
    """Look into the outbox, also while the service runs; nothing is changed."""


_json_option = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each delivery.")
_home_option = click.option(
    "--home", type=click.Path(path_type=Path), help="The data folder.  [default: that of the environment]"
)


@deliveries.command("list")
@click.option("--state", "states", multiple=True, help="pending, leased, delivered, dead ...; can be repeated.")
@click.option("--destination", help="Only this one's.")
@click.option("--limit", default=20, show_default=True, help="How many, newest first.")
@_home_option
@_json_option
def list_(states: tuple[str, ...], destination: str | None, limit: int, home: Path | None, as_json: bool) -> None:
    """List deliveries, newest first."""
    from signalpost.delivery.outbox.commands import Find, Stats
    from signalpost.domain.delivery import DeliveryState
    from signalpost.domain.words import member

    wanted = frozenset(member(DeliveryState, state, "--state") for state in states)
    find = Find(destination=destination, states=wanted, limit=limit)
    parcels, stats = _asked(home, find, Stats())
    if as_json:
        for parcel in parcels:
            click.echo(json.dumps(_as_plain(parcel)))
        return
    from signalpost.cli.tables import console

    console().print(_table(parcels))
    counts: dict[str, int] = {}
    for (_, state), count in stats.items():
        counts[state] = counts.get(state, 0) + count
    click.echo(", ".join(f"{count:,} {state}" for state, count in sorted(counts.items())) or "no deliveries yet")


@deliveries.command()
@click.argument("ticket_id")
@_home_option
@_json_option
def show(ticket_id: str, home: Path | None, as_json: bool) -> None:
    """Show a ticket's deliveries, with every attempt."""
    from signalpost.delivery.outbox.commands import Find, History
    from signalpost.errors import InvalidValue

    (parcels,) = _asked(home, Find(notification_id=ticket_id))
    if not parcels:
        raise InvalidValue(f"there is no ticket {ticket_id!r} here: `signalpost deliveries list` shows what there is")
    histories = _asked(home, *(History(parcel.delivery.id) for parcel in parcels))
    for parcel, history in zip(parcels, histories, strict=True):
        if as_json:
            click.echo(json.dumps(_as_plain(parcel) | {"history": [_attempt(each) for each in history]}))
        else:
            _show(parcel, history)


def _asked(home: Path | None, *commands: Any) -> list[Any]:
    from signalpost.config import STORE_FILE, Config
    from signalpost.delivery.outbox.sqlite_reader import SqliteReader

    reader = SqliteReader((home or Config.from_environment().home) / STORE_FILE)
    try:
        return reader.apply(commands)
    finally:
        reader.close()


def _table(parcels: "tuple[Parcel, ...]") -> "Table":
    from rich.text import Text

    from signalpost.cli.tables import table

    columns = ("accepted (UTC)", "ticket", "destination", "state", "tries", "what")
    made = table("Deliveries", *columns, right=("tries",), wraps="what")
    for delivery, notification in parcels:
        made.add_row(
            f"{notification.accepted_at:%m-%d %H:%M:%S}",
            delivery.id.notification_id,
            delivery.id.destination,
            Text(delivery.state, style=_COLOUR_BY_STATE.get(delivery.state, "")),
            str(delivery.attempts),
            Text(notification.key),
        )
    return made


def _show(parcel: "Parcel", history: "tuple[Attempt, ...]") -> None:
    delivery, notification = parcel
    click.echo(f"{delivery.id}: {delivery.state}" + (f" ({delivery.reason})" if delivery.reason else ""))
    click.echo(f"  {notification.key}, {delivery.priority.name}, valid until {delivery.valid_until:%Y-%m-%d %H:%M:%S}Z")
    if delivery.message_id:
        click.echo(f"  message {delivery.message_id}")
    if delivery.may_repeat:
        click.echo("  an earlier attempt may have been shown")
    for number, attempt in enumerate(history, start=1):
        took = (attempt.ended_at - attempt.began_at).total_seconds()
        detail = f": {attempt.detail}" if attempt.detail else ""
        click.echo(f"  {number}. {attempt.began_at:%H:%M:%S}Z, {took:.3f} s, {attempt.outcome}{detail}")


def _as_plain(parcel: "Parcel") -> dict[str, Any]:
    from signalpost.domain.instant import iso

    delivery, notification = parcel
    return {
        "ticket": delivery.id.notification_id,
        "destination": delivery.id.destination,
        "turn": delivery.id.turn,
        "key": notification.key,
        "state": delivery.state,
        "priority": delivery.priority.name,
        "accepted_at": iso(notification.accepted_at),
        "valid_until": iso(delivery.valid_until),
        "attempts": delivery.attempts,
        "may_repeat": delivery.may_repeat,
        "reason": delivery.reason,
        "message_id": delivery.message_id,
    }


def _attempt(attempt: "Attempt") -> dict[str, str]:
    from signalpost.domain.instant import iso

    return {
        "began_at": iso(attempt.began_at),
        "ended_at": iso(attempt.ended_at),
        "outcome": attempt.outcome,
        "detail": attempt.detail,
    }
