"""Reads the store for a command, even while a service writes to it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from signalpost import clock
from signalpost.cli.delivery_story import Surroundings
from signalpost.config import STORE_FILE, Config
from signalpost.delivery.facts import OWNER, of_webhook, read_owner
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.outbox.commands import (
    Answer,
    Command,
    Find,
    History,
    LoadFacts,
    LoadState,
    Message,
    OutboxEntry,
    Stats,
    Subject,
)
from signalpost.delivery.outbox.lock import is_held, lock_of
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.domain.delivery import Attempt
from signalpost.errors import InvalidValue, shown

_MOST_NAMED = 10
"""How many of several signals an error names."""


class Store:
    """The store of a data folder, read-only. Raises StoreUnusable if it cannot be opened, and later StoreFailed."""

    def __init__(self, config: Config) -> None:
        self.path = config.home / STORE_FILE
        self.now = clock.now()
        self.has_owner = is_held(lock_of(self.path))
        """True if a service has the store open to deliver from it."""
        self._limits = {each.name: each.limits.messages_a_minute for each in config.destinations}
        self._webhooks = {each.name: of_webhook(each.address.identity) for each in config.destinations}
        self._reader = SqliteReader(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def entries(self, find: Find) -> tuple[OutboxEntry, ...]:
        """The selected deliveries, newest first."""
        return self._read(find)

    def of_ticket(self, ticket_id: str) -> tuple[OutboxEntry, ...]:
        """The deliveries of a ticket, ordered by destination and revival."""
        return self._read(Find(notification_id=ticket_id))[::-1]

    def tickets(self, name: str) -> list[str]:
        """Find tickets by their own id, a payload's id or a key. Raises InvalidValue if there are none."""
        tickets = (
            [name] if self.of_ticket(name) else [each for each in self._reader.tickets(name) if self.of_ticket(each)]
        )
        if not tickets:
            text = (
                f"no ticket, signal or idempotency key named {name!r} was found. `signalpost deliveries list` shows "
                "all deliveries"
            )
            raise InvalidValue(text, code="not-found", field="ticket", value=shown(name))
        return tickets

    def trades(self, find: FindTrades) -> tuple[BookEntry, ...]:
        """The trades of the signal book that `find` selects, newest first."""
        return self._read(find)

    def trade(self, name: str) -> BookEntry:
        """The only trade with this id, short id or number, or the live one of this pair. Raises InvalidValue."""
        return only(name, self.trades(FindTrades(name=name)))

    def watermark(self, stream: str) -> datetime | None:
        """The time of the last candle that a strategy's stream processed; None if there is none."""
        state = self._read(LoadState(stream))
        return None if state is None else state.watermark

    def history(self, entry: OutboxEntry) -> tuple[Attempt, ...]:
        """The attempts of a delivery, oldest first."""
        return self._read(History(entry.delivery.id))

    def message(self, entry: OutboxEntry) -> Message | None:
        """The message that shows a delivery; None if there is none."""
        return self._reader.message(entry.delivery)

    def counts(self) -> dict[str, int]:
        """The number of deliveries by state."""
        counts: dict[str, int] = {}
        for (_, state), count in self._read(Stats()).items():
            counts[state] = counts.get(state, 0) + count
        return counts

    def surroundings(self, entry: OutboxEntry) -> Surroundings:
        """Collect the facts that the story of a delivery depends on."""
        delivery = entry.delivery
        destination = delivery.id.destination
        return Surroundings(
            now=self.now,
            has_owner=self.has_owner,
            is_served=self._is_served(entry),
            messages_a_minute=self._limits,
            facts=self._facts(Subject(destination)) | self._of_webhook(destination),
            ahead=self._reader.ahead(delivery),
            failures=self._reader.failures(destination, self.now),
            message=self.message(entry),
            was_revived=any(
                each.delivery.id[1:] == (destination, delivery.id.turn + 1)
                for each in self.of_ticket(delivery.id.notification_id)
            ),
        )

    def _is_served(self, entry: OutboxEntry) -> bool:
        """True if the running service has a webhook for the delivery.

        If no service runs, or it does not route the delivery to this destination, the configuration counts.
        """
        destination, notification = entry.delivery.id.destination, entry.notification
        owner = read_owner(self._facts(OWNER)) if self.has_owner else None
        routes = (
            ()
            if owner is None
            else owner.routing.route(notification.payload, notification.user_tier, notification.about)
        )
        answers = [route.suppressed_for is None for route in routes if route.destination == destination]
        return answers[0] if answers else destination in self._limits

    def _of_webhook(self, destination: str) -> dict[str, bytes]:
        place = self._webhooks.get(destination)
        return {} if place is None else self._facts(place)

    def _facts(self, subject: Subject) -> dict[str, bytes]:
        return self._read(LoadFacts(subject))

    def _read(self, command: Command[Answer]) -> Answer:
        answer: Answer
        (answer,) = self._reader.apply([command])
        return answer


def only(name: str, found: Sequence[BookEntry]) -> BookEntry:
    """The only trade that was found. Raises InvalidValue if there is none, or more than one."""
    if not found:
        text = (
            f"no signal has the id, short id or number {shown(name)}, and no live signal has that pair. "
            "`signalpost signals list` shows all signals"
        )
        raise InvalidValue(text, code="unknown-signal", field="id", value=shown(name))
    if len(found) > 1:
        named = ", ".join(f"#{trade.number} {trade.signal.signal_id}" for trade, *_ in found[:_MOST_NAMED])
        text = f"{shown(name)} has {len(found)} live signals: use the number or id of one of them ({named})"
        raise InvalidValue(text, code="ambiguous", field="id", value=shown(name), limit=named)
    return found[0]
