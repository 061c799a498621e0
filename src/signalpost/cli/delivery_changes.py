"""`signalpost deliveries revive` and `cancel`: what a person decides about a delivery, also while a service runs."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from signalpost.cli.configuration import configured
from signalpost.cli.option_types import Utf8Text
from signalpost.cli.output import json_option, say, say_errors, say_json
from signalpost.errors import Fault

if TYPE_CHECKING:
    from signalpost.cli.store import Store
    from signalpost.delivery.outbox.commands import Cancel, Parcel, Revive
    from signalpost.domain.delivery import Delivery

_NONE_CHANGED = 1
"""Exit code: there is no delivery that this could be done to."""


class _Changed(NamedTuple):
    parcel: "Parcel"
    delivery: "Delivery | None"
    """As it stands now; None where it could not be."""


@click.command(
    epilog="""
    \b
    Examples:
      signalpost deliveries revive 019b8f2a4c3d5e6f70819203
      signalpost deliveries revive 019b8f2a4c3d5e6f70819203@signals-free --valid-for 30m
      signalpost deliveries list --state unconfirmed --json | jq -r '"\\(.ticket)@\\(.destination)"'
    """
)
@click.argument("ticket", type=Utf8Text(), metavar="TICKET[@DESTINATION]")
@click.option("--valid-for", metavar="TIME", help="How long it is worth sending from now: 30m, 2h.")
@configured
@json_option("Print one line of JSON for each new delivery.")
def revive(ticket: str, valid_for: str | None, home: Path | None, config_file: Path | None, as_json: bool) -> None:
    """Send what is dead, unconfirmed, expired or cancelled after all.

    A new delivery is made that names the old one, which stays as it is. What may have been shown says so. Without
    DESTINATION, every delivery of TICKET that can be revived is. A running service sends it at once.
    """
    from signalpost.cli.time_format import parse_duration
    from signalpost.delivery.outbox.commands import Revive
    from signalpost.delivery.rank import rank_of

    lasts = None if valid_for is None else parse_duration(valid_for, "--valid-for")

    def again(store: "Store", parcel: "Parcel") -> "Revive":
        told = parcel.notification
        until = store.now + (lasts or told.valid_until - told.accepted_at)
        return Revive(parcel.delivery.id, rank_of(parcel.delivery.priority, store.now), until)

    _change(ticket, again, "revived", home, config_file, as_json=as_json)


@click.command(
    epilog="""
    \b
    Examples:
      signalpost deliveries cancel 019b8f2a4c3d5e6f70819203
      signalpost deliveries cancel 019b8f2a4c3d5e6f70819203@signals-free --reason "the market is closed"
    """
)
@click.argument("ticket", type=Utf8Text(), metavar="TICKET[@DESTINATION]")
@click.option(
    "--reason", type=Utf8Text(), default="by `signalpost deliveries cancel`", help="Why, for whoever asks later."
)
@configured
@json_option("Print one line of JSON for each delivery.")
def cancel(ticket: str, reason: str, home: Path | None, config_file: Path | None, as_json: bool) -> None:
    """Do not send what waits.

    Without DESTINATION, every delivery of TICKET that waits is cancelled. What is being sent at this moment, or has
    ended, stays as it is.
    """
    from signalpost.delivery.outbox.commands import Cancel

    def away(_: "Store", parcel: "Parcel") -> "Cancel":
        return Cancel(parcel.delivery.id, reason)

    _change(ticket, away, "cancelled", home, config_file, as_json=as_json)


def _change(
    name: str,
    wish: "Callable[[Store, Parcel], Cancel | Revive]",
    verb: str,
    home: Path | None,
    config_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Carry a wish out on each delivery that `name` means, and tell what became of each."""
    from signalpost.cli.delivery_lines import plain_delivery
    from signalpost.cli.store import Store
    from signalpost.cli.time_format import format_time

    with Store.configured(home, config_file) as store:
        changes = list(_carried_out(store, [(each, wish(store, each)) for each in _latest(store, name)]))
        has_owner, now = store.has_owner, store.now
    changed = [parcel._replace(delivery=delivery) for parcel, delivery in changes if delivery is not None]
    for parcel, delivery in changes:
        if delivery is None:
            say(f"not {verb}: {parcel.delivery.id} is {parcel.delivery.state}", err=True)
    for parcel in changed:
        if as_json:
            say_json(plain_delivery(parcel))
        else:
            until = (
                f", is worth sending until {format_time(parcel.delivery.valid_until, now)}" if verb == "revived" else ""
            )
            say(f"{verb}: {parcel.delivery.id} is {parcel.delivery.state}{until}")
    if changed and verb == "revived" and not has_owner:
        say("no service runs on this data folder: the next that is started sends it", err=True)
    if not changed:
        if as_json:
            say_errors(_not_changed(parcel, verb) for parcel, _ in changes)
        raise SystemExit(_NONE_CHANGED)


def _not_changed(parcel: "Parcel", verb: str) -> Fault:
    delivery = parcel.delivery
    return Fault("wrong-state", f"not {verb}: {delivery.id} is {delivery.state}", "state", str(delivery.state))


def _carried_out(store: "Store", wishes: "list[tuple[Parcel, Cancel | Revive]]") -> Iterator[_Changed]:
    from signalpost.delivery.outbox.sqlite import SqliteCore
    from signalpost.delivery.wake_socket import wake

    with closing(SqliteCore(store.path, owns=False)) as core:
        answers = core.apply([wish for _, wish in wishes])
    wake(core.bell_path)
    for (parcel, _), delivery in zip(wishes, answers, strict=True):
        yield _Changed(parcel, delivery)


def _latest(store: "Store", name: str) -> "list[Parcel]":
    """The last turn of each delivery that is meant: of a ticket, payload or key, perhaps `@` one destination."""
    from signalpost.errors import InvalidValue

    before, _, destination = name.rpartition("@")
    try:
        tickets, destination = store.tickets(name), ""
    except InvalidValue:
        if not before:
            raise
        tickets = store.tickets(before)
    parcels = {parcel.delivery.id[:2]: parcel for ticket in tickets for parcel in store.of_ticket(ticket)}
    meant = [parcel for (_, where), parcel in parcels.items() if where == destination or not destination]
    if not meant:
        there = ", ".join(sorted({where for _, where in parcels}))
        raise InvalidValue(
            f"{before} has no delivery to {destination}: it has one to {there}",
            code="not-found",
            field="destination",
            value=destination,
            limit=there,
        )
    return meant
