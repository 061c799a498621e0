"""`signalpost deliveries`: lists deliveries, explains them, and revives or cancels them."""

import click

from signalpost.cli.delivery_changes import cancel, revive
from signalpost.cli.delivery_lines import deliveries_table, lines_of, plain_delivery, plain_history
from signalpost.cli.delivery_story import heading, story
from signalpost.cli.options import Flags, Utf8Text, configured
from signalpost.cli.output import examples, json_option, say, say_json
from signalpost.cli.store import Store
from signalpost.cli.tables import console
from signalpost.cli.time_format import parse_time
from signalpost.delivery.outbox.reader import Wanted
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.words import member


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
    """Inspect the outbox, also while the service runs. Only `revive` and `cancel` change anything."""


deliveries.add_command(revive)
deliveries.add_command(cancel)


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
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="The most to show, newest first."
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
    wanted = Wanted(
        limit,
        [member(DeliveryState, state, "--state") for state in states],
        destination,
        None if priority is None else member(NotificationPriority, priority, "--priority"),
        None if since is None else parse_time(since, "--since"),
    )
    with Store(flags.config()) as store:
        entries = store.entries(wanted)
        counts = store.counts()
    if as_json:
        for entry in entries:
            say_json(plain_delivery(entry))
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
