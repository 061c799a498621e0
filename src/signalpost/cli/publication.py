"""Submits notifications and changes: queues them, waits for their deliveries, and prints the result."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from signalpost.cli.exit_codes import STORE_UNUSABLE
from signalpost.cli.logs import write_logs
from signalpost.cli.loop import run
from signalpost.cli.output import say, say_json
from signalpost.cli.time_format import utc_second
from signalpost.config import Config
from signalpost.delivery.dispatch.dispatcher import LAST_SENDS
from signalpost.delivery.outbox.commands import Find
from signalpost.delivery.tickets import of_several
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.instant import iso
from signalpost.domain.notification import Payload, payload_id
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.errors import StoreFailed
from signalpost.service.health import Role
from signalpost.service.runtime import Runtime

_DONE = ("delivered", "suppressed", "superseded")
"""Final states that count as success."""

_OPEN = frozenset({DeliveryState.PENDING, DeliveryState.LEASED})

_OTHERS_END_WITHIN = 4.0
"""Seconds for running sends, so that they are not cut off and repeated, even if nothing was accepted."""

_STORE_ANSWERS_WITHIN = 10.0
"""Seconds to open the store and save the notification, if the timeout for the delivery is shorter."""
_HANGS = (
    "The store does not answer, so this may or may not be saved. Check the disk, then run the command again "
    "(`publish` with the same --id): a repeat is sent only once."
)
_HANGS_SINCE = "The store has not answered since. Check the disk. The next run delivers it."


class Answer(NamedTuple):
    """The result of one submission."""

    ticket: Ticket
    deliveries: Sequence[Delivery]


class Publication(NamedTuple):
    """A notification with its options."""

    payload: Payload
    priority: str | None
    tiers: tuple[UserTier, ...]
    """Empty for the default."""
    context: Mapping[str, str]

    async def submit(self, runtime: Runtime) -> list[Ticket]:
        """Accept it for each tier."""
        payload, priority, tiers, context = self
        intake = runtime.started.engine.intake
        return [
            await intake.accept(payload, priority=priority, user_tier=tier, context=context, hold=False)
            for tier in tiers or (None,)
        ]


def publish_and_print(config: Config, publication: Publication, *, timeout: float | None, as_json: bool) -> None:
    """Publish it, wait up to `timeout` seconds for its deliveries (None: do not wait), and print one result.

    Raises SystemExit if a tier was refused, or if a delivery did not succeed within that time.
    """
    answers = submit(config, publication.submit, timeout)
    waited = timeout is not None
    answer = _as_one(answers)
    if isinstance(publication.payload, Signal):
        answer = answer._replace(ticket=answer.ticket._replace(signal_id=publication.payload.signal_id))
    print_answers([answer], waited=waited, as_json=as_json)
    if code := max(exit_code(*each, waited=waited) for each in answers):
        raise SystemExit(code)


Submission = Callable[[Runtime], Awaitable[Sequence[Ticket]]]


def submit(config: Config, submission: Submission, timeout: float | None) -> list[Answer]:
    """Submit in a run of its own, and wait up to `timeout` seconds for the deliveries (None: do not wait)."""
    write_logs(logging.ERROR)  # a start's warnings are about other notifications: the ticket has those about this one
    if config.dry_run:
        say("Dry run: sending to the sandbox.", err=True)
    return run(_submitted(config, submission, timeout))


def print_answers(answers: Sequence[Answer], *, waited: bool, as_json: bool) -> None:
    """Print each answer; in one line of JSON each, or for people."""
    try:
        for ticket, deliveries in answers:
            _print(ticket, deliveries, waited=waited, as_json=as_json)
    except OSError:  # while printing
        say(*(_line(each.ticket) for each in answers), err=True)  # they are saved all the same
        raise


def _as_one(answers: Sequence[Answer]) -> Answer:
    """The answers for several tiers as one: the outcome that matters most, and all deliveries."""
    deliveries = {delivery.id: delivery for each in answers for delivery in each.deliveries}
    return Answer(of_several([each.ticket for each in answers]), list(deliveries.values()))


def _print(ticket: Ticket, deliveries: Sequence[Delivery], *, waited: bool, as_json: bool) -> None:
    if as_json:
        say_json(_plain(ticket, deliveries))
        return
    say(_line(ticket))
    for warning in ticket.warnings:
        say(f"warning: {warning}", err=True)
    for delivery in deliveries:
        put_off = f" until {utc_second(delivery.not_before)}" if _is_put_off(delivery) and delivery.not_before else ""
        say(f"  {delivery.id.destination}: {delivery.state}{put_off}{_because(delivery.reason)}")
    if waited and any(not each.state.is_terminal and not _is_put_off(each) for each in deliveries):
        say(f"not delivered yet; `signalpost deliveries why {ticket.id}` shows why", err=True)


def _is_put_off(delivery: Delivery) -> bool:
    """Whether it waits for the release of a tier that gets its signals later."""
    return delivery.state is DeliveryState.PENDING and delivery.not_before is not None and delivery.reason is None


def _line(ticket: Ticket) -> str:
    changed = f" ({ticket.signal_id}, version {ticket.version})" if (ticket.version or 1) > 1 else ""
    return f"{ticket.outcome}{' ' if ticket.id else ''}{ticket.id}{changed}{_because(ticket.reason)}"


def exit_code(ticket: Ticket, deliveries: Sequence[Delivery] = (), *, waited: bool = False) -> int:
    """0 if it was accepted and, with `waited`, all deliveries succeeded; 3 if the store failed; otherwise 1."""
    if ticket.cause is Refusal.STORE:
        return STORE_UNUSABLE
    failed = [
        each for each in deliveries if each.state not in _DONE and not each.is_passed_on and not _is_put_off(each)
    ]
    return 0 if ticket and not (waited and failed) else 1


async def _submitted(config: Config, submission: Submission, timeout: float | None) -> list[Answer]:
    """Queue it, and wait for its deliveries; with None, leave them to the process that delivers, now or later."""
    runtime = Runtime(config, is_producer=timeout is None)
    tickets: Sequence[Ticket] = ()
    to_end = 0.0
    try:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(max(timeout or 0.0, _STORE_ANSWERS_WITHIN)) as within:
            await runtime.start()
            tickets = await submission(runtime)
            names = [ticket.id for ticket in tickets if ticket.id]
            if timeout is not None:
                names += await _companions(runtime, tickets)
                until = loop.time() + timeout
                within.reschedule(until + _STORE_ANSWERS_WITHIN)
                still_open = [await runtime.drain(max(0.0, until - loop.time()), name) for name in dict.fromkeys(names)]
                to_end = LAST_SENDS if any(still_open) else _OTHERS_END_WITHIN
            return [Answer(ticket, await runtime.deliveries(ticket.id)) for ticket in tickets]
    except (TimeoutError, StoreFailed):
        raise _hangs(tickets) from None
    finally:
        await runtime.stop(to_end)


async def _companions(runtime: Runtime, tickets: Sequence[Ticket]) -> list[str]:
    """The short messages of changes that only this process can deliver. A service sends them when they are due."""
    changes = {(ticket.signal_id, ticket.version) for ticket in tickets if ticket.version is not None}
    if runtime.role is not Role.OWNER or not changes:
        return []
    found = [notification for _, notification, *_ in await runtime.started.outbox.do(Find(states=_OPEN))]
    companions = [(each, each.trade) for each in found if each.before is not None]
    return [
        each.id
        for each, trade in companions
        if trade is not None and (payload_id(each.payload), trade.version) in changes
    ]


def _hangs(tickets: Sequence[Ticket]) -> StoreFailed:
    """The error for a store that does not answer; without `tickets`, nothing was accepted before."""
    if not tickets:
        return StoreFailed(_HANGS, code="timeout")
    lines = ", ".join(map(_line, tickets))
    return StoreFailed(f"{lines}. {_HANGS_SINCE}", code="timeout", field="ticket", value=tickets[0].id)


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _plain(ticket: Ticket, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "outcome": ticket.outcome,
        "reason": ticket.reason,
        "code": ticket.code,
        **({} if ticket.signal_id is None else {"signal_id": ticket.signal_id, "version": ticket.version}),
        "warnings": list(ticket.warnings),
        "deliveries": [
            {
                "destination": delivery.id.destination,
                "state": delivery.state,
                "attempts": delivery.attempts,
                "not_before": None if delivery.not_before is None else iso(delivery.not_before),
                "reason": delivery.reason,
                "message_id": delivery.message_id,
            }
            for delivery in deliveries
        ],
    }
