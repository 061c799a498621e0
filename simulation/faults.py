"""All request faults, the evidence each gives the sender, and the schedule of faults.

The proofs are written by hand from the observed behaviour of Discord and Cloudflare. They do not use
`signalpost.sinks`, which is under test.
"""

from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Any, NamedTuple

import msgspec
from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientOSError,
    ConnectionTimeoutError,
    ServerDisconnectedError,
)
from aiohttp.client_reqrep import ConnectionKey

from signalpost.sandbox.rules.exchange import JSON, HttpAnswer

NEVER = float("inf")
_KEY = ConnectionKey("discord.com", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)


class Proof(Enum):
    """What the sender knows about a message from the end of its request. The values are part of each run's digest."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown, and may be tried again"
    REFUSED = "not shown, and never will be"
    WAIT = "not shown, and one has to wait"
    UNKNOWN = "answered, and nobody knows"
    SILENCE = "no answer, or none that can be read"
    GONE = "not shown, and the webhook is gone for good"
    MISSING = "not shown, and the message to be edited is gone"
    CUT = "given up by the one who asked"
    LOST = "the one who asked is no more"


class Fault(NamedTuple):
    """The effect on a request."""

    proves: Proof
    is_processed: bool = False
    """Discord processes the request, whichever answer it sends."""
    answer: HttpAnswer | None = None
    """Replaces Discord's answer; None for Discord's own answer."""
    error: Callable[[], Exception] | None = None
    """Creates the exception that aiohttp raises instead of an answer."""
    late: float = 0.0
    """Delay of the answer or the error in seconds."""
    processed_late: float = 0.0
    """Delay in seconds before Discord processes it, after the sender has given up."""
    body: str = "whole"
    """`whole`, `cut` in the middle, `slow` (it never ends), or `none`, which is not declared."""
    is_connected: bool = True
    is_of_the_host: bool = False
    """All destinations of the host have to wait."""
    wait: float = 0.0
    """Seconds to wait, demanded by the answer or assumed."""


def _json(status: int, body: dict[str, Any], **headers: str) -> HttpAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status, {**JSON, **named}, msgspec.json.encode(body))


def _page(status: int, **headers: str) -> HttpAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    page = f"<html><head><title>{status}</title></head><body>cloudflare</body></html>".encode()
    return HttpAnswer(status, {"Content-Type": "text/html; charset=UTF-8", **named}, page)


def _refused() -> Exception:
    return ClientConnectorError(_KEY, ConnectionRefusedError(111, "Connection refused"))


def _no_name() -> Exception:
    return ClientConnectorDNSError(_KEY, OSError(-3, "Temporary failure in name resolution"))


def _tls() -> Exception:
    return ClientConnectorSSLError(_KEY, OSError(1, "sslv3 alert handshake failure"))


def _no_connection() -> Exception:
    return ConnectionTimeoutError("Connection timeout to host https://discord.com")


def _reset() -> Exception:
    return ClientOSError(104, "Connection reset by peer")


_NOT_CONNECTED = Fault(Proof.NOT_SHOWN, is_connected=False)
_HANG = Fault(Proof.SILENCE, late=NEVER)
_SHOWN = Fault(Proof.SHOWN, is_processed=True)
_UNREADABLE = Fault(Proof.SILENCE, is_processed=True)
_REFUSED = Fault(Proof.REFUSED)
_WAIT = Fault(Proof.WAIT)
_BLOCKED = Fault(Proof.WAIT, is_of_the_host=True, wait=600.0)


def _edge(status: int, *, is_processed: bool = False) -> Fault:
    return Fault(Proof.UNKNOWN, is_processed=is_processed, answer=_page(status))


FAULTS: dict[str, Fault] = {
    "connection refused": _NOT_CONNECTED._replace(error=_refused),
    "no such name": _NOT_CONNECTED._replace(error=_no_name, late=0.5),
    "TLS fails": _NOT_CONNECTED._replace(error=_tls),
    "no connection in 5 s": _NOT_CONNECTED._replace(error=_no_connection, late=5.0),
    "reset before it was recorded": Fault(Proof.SILENCE, error=_reset),
    "server disconnects": Fault(Proof.SILENCE, error=ServerDisconnectedError),
    "recorded, then cut": Fault(Proof.SILENCE, is_processed=True, error=ServerDisconnectedError),
    "hangs": _HANG,
    "hangs, recorded": _HANG._replace(is_processed=True),
    "hangs, recorded late": _HANG._replace(is_processed=True, processed_late=20.0),
    "slow answer": _SHOWN._replace(late=6.0),
    "slow body": _UNREADABLE._replace(body="slow"),
    "JSON cut off": _UNREADABLE._replace(body="cut"),
    "200 without a body": _UNREADABLE._replace(body="none", answer=HttpAnswer(200)),
    "200 and a page": _UNREADABLE._replace(answer=_page(200)),
    "204": _SHOWN._replace(answer=HttpAnswer(204, {"Via": JSON["Via"]})),
    "200 of another type": _SHOWN._replace(answer=HttpAnswer(200, {"Content-Type": "text/plain"}, b"ok")),
    "redirect": _NOT_CONNECTED._replace(is_connected=True, answer=HttpAnswer(302, {"Location": "https://discord.com"})),
    "overloaded, 130000": Fault(Proof.NOT_SHOWN, answer=_json(503, {"message": "API overloaded", "code": 130000})),
    "408": _edge(408),
    "500": Fault(Proof.UNKNOWN, answer=_json(500, {"message": "500: Internal Server Error", "code": 0})),
    "500, recorded": Fault(Proof.UNKNOWN, is_processed=True, answer=_json(500, {"message": "", "code": 0})),
    "502": _edge(502),
    "502, recorded": _edge(502, is_processed=True),
    "503": _edge(503),
    "504, recorded": _edge(504, is_processed=True),
    "520": _edge(520),
    "524, recorded": _edge(524, is_processed=True),
    "400 form": _REFUSED._replace(answer=_json(400, {"message": "Invalid Form Body", "code": 50035})),
    "400 AutoMod": _REFUSED._replace(answer=_json(400, {"message": "blocked", "code": 200000})),
    "403 no access": _REFUSED._replace(answer=_json(403, {"message": "Missing Permissions", "code": 50013})),
    "404 no thread": _REFUSED._replace(answer=_json(404, {"message": "Unknown Channel", "code": 10003})),
    "405": _REFUSED._replace(answer=_json(405, {"message": "405: Method Not Allowed", "code": 0})),
    "413": _REFUSED._replace(answer=_page(413)),
    "400 edit limit, 30046": _WAIT._replace(wait=120.0, answer=_json(400, {"message": "limit", "code": 30046})),
    "429 of edits, 30046": _WAIT._replace(
        wait=20.0,
        answer=_json(429, {"message": "Maximum number of edits reached", "retry_after": 19.5, "code": 30046},
                     Retry_After="20", X_RateLimit_Scope="shared"),
    ),
    "429 of the webhook": _WAIT._replace(
        wait=3.0,
        answer=_json(
            429,
            {"message": "You are being rate limited.", "retry_after": 2.4, "global": False},
            X_RateLimit_Limit="5", X_RateLimit_Remaining="0", X_RateLimit_Reset_After="2.4",
            X_RateLimit_Scope="user", Retry_After="3",
        ),
    ),
    "429 shared": _WAIT._replace(
        wait=42.0,
        answer=_json(
            429,
            {"message": "The resource is being rate limited.", "retry_after": 41.5, "global": False},
            X_RateLimit_Limit="5", X_RateLimit_Remaining="4", X_RateLimit_Reset_After="2.0",
            X_RateLimit_Scope="shared", Retry_After="42",
        ),
    ),
    "429 global": _WAIT._replace(
        wait=2.0,
        is_of_the_host=True,
        answer=_json(
            429,
            {"message": "You are being rate limited.", "retry_after": 1.2, "global": True},
            X_RateLimit_Global="true", X_RateLimit_Scope="global", Retry_After="2",
        ),
    ),
    "429 without a wait": _WAIT._replace(wait=5.0, answer=_json(429, {"message": "You are being rate limited."})),
    "Cloudflare 1015": _BLOCKED._replace(wait=300.0, answer=_page(429, Retry_After="300")),
    "Cloudflare 403": _BLOCKED._replace(answer=_page(403)),
    "Cloudflare JSON": _BLOCKED._replace(
        answer=HttpAnswer(
            429, {"Content-Type": "application/json"}, b'{"code": 0, "message": "You are being blocked"}'
        )
    ),
    "Cloudflare 40333": _BLOCKED._replace(answer=_json(403, {"message": "internal network error", "code": 40333})),
}  # fmt: skip
"""Faults by name. Each must occur at least once over all runs; otherwise the runs prove nothing about it."""

GONE = {(404, 10015): "404, webhook deleted", (401, 50027): "401, token changed"}
"""Discord's own answers for a deleted webhook or a wrong token, by status and code."""
OWN_LIMIT = "429 of our own making"
"""Discord's own answer to too many requests."""


