"""Publishes one notification: queues it, waits for its deliveries, and prints the result."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from signalpost.cli.exit_codes import STORE_UNUSABLE
from signalpost.cli.output import say, say_json
from signalpost.config import Config
from signalpost.domain.delivery import Delivery
from signalpost.domain.notification import Payload
from signalpost.domain.ticket import Refusal, Ticket
from signalpost.errors import StoreFailed
from signalpost.service.runtime import Runtime

_DONE = ("delivered", "suppressed", "superseded")
"""Final states that count as success."""

_OTHERS_END_WITHIN = 1.0
"""Seconds for other deliveries that are being sent, so that they are not cut off and repeated."""

_STORE_ANSWERS_WITHIN = 10.0
"""Seconds to open the store and save the notification, if the timeout for the delivery is shorter."""
_HANGS = (
    "The store does not answer, so the notification may or may not be saved. Check the disk, then publish it again "
    "with the same --id: it is sent only once."
)
_HANGS_SINCE = "The store has not answered since. Check the disk. The next run delivers it."


class Publication(NamedTuple):
    """A notification with its options."""

    payload: Payload
    priority: str | None
    tier: str | None
    context: Mapping[str, str]


def publish_and_print(config: Config, publication: Publication, *, timeout: float | None, as_json: bool) -> None:
    """Publish it, wait up to `timeout` seconds for its deliveries (None: do not wait), and print the result.

    Raises SystemExit if it was refused, or if a delivery did not succeed within that time.
    """
    import logging

    from signalpost.cli.logs import write_logs
    from signalpost.cli.loop import run

    write_logs(logging.ERROR)  # a start's warnings are about other notifications: the ticket has those about this one
    if config.dry_run:
        say("Dry run: sending to the sandbox.", err=True)
    _end(*run(_published(config, publication, timeout)), waited=timeout is not None, as_json=as_json)


def _end(ticket: Ticket, deliveries: list[Delivery], *, waited: bool, as_json: bool) -> None:
    try:
        _print(ticket, deliveries, waited=waited, as_json=as_json)
    except OSError:  # of printing
        say(_line(ticket), err=True)  # it is saved nevertheless
        raise
    if code := _exit_code(ticket, deliveries, waited=waited):
        raise SystemExit(code)


def _print(ticket: Ticket, deliveries: list[Delivery], *, waited: bool, as_json: bool) -> None:
    if as_json:
        say_json(_plain(ticket, deliveries))
        return
    say(_line(ticket))
    for warning in ticket.warnings:
        say(f"warning: {warning}", err=True)
    for delivery in deliveries:
        say(f"  {delivery.id.destination}: {delivery.state}{_because(delivery.reason)}")
    if waited and any(not delivery.state.is_terminal for delivery in deliveries):
        say(f"not delivered yet; `signalpost deliveries why {ticket.id}` shows why", err=True)


def _line(ticket: Ticket) -> str:
    return f"{ticket.outcome}{' ' if ticket.id else ''}{ticket.id}{_because(ticket.reason)}"


def _exit_code(ticket: Ticket, deliveries: list[Delivery], *, waited: bool) -> int:
    if ticket.cause is Refusal.STORE:
        return STORE_UNUSABLE
    has_succeeded = not waited or all(delivery.state in _DONE for delivery in deliveries)
    return 0 if ticket and has_succeeded else 1


async def _published(config: Config, publication: Publication, timeout: float | None) -> tuple[Ticket, list[Delivery]]:
    """Queue it, and wait for its deliveries; with None, leave them to the process that delivers, now or later."""
    payload, priority, tier, context = publication
    runtime = Runtime(config, is_producer=timeout is None)
    ticket: Ticket | None = None
    to_end = 0.0
    try:
        async with asyncio.timeout(max(timeout or 0.0, _STORE_ANSWERS_WITHIN)) as within:
            await runtime.start()
            intake = runtime.started.engine.intake
            ticket = await intake.accept(payload, priority=priority, user_tier=tier, context=context, hold=False)
            if timeout is not None:
                within.reschedule(asyncio.get_running_loop().time() + timeout + _STORE_ANSWERS_WITHIN)
                if ticket.id and not await runtime.drain(timeout, ticket.id):
                    to_end = _OTHERS_END_WITHIN
            return ticket, await runtime.deliveries(ticket.id)
    except (TimeoutError, StoreFailed):
        raise _hangs(ticket) from None
    finally:
        await runtime.stop(to_end)


def _hangs(ticket: Ticket | None) -> StoreFailed:
    """The error for a store that does not answer; `ticket` is None if nothing was accepted before."""
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
