"""Reads requests within limits: the Host header, the content type, the size and the time to arrive."""

import asyncio
import re
import socket
from http import HTTPStatus
from ipaddress import ip_address

from aiohttp import web
from aiohttp.http import HttpVersion11
from aiohttp.web_protocol import RequestPayloadError

from signalpost.errors import shown
from signalpost.web import timeouts
from signalpost.web.problem import Problem

LARGEST_BODY = 64 * 1024
_BEARER = re.compile(r"Bearer +([!-~]+) *", re.IGNORECASE)
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+?)\.?(:\d{1,5})?", re.ASCII)
_CLOSE = {"Connection": "close"}


def bearer(request: web.BaseRequest) -> str | None:
    """The token in the Authorization header; None if there is none."""
    found = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    return found[1] if found else None


def check_json(request: web.BaseRequest) -> None:
    """Raise Problem 415 unless it is JSON, the type that a page of another site cannot post without a preflight."""
    if request.content_type != "application/json":
        detail = "Send JSON with the header Content-Type: application/json."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept-Post": "application/json"})


async def body_of(request: web.BaseRequest) -> bytes:
    """Read the whole body. Raises Problem 408 if it is too slow, 413 if too long, 415 if compressed."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body uncompressed, without Content-Encoding.")
    if (request.content_length or 0) > LARGEST_BODY:
        raise _too_long()
    if request.version == HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    body = bytearray()
    try:
        async with asyncio.timeout(timeouts.READ_WITHIN):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise _too_long()
    except TimeoutError:
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, "The body arrived too slowly.", headers=_CLOSE) from None
    except (RequestPayloadError, ConnectionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body ended too early.") from None
    return bytes(body)


def _too_long() -> Problem:
    detail = f"The body is longer than {LARGEST_BODY // 1024} KiB."
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers=_CLOSE)


def is_local_name(header: str | None, listens_on: str) -> bool:
    """True if no other site's page can have sent this Host header; only then is no token needed.

    Another site's page can make its own name resolve to this machine (DNS rebinding) and then read the answers. The
    browser still sends that name in Host, and such a name is public: it has a dot and is not an address. So addresses,
    names without a dot (`localhost`, a container's name), this machine's own name and the name that the service listens
    on are local. Browsers never omit the header.
    """
    if header is None:
        return True
    found = _HOST.fullmatch(header.strip())
    name = found["name"].strip("[]").lower() if found else ""
    own = {listens_on.lower(), socket.gethostname().lower()}
    return bool(name) and (_is_address(name) or _is_single(name) or name in own)


def is_on_this_machine(request: web.BaseRequest) -> bool:
    """True if a client on this machine's loopback address sent the request itself, not through a proxy that says so."""
    is_passed_on = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "Via"))
    remote = request.remote or ""
    return not is_passed_on and _is_address(remote) and ip_address(remote).is_loopback


def foreign_name(header: str) -> Problem:
    """The refusal of a Host header that is not local."""
    return Problem(
        HTTPStatus.MISDIRECTED_REQUEST,
        f"Requests for the host name {shown(header)} need a token. Use the address or localhost instead, or send a "
        "token.",
    )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_single(name: str) -> bool:
    """True for names of the local network: public names have a dot and do not end in `.localhost`."""
    return "." not in name or name.endswith(".localhost")