OLD_EDITS = "429, old edits, 30046"
"""Discord's own answer to too many edits of old messages."""
OF_EDITS = ("400 edit limit, 30046", "429 of edits, 30046")
"""The faults after which only edits have to wait, if an edit got them."""
_ONLY_OF_EDITS = "429 of edits, 30046"


def proof_of(answer: HttpAnswer, code: int | None) -> Proof:
    """The proof in Discord's own answer."""
    if answer.status < 300:
        return Proof.SHOWN
    if (answer.status, code) in GONE:
        return Proof.GONE
    if (answer.status, code) == (404, 10008):
        return Proof.MISSING
    return Proof.WAIT if answer.status == 429 else Proof.REFUSED


_SINGLE = tuple(name for name, fault in FAULTS.items() if not fault.is_of_the_host and name != _ONLY_OF_EDITS)
_OF_THE_HOST = tuple(name for name, fault in FAULTS.items() if fault.is_of_the_host)
EVERYWHERE = ""

OUTAGES = {
    "503": ("503", "502", "500"),
    "refused": ("connection refused",),
    "hanging": ("hangs", "no connection in 5 s"),
    "cut": ("reset before it was recorded", "server disconnects"),
    "shown, unanswered": ("502, recorded", "504, recorded", "524, recorded"),
    "every kind": ("connection refused", "503", "hangs", "server disconnects", "520"),
}
"""The faults in each kind of outage."""


class Outage(NamedTuple):
    """A period of true time in which one or all destinations are down."""

    began: float
    ended: float
    place: str
    kind: str
    probes_pass: bool
    """Probes succeed during the outage."""


class FaultSchedule:
    """Draws a fault for each request."""

    def __init__(self, random: Random, share: float, outages: tuple[Outage, ...]) -> None:
        self._random = random
        self._share = share
        self._outages = outages
        self.is_over = False
        """True once no more faults occur."""

    def fault(self, place: str, method: str, elapsed: float) -> str | None:
        """Draw the fault for a request to `place`; None for no fault."""
        if self.is_over:
            return None
        for outage in self._outages:
            if outage.began <= elapsed < outage.ended and outage.place in (EVERYWHERE, place):
                if method == "GET" and outage.probes_pass:
                    return None
                return self._random.choice(OUTAGES[outage.kind])
        roll = self._random.random()
        if roll >= self._share:
            return None
        if method == "PATCH" and roll < self._share / 5:
            return self._random.choice(OF_EDITS)
        return self._random.choice(_OF_THE_HOST if roll < self._share / 25 else _SINGLE)
