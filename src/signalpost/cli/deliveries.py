"""`signalpost deliveries`: lists deliveries, explains them, and revives or cancels them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

import click

from signalpost.cli.delivery_lines import deliveries_table, lines_of, plain_delivery, plain_history
from signalpost.cli.delivery_story import heading, story
from signalpost.cli.options import Flags, Utf8Text, configured
from signalpost.cli.output import examples, json_option, say, say_errors, say_json
from signalpost.cli.store import Store
from signalpost.cli.tables import console
from signalpost.cli.time_format import format_time, parse_time
from signalpost.delivery.outbox.commands import Cancel, Find, OutboxEntry, Revive
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.rank import rank_of
from signalpost.delivery.wake_socket import wake
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.seconds import duration
from signalpost.domain.words import member
from signalpost.errors import Fault, InvalidValue

_NONE_CHANGED = 1
"""Exit code: no delivery could be changed."""


class _Change(NamedTuple):
    entry: OutboxEntry
    result: Delivery | None
    """The cancelled delivery, or the new one of a revival; None if nothing was changed."""


@examples(
    "signalpost deliveries why 019b8f2a4c3d5e6f70819203",
    "signalpost deliveries why manual:EUR_USD:H4:BUY:20250820T010000Z",
    "signalpost deliveries list --state dead --state unconfirmed --since 24h",
    "signalpost deliveries list --destination signals-free --limit 5 --json",
    "signalpost deliveries show 019b8f2a4c3d5e6f70819203",
    "signalpost deliveries revive 019b8f2a4c3d5e6f70819203@signals-free",
)
@click.group()
def deliveries() -> None:
    """Inspect the outbox, even while the service runs. Only `revive` and `cancel` change anything."""


_json_option = json_option("Print one line of JSON for each delivery.")


@examples(
    "signalpost deliveries list --state pending",
    "signalpost deliveries list --since 2h --priority urgent",
    "signalpost deliveries list --state dead --json | jq -r .reason",
)
@deliveries.command("list")
@click.option(
    "--state", "states", multiple=True, help="Only this state: pending, leased, delivered, dead ...; can be repeated."
)
@click.option("--destination", type=Utf8Text(), help="Only deliveries to this destination.")
@click.option("--priority", help="Only this priority: LOW, NORMAL, HIGH or URGENT.")
@click.option("--since", metavar="WHEN", help="Only deliveries since WHEN: 90m, 12h, 30d, 2026-01-31 ...")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many to show at most."
)
@configured
@_json_option
def list_(
    states: tuple[str, ...],
    destination: str | None,
    priority: str | None,
    since: str | None,
    limit: int,
    flags: Flags,
    as_json: bool,
) -> None:
    """List deliveries, newest first. Without --json, also count all deliveries by state."""
    find = Find(
        destination=destination,
        states=frozenset(member(DeliveryState, state, "--state") for state in states),
        limit=limit,
        priority=None if priority is None else member(NotificationPriority, priority, "--priority"),
        since=None if since is None else parse_time(since, "--since"),
    )
    with Store(flags.config()) as store:
        entries = store.entries(find)
        counts = store.counts()
    if as_json:
        say_json(*map(plain_delivery, entries))
        return
    if entries:
        console().print(deliveries_table(entries))
    elif counts:
        say("No delivery matches these options.")
    say(", ".join(f"{count:,} {state}" for state, count in sorted(counts.items())) or "There are no deliveries yet.")


@examples("signalpost deliveries show 019b8f2a4c3d5e6f70819203")
@deliveries.command()
@click.argument("ticket_id", type=Utf8Text(), metavar="TICKET")
@configured
@_json_option
def show(ticket_id: str, flags: Flags, as_json: bool) -> None:
    """Show the deliveries of TICKET with every attempt. You can also give a signal's id or an idempotency key."""
    with Store(flags.config()) as store:
        for entry in [entry for ticket in store.tickets(ticket_id) for entry in store.of_ticket(ticket)]:
            history, message = store.history(entry), store.message(entry)
            if as_json:
                say_json(plain_delivery(entry) | plain_history(history, message))
            else:
                say(*lines_of(entry, history, message))


@examples(
    "signalpost deliveries why 019b8f2a4c3d5e6f70819203",
    "signalpost deliveries why manual:EUR_USD:H4:BUY:20250820T010000Z",
    "signalpost deliveries why 019b8f2a4c3d5e6f70819203 --json | jq -r '.todo[]'",
)
@deliveries.command()
@click.argument("ticket_id", type=Utf8Text(), metavar="TICKET")
@configured
@_json_option
def why(ticket_id: str, flags: Flags, as_json: bool) -> None:
    """Explain what happened to TICKET, what happens next, and what you can do.

    TICKET is the id that `publish` printed or the API returned. You can also give the id of a signal or alert, or an
    idempotency key; if it has several tickets, each is explained. The exit code is 0 whatever happened to it.
    """
    with Store(flags.config()) as store:
        for number, ticket in enumerate(store.tickets(ticket_id)):
            entries = store.of_ticket(ticket)
            if not as_json:
                say(*([""] if number else []), *heading(entries[0].notification, store.now))
            for entry in entries:
                explained = story(entry.delivery, entry.notification, store.history(entry), store.surroundings(entry))
                if as_json:
                    say_json(plain_delivery(entry) | explained._asdict())
                else:
                    say("", f"{entry.delivery.id.destination}: {entry.delivery.state}")
                    say(*_lines(explained.happened, explained.next, explained.todo))


