"""The outbox contract finds outboxes that break it. Each of these has one fault."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from signalpost.delivery.outbox import commands as c
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome
from signalpost.errors import StoreClosed
from signalpost.testing.outbox_contract import check_outbox
from tests.tmpfs import new_core


@dataclass
class Broken:
    """An outbox in memory that changes one kind of command or answer."""

    changes_command: Callable[[Any], Any] = lambda command: command
    changes_answer: Callable[[Any, Any], Any] = lambda command, answer: answer
    closes: bool = True

    def __post_init__(self) -> None:
        self.core, self.is_closed = new_core(), False

    async def do(self, command: Any) -> Any:
        if self.is_closed and self.closes:
            raise StoreClosed
        return self.changes_answer(command, self.core.apply([self.changes_command(command)])[0])

    async def close(self) -> None:
        self.is_closed = True


def _puts(change: Callable[[c.NewNotification], c.NewNotification]) -> dict[str, Any]:
    def changes_command(command: Any) -> Any:
        return (
            c.Put(tuple(map(change, command.notifications)), command.state) if isinstance(command, c.Put) else command
        )

    return {"changes_command": changes_command}


def _verdicts(**changes: Any) -> dict[str, Any]:
    def changes_command(command: Any) -> Any:
        if not isinstance(command, c.Settle):
            return command
        return c.Settle(tuple(each._replace(**changes) for each in command.settlements))

    return {"changes_command": changes_command}


def _asks(kind: type, **changes: Callable[[Any], Any]) -> dict[str, Any]:
    def changes_command(command: Any) -> Any:
        if not isinstance(command, kind):
            return command
        changed = {name: change(getattr(command, name)) for name, change in changes.items()}
        return msgspec.structs.replace(command, **changed)

    return {"changes_command": changes_command}


def _answers(kind: type, change: Callable[[Any], Any]) -> dict[str, Any]:
    return {"changes_answer": lambda command, answer: change(answer) if isinstance(command, kind) else answer}


def _lowered(item: c.NewNotification) -> c.NewNotification:
    return item._replace(notification=item.notification.but(priority=NotificationPriority.LOW))


def _once_each(item: c.NewNotification) -> c.NewNotification:
    return item._replace(deliveries=tuple({owed.destination: owed for owed in item.deliveries}.values()))


def _as_duplicates(results: list[c.PutResult]) -> list[c.PutResult]:
    return [c.PutResult(Outcome.DUPLICATE, "01") if each.added else each for each in results]


EVER = datetime.max.replace(tzinfo=UTC)

BROKEN: dict[str, dict[str, Any]] = {
    "answers after it was closed": {"closes": False},
    "takes a destination named twice": _puts(_once_each),
    "has keys that never end": _puts(lambda item: item._replace(key_until=EVER)),
    "forgets keys before their time": _asks(c.ForgetKeys, now=lambda now: now + timedelta(days=2)),
    "adds nothing for another destination": _answers(c.Put, _as_duplicates),
    "forgets priorities": _puts(_lowered),
    "forgets the state of a stream": _asks(c.Put, state=lambda _: None),
    "lends backwards": _answers(c.Lease, lambda lease: lease._replace(entries=lease.entries[::-1])),
    "lends one more": _asks(c.Lease, limit=lambda limit: limit + 1),
    "lends everything express": _asks(c.Lease, express=lambda _: False),
    "has a clock that is late": _asks(c.Lease, now=lambda now: now - timedelta(minutes=1)),
    "does not say when to ask again": _answers(c.Lease, lambda lease: lease._replace(next_at=None)),
    "keeps no attempts": _verdicts(attempt=None),
    "passes nothing on": _asks(c.PassOn, by_kind=lambda _: {}),
    "does not wait": _verdicts(not_before=None),
    "forgets that something may repeat": _verdicts(may_repeat=False),
    "forgets messages": _verdicts(message=None),
    "takes every verdict for death": _verdicts(state=DeliveryState.DEAD),
    "prunes nothing": _asks(c.Prune, before=lambda before: before - timedelta(days=99)),
    "finds no more than one": _answers(c.Find, lambda found: found[:1]),
    "finds no more than one that is open": _answers(c.Open, lambda found: found[:1]),
    "forgets facts": _asks(c.SaveFacts, facts=lambda _: {}),
    "revives nothing": _answers(c.Revive, lambda _: None),
    "cancels nothing": _answers(c.Cancel, lambda _: None),
    "expires everything at once": _asks(c.Expire, limit=lambda _: 999),
}


async def test_a_correct_outbox_passes() -> None:
    await check_outbox(Broken)


@pytest.mark.parametrize("fault", BROKEN)
async def test_the_contract_finds_an_outbox_that(fault: str) -> None:
    with pytest.raises(AssertionError):
        await check_outbox(lambda: Broken(**BROKEN[fault]))
