"""Reads a request as far as it may go: its size, its type, its time."""

import asyncio
import re
from http import HTTPStatus

from aiohttp import web
from aiohttp.http import HttpVersion11
from aiohttp.web_protocol import RequestPayloadError

from signalpost.web.connection import READ_WITHIN
from signalpost.web.problem import Problem

LARGEST_BODY = 64 * 1024
_BEARER = re.compile(r"Bearer +([!-~]+) *", re.IGNORECASE)
_CLOSE = {"Connection": "close"}


def bearer(request: web.BaseRequest) -> str | None:
    """The token that is presented in the header Authorization; None where there is none."""
    found = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    return found[1] if found else None


def check_json(request: web.BaseRequest) -> None:
    """Raise Problem 415 for another content type: a page of another site can post any but this one unasked."""
    if request.content_type != "application/json":
        detail = "send it with the header Content-Type: application/json"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept-Post": "application/json"})


async def body_of(request: web.BaseRequest, within: float = READ_WITHIN) -> bytes:
    """The whole body. Raises Problem: 408 for one that comes too slowly, 413 for one too long, 415 for one packed."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as it is, without Content-Encoding")
    if (request.content_length or 0) > LARGEST_BODY:
        raise _too_long()
    if request.version == HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    body = bytearray()
    try:
        async with asyncio.timeout(within):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise _too_long()
    except TimeoutError:
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, "the body came too slowly", headers=_CLOSE) from None
    except (RequestPayloadError, ConnectionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "the body ended too early") from None
    return bytes(body)


def _too_long() -> Problem:
    detail = f"the body is longer than {LARGEST_BODY // 1024} KiB"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers=_CLOSE)
