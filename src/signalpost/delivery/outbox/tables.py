"""What the verbs read and write: a store's tables, within one transaction.

Each method is one short look or one write of many rows, so that a store can answer it with one statement.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from signalpost.delivery.outbox.commands import Damaged, Find, Message, Open, StreamState
from signalpost.delivery.outbox.lanes import Row
from signalpost.delivery.outbox.row_checks import Unreadable
from signalpost.domain.delivery import Attempt, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification


class Key(NamedTuple):
    """What is remembered under an idempotency key."""

    content_hash: bytes
    notification_id: str
    until: datetime


class Tables(Protocol):
    """The rows of an outbox."""

    def next_number(self) -> int:
        """A number above that of every notification there is, and above all given out before."""
        ...

    def keys(self, names: Sequence[str]) -> dict[str, Key]:
        """Which of these keys are known."""
        ...

    def save_keys(self, keys: Mapping[str, Key]) -> None:
        """Remember keys, in place of older ones of the same name."""
        ...

    def forget_keys(self, now: datetime, after: str, limit: int) -> str:
        """Forget those of the next `limit` keys whose time is over; the last of them, or empty if there are no more."""
        ...

    def add_notifications(self, numbered: Sequence[tuple[int, Notification]]) -> None:
        """Write notifications under their numbers."""
        ...

    def notification(self, row: Row) -> Notification | Unreadable:
        """What a row delivers, or why that cannot be read. Then the row is kept out of its lane."""
        ...

    def old(self, before: datetime) -> Iterator[tuple[int, str, bool]]:
        """Notifications in the order of acceptance, up to the first that is not older: number, id, whether open."""
        ...

    def delete(self, numbered: Sequence[tuple[int, str]]) -> None:
        """Delete notifications with their deliveries, attempts, and messages that then show nothing."""
        ...

    def look_for_lost(self) -> None:
        """Find the deliveries whose state is damaged, so that they are set aside."""
        ...

    def set_aside(self) -> list[Damaged]:
        """End what was found damaged since the last time, and return it as it stands then."""
        ...

    def rows(self, names: Sequence[DeliveryId]) -> dict[DeliveryId, Row]:
        """Those of these deliveries that there are."""
        ...

    def waiting(self, sequences: Collection[str]) -> Iterable[Row]:
        """The pending deliveries of these sequences, in any order."""
        ...

    def lane(self, destination: str) -> Iterator[Row]:
        """The pending deliveries of a destination in the order of their places, read as they are asked for."""
        ...

    def overdue(self, now: datetime, limit: int) -> list[Row]:
        """Pending deliveries whose validity is over, by destination and place."""
        ...

    def waiting_beyond(self, now: datetime) -> list[Row]:
        """What is pending and waits for a `not_before` after `now`, in no order."""
        ...

    def in_flight(self, destination: str) -> Collection[str]:
        """The sequences of a destination that are leased."""
        ...

    def find(self, wanted: Find) -> list[Row]:
        """The deliveries that are looked for: by id, destination and turn, the last first."""
        ...

    def open(self, wanted: Open) -> list[Row]:
        """The pending and leased deliveries that are looked for."""
        ...

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows that are new."""
        ...

    def move(self, rows: Sequence[Row], was: DeliveryState) -> None:
        """Write rows again that were in the state `was`."""
        ...

    def add_attempts(self, attempts: Sequence[tuple[DeliveryId, Attempt]]) -> None:
        """Append to the histories of deliveries."""
        ...

    def attempts(self, name: DeliveryId) -> tuple[Attempt, ...]:
        """A delivery's history, oldest first."""
        ...

    def add_messages(self, messages: Sequence[tuple[Message, str | None]]) -> None:
        """Note which message shows a delivery now, and which one did before."""
        ...

    def stats(self) -> dict[tuple[str, DeliveryState], int]:
        """The number of deliveries by destination and state, without zeros."""
        ...

    def open_stats(self) -> dict[tuple[str, DeliveryState], int]:
        """The same of what is pending or leased."""
        ...

    def stream(self, name: str) -> StreamState | None:
        """The state of a stream."""
        ...

    def save_streams(self, states: Sequence[StreamState]) -> None:
        """Write states of streams, each in place of the one before."""
        ...

    def facts(self, destination: str) -> dict[str, bytes]:
        """What is remembered about a destination."""
        ...

    def save_facts(self, destination: str, facts: Mapping[str, bytes]) -> None:
        """Remember facts, and forget those with an empty value."""
        ...
