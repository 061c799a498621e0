"""Converts rows from and to SQLite values, and checks each delivery's row when it is read.

A disk, a person or a bug can leave anything in a row, and SQLite keeps values of any type in any column. So a row is
checked when it is read, column by column. Only a failed check sets a row aside. An error raised elsewhere comes from
the program or the disk.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeGuard

import msgspec

from signalpost.delivery.outbox.order import Row
from signalpost.delivery.outbox.schema import FIRST, LAST
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Announcement
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidValue, shown
from signalpost.telemetry.log_queue import log_failure

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STATES = {state.value: state for state in DeliveryState}
PRIORITIES = {priority.value: priority for priority in NotificationPriority}
_MOST_ATTEMPTS = 1_000_000
_UNREADABLE = "(damaged)"
_STATE = 6

Values = tuple[Any, ...]
"""A row of the table `delivery` as SQLite returns it, in the order of `sql.COLUMNS`."""


def instant(micros: int) -> datetime:
    """Convert a time from a row."""
    return EPOCH + timedelta(microseconds=micros)


def is_text(value: object) -> TypeGuard[str]:
    """True for text that was stored as UTF-8. Bytes that are not UTF-8 are read as lone surrogates."""
    if type(value) is not str:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_time(value: object) -> TypeGuard[int]:
    """True for a valid time, in microseconds since 1970."""
    return type(value) is int and FIRST <= value <= LAST


def _is_whole(value: object) -> TypeGuard[int]:
    return type(value) is int


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _MOST_ATTEMPTS


def _or_none(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


_CHECKS: tuple[tuple[str, Callable[[Any], bool], Any], ...] = (
    ("notification_id", is_text, ""),
    ("destination", is_text, ""),
    ("turn", _is_count, 0),
    ("number", _is_whole, 0),
    ("event", is_text, ""),
    ("sequence", is_text, ""),
    ("state", lambda value: type(value) is str and value in STATES, DeliveryState.DEAD.value),
    ("priority", lambda value: type(value) is int and value in PRIORITIES, NotificationPriority.NORMAL.value),
    ("rank", _is_whole, 0),
    ("valid_until", is_time, 0),
    ("not_before", _or_none(is_time), None),
    ("attempts", _is_count, 0),
    ("unanswered", _is_count, 0),
    ("may_repeat", lambda value: type(value) is int and 0 <= value <= 1, 1),
    ("reason", _or_none(is_text), None),
    ("message_id", _or_none(is_text), None),
)
"""For each column: its name, its check, and the value shown in place of a damaged one. An empty text stands for the
damaged value itself, as text."""


def damage(values: Values) -> str | None:
    """The first invalid column of a row with its value; None if all are valid."""
    for (column, check, _), value in zip(_CHECKS, values, strict=True):
        if not check(value):
            return f"{column} is {_shown(value)}"
    return None


def has_ended(values: Values) -> bool:
    """True if a row, damaged or not, is in a final state."""
    state = values[_STATE]
    return type(state) is str and state in STATES and STATES[state].is_terminal


def is_open(values: Values) -> bool:
    """True if a row, damaged or not, counts as pending or leased."""
    return values[_STATE] in {"pending", "leased"}


def row_of(values: Values) -> Row:
    """Convert a row that passed the check."""
    name, destination, turn, number, event, sequence, state, priority, rank, valid_until, not_before, *rest = values
    attempts, unanswered, may_repeat, reason, message_id = rest
    delivery = Delivery(
        DeliveryId(name, destination, turn),
        STATES[state],
        PRIORITIES[priority],
        rank,
        sequence,
        instant(valid_until),
        None if not_before is None else instant(not_before),
        attempts,
        unanswered,
        bool(may_repeat),
        reason,
        message_id,
    )
    return Row(number, event, delivery)


def as_shown(values: Values, problem: str) -> Row:
    """Convert a damaged row as far as it can be read.

    A delivery that had not ended is dead, and its reason names the damage.
    """
    sound = (
        value if check(value) else _shown(value) if instead == "" else instead
        for (_, check, instead), value in zip(_CHECKS, values, strict=True)
    )
    row = row_of(tuple(sound))
    state, reason = row.delivery.state, row.delivery.reason
    if has_ended(values) and reason is not None:
        return row
    reason = reason_of(problem, was_leased=state is DeliveryState.LEASED)
    return row.moved(state if has_ended(values) else DeliveryState.DEAD, reason)


def reason_of(problem: str, *, was_leased: bool) -> str:
    """The reason of a dead delivery whose row is damaged."""
    also = "; it was being sent, and may have been shown" if was_leased else ""
    return f"its row in the store is damaged: {problem}{also}"


def stand_in(row: Row) -> Notification:
    """A placeholder for a notification that cannot be read."""
    payload = Announcement(title=_UNREADABLE, text=_UNREADABLE, timestamp=EPOCH, announcement_id=_UNREADABLE)
    return Notification(
        id=row.delivery.id.notification_id,
        payload=payload,
        event=row.event,
        priority=row.delivery.priority,
        user_tier=UserTier.FREE,
        accepted_at=EPOCH,
        valid_until=row.delivery.valid_until,
    )


class Key(NamedTuple):
    """An idempotency key."""

    content_hash: bytes
    notification_id: str
    until: datetime


class Unreadable(NamedTuple):
    """Why a notification cannot be read."""

    why: str
    is_damaged: bool
    """True if the row is damaged. If not, the error is in the program, and the row may be fine."""


def notification_in(body: object) -> Notification | Unreadable:
    """Parse a row's notification. Never raises. If our own code fails, the row does not count as damaged."""
    if not is_text(body):
        return Unreadable(f"body is {_shown(body)}", is_damaged=True)
    try:
        return Notification.from_json(body)
    except InvalidValue as fault:
        if (ours := _of_the_program(fault)) is None:
            return Unreadable(f"body cannot be read ({_shown(str(fault))})", is_damaged=True)
    except Exception as fault:  # noqa: BLE001
        ours = fault
    log_failure("a notification in the store cannot be read, and stays in the store", ours)
    return Unreadable(
        f"its notification cannot be read, because of an error in signalpost ({type(ours).__name__})", is_damaged=False
    )


