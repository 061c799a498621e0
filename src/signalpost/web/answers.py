"""Builds responses: a ticket, its deliveries, the health, a problem."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web

from signalpost.delivery.outbox.book import BookEntry
from signalpost.delivery.trade_object import described
from signalpost.domain.delivery import Delivery
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.web.problem import CONTENT_TYPE, Problem, unavailable

TICKETS = "/api/v1/tickets/"
SIGNALS = "/api/v1/signals"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "signalpost"}
_UNHEALTHY = "unhealthy"
_FINAL = frozenset(
    (
        Refusal.CONFLICT,
        Refusal.NO_DESTINATION,
        Refusal.UNSTORABLE,
        Refusal.NOT_POSSIBLE,
        Refusal.STALE_VERSION,
    )
)
"""The causes of refusals for which a retry would not help."""


def plain(status: HTTPStatus, body: object, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response with `body` as JSON."""
    return web.Response(
        status=status,
        body=json.dumps(body).encode() + b"\n",
        content_type="application/json",
        headers={**_HEADERS, **(headers or {})},
    )


def of_problem(problem: Problem) -> web.Response:
    """A problem in the format of RFC 9457. Closes the connection if the request was not read completely."""
    answer = web.Response(
        status=problem.status,
        body=problem.body() + b"\n",
        content_type=CONTENT_TYPE,
        headers={**_HEADERS, **problem.headers},
    )
    if "Connection" in problem.headers:
        answer.force_close()
    return answer


def of_ticket(ticket: Ticket) -> web.Response:
    """202 with the ticket, or 200 for a duplicate. Raises Problem 404, 409 or 503 if it was refused."""
    if ticket.outcome is Outcome.REFUSED:
        raise _refused(ticket)
    status = HTTPStatus.OK if ticket.outcome is Outcome.DUPLICATE else HTTPStatus.ACCEPTED
    body: dict[str, object] = {"outcome": ticket.outcome, "id": ticket.id, "reason": ticket.reason}
    if ticket.warnings:
        body["warnings"] = list(ticket.warnings)
    if ticket.signal_id is not None:
        body |= {"signal_id": ticket.signal_id, "version": ticket.version}
    return plain(status, body, {"Location": f"{TICKETS}{ticket.id}"} if ticket.id else {})


def of_ignored(reason: str) -> web.Response:
    """202 for a valid request that is deliberately not sent; nothing of it is stored."""
    return plain(HTTPStatus.ACCEPTED, {"outcome": Outcome.SUPPRESSED, "id": "", "reason": reason})


def of_deliveries(ticket_id: str, deliveries: Sequence[Delivery]) -> web.Response:
    """The current deliveries of a ticket. Raises Problem 404 if there are none."""
    if not deliveries:
        raise Problem(
            HTTPStatus.NOT_FOUND, "No ticket with this id was found. It may have been deleted because of its age."
        )
    body = [
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
    return plain(HTTPStatus.OK, {"id": ticket_id, "deliveries": body})


def of_signals(entries: Sequence[BookEntry]) -> web.Response:
    """Signals of the book."""
    return plain(HTTPStatus.OK, {"signals": [described(entry) for entry in entries]})


def of_signal(found: Sequence[BookEntry]) -> web.Response:
    """One signal of the book. Raises Problem 404 unless exactly one was found."""
    if len(found) != 1:
        raise _unknown_signal()
    return plain(HTTPStatus.OK, described(found[0]))


def of_health(status: str, reasons: Sequence[str]) -> web.Response:
    """The health; 503 if it is unhealthy, else 200."""
    code = HTTPStatus.SERVICE_UNAVAILABLE if status == _UNHEALTHY else HTTPStatus.OK
    return plain(code, {"status": status, "reasons": list(reasons), "causes": _causes(reasons)})


def of_readiness(status: str, reasons: Sequence[str]) -> web.Response:
    """200 if notifications are accepted and saved; 503 with the reasons if not."""
    if status != _UNHEALTHY:
        return plain(HTTPStatus.OK, {"ready": True, "reasons": [], "causes": []})
    return plain(HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False, "reasons": list(reasons), "causes": _causes(reasons)})


def of_metrics(text: bytes, content_type: str) -> web.Response:
    """The text of a scrape."""
    return web.Response(body=text, headers={**_HEADERS, "Content-Type": content_type})


def _causes(reasons: Sequence[str]) -> list[dict[str, str]]:
    return [{"code": getattr(each, "code", ""), "text": str(each)} for each in reasons]


def _refused(ticket: Ticket) -> Problem:
    reason, cause = ticket.reason or "refused", None if ticket.cause is None else str(ticket.cause)
    if ticket.cause is Refusal.UNKNOWN_SIGNAL:
        return _unknown_signal()
    if ticket.cause in _FINAL:
        return Problem(HTTPStatus.CONFLICT, reason, cause=cause)
    return unavailable(f"{reason}. Nothing was accepted; try again", cause)


def _unknown_signal() -> Problem:
    """The problem for an unknown signal. It does not repeat the name, which is from the path."""
    detail = f"No signal has this id, short id or `#number`. GET {SIGNALS} lists signals."
    return Problem(HTTPStatus.NOT_FOUND, detail, cause=Refusal.UNKNOWN_SIGNAL.value)
