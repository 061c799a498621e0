"""What is answered: a ticket, its deliveries, the health, a problem."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web

from signalpost.domain.delivery import Delivery
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.web.problem import CONTENT_TYPE, Problem

TICKETS = "/api/v1/tickets/"
_SAME_FOR_ALL = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "signalpost"}
_TRY_AGAIN_AFTER = 5


def plain(status: HTTPStatus, told: object, headers: Mapping[str, str] | None = None) -> web.Response:
    """`told` as JSON."""
    body = json.dumps(told).encode() + b"\n"
    return web.Response(
        status=status, body=body, content_type="application/json", headers={**_SAME_FOR_ALL, **(headers or {})}
    )


def of_problem(problem: Problem) -> web.Response:
    """A problem as the RFC has it. The connection is closed where the request was not read to its end."""
    answer = web.Response(
        status=problem.status,
        body=problem.body() + b"\n",
        content_type=CONTENT_TYPE,
        headers={**_SAME_FOR_ALL, **problem.headers},
    )
    if "Connection" in problem.headers:
        answer.force_close()
    return answer


def of_ticket(ticket: Ticket) -> web.Response:
    """202 with what became of it, 200 for a duplicate. Raises Problem for what was refused: 409 or 503."""
    if ticket.outcome is Outcome.REFUSED:
        raise _refused(ticket)
    status = HTTPStatus.OK if ticket.outcome is Outcome.DUPLICATE else HTTPStatus.ACCEPTED
    told: dict[str, object] = {"outcome": ticket.outcome, "id": ticket.id, "reason": ticket.reason}
    if ticket.warnings:
        told["warnings"] = list(ticket.warnings)
    return plain(status, told, {"Location": f"{TICKETS}{ticket.id}"})


def of_ignored(reason: str) -> web.Response:
    """202 for what is right, and not told: nothing is kept of it."""
    return plain(HTTPStatus.ACCEPTED, {"outcome": Outcome.SUPPRESSED, "id": "", "reason": reason})


def of_deliveries(ticket_id: str, deliveries: Sequence[Delivery]) -> web.Response:
    """A ticket's deliveries as they stand. Raises Problem 404 where there are none."""
    if not deliveries:
        raise Problem(HTTPStatus.NOT_FOUND, "there is no ticket of this id here, or what is told of it was pruned")
    told = [
        {
            "destination": each.id.destination,
            "state": each.state,
            "attempts": each.attempts,
            "may_repeat": each.may_repeat,
            "reason": each.reason,
            "message_id": each.message_id,
        }
        for each in deliveries
    ]
    return plain(HTTPStatus.OK, {"id": ticket_id, "deliveries": told})


def of_health(status: str, reasons: Sequence[str]) -> web.Response:
    """200 while nothing is lost, 503 where it may be."""
    code = HTTPStatus.SERVICE_UNAVAILABLE if status == "unhealthy" else HTTPStatus.OK
    causes = [{"code": getattr(each, "code", ""), "text": str(each)} for each in reasons]
    return plain(code, {"status": status, "reasons": list(reasons), "causes": causes})


def _refused(ticket: Ticket) -> Problem:
    reason, cause = ticket.reason or "refused", None if ticket.cause is None else str(ticket.cause)
    if ticket.cause in {Refusal.CONFLICT, Refusal.NO_DESTINATION, Refusal.UNSTORABLE}:  # a repeat would not help
        return Problem(HTTPStatus.CONFLICT, reason, cause=cause)
    detail = f"{reason}. Nothing was taken; try again"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, cause=cause, retry_after=_TRY_AGAIN_AFTER)