def _of_the_program(fault: InvalidValue) -> BaseException | None:
    """The cause of `fault` if it is an error in the program, not one of our checks or of the JSON parser; else None."""
    behind: BaseException | None = fault
    while isinstance(behind, InvalidValue | msgspec.DecodeError | RecursionError):
        behind = behind.__cause__
    return behind


def _shown(value: object) -> str:
    return shown(value).encode("ascii", "backslashreplace").decode()


def values_of(row: Row) -> Values:
    """The values of a new row."""
    each = row.delivery
    return (
        *each.id,
        row.number,
        row.event,
        each.sequence,
        each.state.value,
        each.priority.value,
        each.rank,
        micros(each.valid_until),
        None if each.not_before is None else micros(each.not_before),
        each.attempts,
        each.unanswered,
        each.may_repeat,
        each.reason,
        each.message_id,
        row.is_edit,
    )


def changes_of(each: Delivery) -> Values:
    """The values for `sql.MOVE`."""
    return (
        each.state.value,
        each.priority.value,
        each.rank,
        None if each.not_before is None else micros(each.not_before),
        each.attempts,
        each.unanswered,
        each.may_repeat,
        each.reason,
        each.message_id,
        *each.id,
    )


def key_in_force(content_hash: object, first: object, until: object) -> Key:
    """An idempotency key. A damaged one counts as still in force: its notification was accepted before."""
    return Key(
        content_hash if type(content_hash) is bytes else b"",
        first if is_text(first) else "",
        instant(until if is_time(until) else LAST),
    )


def bound_key(key: Values) -> tuple[list[bool], list[Any]]:
    """For each value of a damaged row's primary key: whether it is sound, and the value to pass to `sql.same_row`."""
    is_fine = [not isinstance(value, str) or is_text(value) for value in key]
    values = zip(key, is_fine, strict=True)
    return is_fine, [value if fine else value.encode(errors="surrogateescape") for value, fine in values]


def listed(values: Sequence[str]) -> str:
    """Convert values for `sql.LISTED`."""
    return msgspec.json.encode(values).decode()


def micros(at: datetime) -> int:
    """Convert a time for a row."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class RowGuard:
    """Checks each delivery's row as it is read, and keeps damaged rows apart."""

    def __init__(self) -> None:
        self.suspects: dict[Values, None] = {}
        """Primary keys of damaged rows that have not ended and are not set aside yet."""
        self._skipped: set[Values] = set()
        """Primary keys of rows whose notification cannot be read because of an error in signalpost: they wait."""

    def checked(self, found: Iterable[Values]) -> Iterator[Row]:
        """The rows that pass the check."""
        for values in found:
            if damage(values) is None:
                yield row_of(values)
            elif not has_ended(values):
                self.suspects[values[:3]] = None

    def shown(self, values: Values) -> Row:
        """Convert a row for display, damaged or not."""
        if (problem := damage(values)) is None:
            return row_of(values)
        if not has_ended(values):
            self.suspects[values[:3]] = None
        return as_shown(values, problem)

    def note(self, row: Row, fault: Unreadable) -> None:
        """Note that the notification of a checked row cannot be read."""
        if not fault.is_damaged:
            self._skipped.add(row.delivery.id)
        elif not row.delivery.state.is_terminal:
            self.suspects[row.delivery.id] = None

    @property
    def noted(self) -> int:
        """The number of rows known to be damaged or unreadable."""
        return len(self.suspects) + len(self._skipped)

    def held_out(self, destination: str) -> list[str]:
        """The ids of the notifications whose rows are kept out of this lane."""
        keys = (*self.suspects, *self._skipped)
        return [name for name, lane, _ in keys if lane == destination and is_text(name)]

    def may_leave(self, row: Row) -> bool:
        """True unless the row is known to be damaged or unreadable."""
        return row.delivery.id not in self.suspects and row.delivery.id not in self._skipped