def _lines(happened: tuple[str, ...], following: tuple[str, ...], todo: tuple[str, ...]) -> list[str]:
    marked = [("", happened), ("next: ", following), ("do: ", todo)]
    return [f"  {mark}{sentence}" for mark, sentences in marked for sentence in sentences]


@examples(
    "signalpost deliveries revive 019b8f2a4c3d5e6f70819203",
    "signalpost deliveries revive 019b8f2a4c3d5e6f70819203@signals-free --valid-for 30m",
    "signalpost deliveries list --state unconfirmed --json | jq -r '\"\\(.ticket)@\\(.destination)\"' \\",
    "  | xargs -n1 signalpost deliveries revive",
)
@deliveries.command()
@click.argument("ticket", type=Utf8Text(), metavar="TICKET[@DESTINATION]")
@click.option(
    "--valid-for",
    metavar="TIME",
    help="How long the new delivery is valid, such as 30m or 2h.  [default: as long as the original was]",
)
@configured
@json_option("Print one line of JSON for each new delivery.")
def revive(ticket: str, valid_for: str | None, flags: Flags, as_json: bool) -> None:
    """Send a dead, unconfirmed, expired or cancelled delivery again.

    This creates a new delivery that refers to the old one; the old one does not change. If the old one may have been
    shown, the new message says so. Without DESTINATION, it revives the delivery to each destination of
    TICKET, where that is possible. A running service sends the new ones at once.
    """
    lasts = None if valid_for is None else duration(valid_for, "--valid-for")

    def revival(store: Store, entry: OutboxEntry) -> Revive:
        notification = entry.notification
        until = store.now + (lasts or notification.valid_until - notification.accepted_at)
        return Revive(entry.delivery.id, rank_of(entry.delivery.priority, store.now), until)

    _change(ticket, revival, "revived", flags, as_json=as_json)


@examples(
    "signalpost deliveries cancel 019b8f2a4c3d5e6f70819203",
    'signalpost deliveries cancel 019b8f2a4c3d5e6f70819203@signals-free --reason "the market is closed"',
)
@deliveries.command()
@click.argument("ticket", type=Utf8Text(), metavar="TICKET[@DESTINATION]")
@click.option(
    "--reason",
    type=Utf8Text(),
    default="by `signalpost deliveries cancel`",
    help="The reason, shown later by `deliveries why`.",
)
@configured
@json_option("Print one line of JSON for each delivery.")
def cancel(ticket: str, reason: str, flags: Flags, as_json: bool) -> None:
    """Cancel a waiting delivery.

    Without DESTINATION, every waiting delivery of TICKET is cancelled. Deliveries that are being sent now or have ended
    do not change.
    """

    def cancellation(_: Store, entry: OutboxEntry) -> Cancel:
        return Cancel(entry.delivery.id, reason)

    _change(ticket, cancellation, "cancelled", flags, as_json=as_json)


def _change(
    name: str,
    command_for: Callable[[Store, OutboxEntry], Cancel | Revive],
    verb: str,
    flags: Flags,
    *,
    as_json: bool,
) -> None:
    """Apply a command to the newest delivery to each destination of `name`, and print the results."""
    with Store(flags.config()) as store:
        changes = list(_apply(store, [(each, command_for(store, each)) for each in _latest(store, name)]))
        has_owner, now = store.has_owner, store.now
    changed = [entry._replace(delivery=result) for entry, result in changes if result is not None]
    for entry, result in changes:
        if result is None:
            say(f"not {verb}: {entry.delivery.id} is {entry.delivery.state}", err=True)
    for entry in changed:
        if as_json:
            say_json(plain_delivery(entry))
        else:
            until = f", valid until {format_time(entry.delivery.valid_until, now)}" if verb == "revived" else ""
            say(f"{verb}: {entry.delivery.id} is {entry.delivery.state}{until}")
    if changed and verb == "revived" and not has_owner:
        say("No service is delivering from this data folder. The next one that starts will send them.", err=True)
    if not changed:
        if as_json:
            say_errors(_not_changed(entry, verb) for entry, _ in changes)
        raise SystemExit(_NONE_CHANGED)


def _not_changed(entry: OutboxEntry, verb: str) -> Fault:
    delivery = entry.delivery
    return Fault("wrong-state", f"not {verb}: {delivery.id} is {delivery.state}", "state", str(delivery.state))


def _apply(store: Store, commands: list[tuple[OutboxEntry, Cancel | Revive]]) -> Iterator[_Change]:
    with closing(SqliteCore(store.path, owns=False)) as core:
        answers = core.apply([command for _, command in commands])
    wake(core.bell_path)
    for (entry, _), result in zip(commands, answers, strict=True):
        yield _Change(entry, result)


def _latest(store: Store, name: str) -> list[OutboxEntry]:
    """The newest delivery to each destination, or only to the one after `@`. `name` is a ticket, an id or a key."""
    before, _, destination = name.rpartition("@")
    try:
        tickets, destination = store.tickets(name), ""
    except InvalidValue:
        if not before:
            raise
        tickets = store.tickets(before)
    entries = {entry.delivery.id[:2]: entry for ticket in tickets for entry in store.of_ticket(ticket)}
    chosen = [entry for (_, where), entry in entries.items() if where == destination or not destination]
    if not chosen:
        there = ", ".join(sorted({where for _, where in entries}))
        text = f"{before} has no delivery to {destination}. Its deliveries go to: {there}"
        raise InvalidValue(text, code="not-found", field="destination", value=destination, limit=there)
    return chosen
