"""Publishes one notification: hands it over, waits for its deliveries, and tells what became of it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from signalpost.cli.exit_codes import STORE_UNUSABLE
from signalpost.cli.output import say, say_json
from signalpost.config import STORE_FILE, Config
from signalpost.delivery.facts import OWNER, read_owner
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.commands import Find, LoadFacts
from signalpost.delivery.outbox.lock import is_held, lock_of
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.delivery.routing import Routing
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.delivery.wake_socket import Waker
from signalpost.domain.delivery import Delivery
from signalpost.domain.notification import Payload
from signalpost.domain.ticket import Refusal, Ticket
from signalpost.errors import StoreFailed, StoreUnusable
from signalpost.service import AsyncNotificationService
from signalpost.telemetry.log import log

_DONE = ("delivered", "suppressed", "superseded")
"""States with which a person who published may be content."""


_OTHERS_END_WITHIN = 1.0
"""Seconds in which other deliveries that are being sent may end, so that they are not cut off and repeated."""

_STORE_ANSWERS_WITHIN = 10.0
"""Seconds for opening the store and writing into it, if the timeout for the delivery is shorter."""
_HANGS = (
    "The store does not answer, so nobody knows whether the notification is saved. See whether the disk hangs, and "
    "publish it again with the same --id: it is sent once."
)
_HANGS_SINCE = "The store has not answered since: see whether the disk hangs. The next run delivers it."


class Publication(NamedTuple):
    """What is published, and how."""

    payload: Payload
    priority: str | None
    tier: str | None
    context: Mapping[str, str]


def publish_and_tell(config: Config, publication: Publication, *, timeout: float | None, as_json: bool) -> None:
    """Publish it, wait at most `timeout` seconds for its deliveries (None: not at all), and print what came of it.

    Raises SystemExit where it was refused, or a delivery did not end well within that time.
    """
    import logging

    from signalpost.cli.logs import write_logs
    from signalpost.cli.loop import run

    write_logs(logging.ERROR)  # what a start warns of does not concern this one notification: its ticket says what does
    if config.dry_run:
        say("dry run: it goes to the sandbox", err=True)
    work = _handed_over(config, publication) if timeout is None else _published(config, publication, timeout)
    _end(*run(work), waited=timeout is not None, as_json=as_json)


def _end(ticket: Ticket, deliveries: list[Delivery], *, waited: bool, as_json: bool) -> None:
    try:
        _tell(ticket, deliveries, waited=waited, as_json=as_json)
    except OSError:  # of printing
        say(_line(ticket), err=True)  # it is written down all the same
        raise
    if code := _exit_code(ticket, deliveries, waited=waited):
        raise SystemExit(code)


def _tell(ticket: Ticket, deliveries: list[Delivery], *, waited: bool, as_json: bool) -> None:
    if as_json:
        say_json(_plain(ticket, deliveries))
        return
    say(_line(ticket))
    for warning in ticket.warnings:
        say(f"warning: {warning}", err=True)
    for delivery in deliveries:
        say(f"  {delivery.id.destination}: {delivery.state}{_because(delivery.reason)}")
    if waited and any(not delivery.state.is_terminal for delivery in deliveries):
        say(f"not delivered yet; `signalpost deliveries why {ticket.id}` tells why", err=True)


def _line(ticket: Ticket) -> str:
    return f"{ticket.outcome}{' ' if ticket.id else ''}{ticket.id}{_because(ticket.reason)}"


def _exit_code(ticket: Ticket, deliveries: list[Delivery], *, waited: bool) -> int:
    if ticket.cause is Refusal.STORE:
        return STORE_UNUSABLE
    is_well = not waited or all(delivery.state in _DONE for delivery in deliveries)
    return 0 if ticket and is_well else 1


async def _published(config: Config, publication: Publication, timeout: float) -> tuple[Ticket, list[Delivery]]:
    payload, priority, tier, context = publication
    service = AsyncNotificationService(config)
    ticket: Ticket | None = None
    to_end = 0.0
    try:
        async with asyncio.timeout(max(timeout, _STORE_ANSWERS_WITHIN)) as within:
            await service.start()
            ticket = await service.queue_notification(payload, priority, tier, context, hold=False)
            within.reschedule(asyncio.get_running_loop().time() + timeout + _STORE_ANSWERS_WITHIN)
            if ticket.id and not await service.drain(timeout, ticket.id):
                to_end = _OTHERS_END_WITHIN
            return ticket, await service.deliveries(ticket.id)
    except (TimeoutError, StoreFailed):
        raise _hangs(ticket) from None
    finally:
        await service.stop(to_end)


async def _handed_over(config: Config, publication: Publication) -> tuple[Ticket, list[Delivery]]:
    """Write it down for whoever delivers from the data folder, now or later; this process delivers nothing."""
    path = _made(config.home) / STORE_FILE
    core = await asyncio.to_thread(SqliteCore, path, owns=False)
    outbox = ThreadedOutbox(core)
    waker = Waker(core.bell_path)
    ticket: Ticket | None = None
    try:
        async with asyncio.timeout(_STORE_ANSWERS_WITHIN):
            intake = Intake(
                outbox,
                await _routing(config, path, outbox),
                TicketIds(Random().getrandbits),  # noqa: S311  # ids are no secrets
                emit=log,
                on_put=lambda *_: waker.wake(),
            )
            payload, priority, tier, context = publication
            ticket = await intake.accept(payload, priority=priority, user_tier=tier, context=context, hold=False)
            entries = await outbox.do(Find(notification_id=ticket.id)) if ticket.id else ()
            return ticket, [entry.delivery for entry in entries]
    except TimeoutError:
        outbox.abandon()
        raise _hangs(ticket) from None
    finally:
        await outbox.close()
        waker.close()


async def _routing(config: Config, path: Path, outbox: ThreadedOutbox) -> Routing:
    """By what a running service routes, or else this configuration."""
    facts = await outbox.do(LoadFacts(OWNER))
    told = read_owner(facts)
    if told is not None and is_held(lock_of(path)):
        return told.routing
    return config.routing()


def _made(home: Path) -> Path:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        advice = "let this process make it, or name another with --home"
        raise StoreUnusable(
            f"{home}: the data folder cannot be made ({fault.strerror}): {advice}",
            code="not-writable",
            field="home",
            value=str(home),
        ) from fault
    return home


def _hangs(ticket: Ticket | None) -> StoreFailed:
    """The error about a store that does not answer; `ticket` is what it took before."""
    if ticket is None:
        return StoreFailed(_HANGS, code="timeout")
    return StoreFailed(f"{_line(ticket)}. {_HANGS_SINCE}", code="timeout", field="ticket", value=ticket.id)


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _plain(ticket: Ticket, deliveries: list[Delivery]) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "outcome": ticket.outcome,
        "reason": ticket.reason,
        "code": ticket.code,
        "warnings": list(ticket.warnings),
        "deliveries": [
            {
                "destination": delivery.id.destination,
                "state": delivery.state,
                "attempts": delivery.attempts,
                "reason": delivery.reason,
                "message_id": delivery.message_id,
            }
            for delivery in deliveries
        ],
    }
