"""The local Discord as a server on this machine, for a test's event loop and for `signalpost sandbox`.

async with Sandbox() as sandbox:
    url = sandbox.webhook("signals-free")
"""

import asyncio
import re
import socket
import struct
import time
from datetime import UTC, datetime
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from signalpost.errors import InvalidConfiguration, InvalidValue
from signalpost.sandbox.journal import Journal
from signalpost.sandbox.live import LiveStreams
from signalpost.sandbox.rules.discord import LocalDiscord
from signalpost.sandbox.rules.exchange import REFUSALS, HttpAnswer, HttpRequest, Moment, Refusal
from signalpost.sandbox.rules.faults import EVERY, Fault, usual_answer
from signalpost.sandbox.rules.form import LARGEST_BODY
from signalpost.sandbox.rules.limits import REAL, Limits
from signalpost.sandbox.rules.moderator import Action

DEFAULT_PORT = 8751
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with zero seconds: closing sends a reset."""
_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
"""The content types of pictures by their first bytes."""
_PAGE = files("signalpost.sandbox") / "page"
_GUARDS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def present_moment() -> Moment:
    """Read this machine's clocks."""
    return Moment(time.monotonic(), datetime.now(UTC))


class Sandbox:
    """A Discord on a loopback port; use it as an async context manager.

    `port` 0 picks a free port. With `open`, any webhook exists; otherwise create each with `webhook`. `journal` is a
    file to which each recorded message is appended durably before it is answered. Raises InvalidConfiguration for a
    host that is not loopback and, on entering, for a port in use or a journal that is not writable.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits = REAL,
        open: bool = False,
        journal: Path | None = None,
    ) -> None:
        _require_loopback(host)
        self.discord = LocalDiscord(limits, open=open)
        self._host, self._port = host, port
        self._journal_path = journal
        self._journal: Journal | None = None
        self._live = LiveStreams(self.discord)
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        """The page's address, without a trailing slash."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def webhook(self, id: str, token: str | None = None, *, channel: str | None = None) -> str:
        """Create a webhook and return its URL. The channel defaults to one named after the id."""
        made = self.discord.guild.register(id, token or f"sandbox-{id}", channel=channel)
        return f"{self.url}/api/v10/webhooks/{made.id}/{made.token}"

    async def __aenter__(self) -> Self:
        if self._journal_path is not None:
            self._journal = Journal.open(self._journal_path)
        try:
            await self._listen()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[_guarded], client_max_size=LARGEST_BODY + 1)
        app.router.add_route("*", "/api/{rest:.*}", self._api)
        app.router.add_get("/_log", self._log)
        app.router.add_get("/_events", self._live.serve)
        app.router.add_get("/_files/{id:[0-9]{1,20}}", self._picture)
        app.router.add_get("/_faults", self._pending_faults)
        app.router.add_post("/_faults", self._plan_faults)
        app.router.add_delete("/_faults", self._clear_faults)
        app.router.add_post("/_moderate", self._moderate)
        app.router.add_get("/{name:[a-z]*(?:\\.[a-z]+)?}", _file)
        app.on_response_prepare.append(_add_guards)
        return app

    async def _listen(self) -> None:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as fault:
            text = (
                f"cannot listen on port {self._port} of {self._host} ({fault.strerror}). If another sandbox uses it, "
                f"stop that one, or choose another port; 0 picks a free one"
            )
            raise InvalidConfiguration(text, code="port-in-use", field="port", value=str(self._port)) from fault
        self._port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        self._live.close()
        await self._runner.cleanup()
        if self._journal is not None:
            await self._journal.close()
            self._journal = None

    async def _api(self, request: web.Request) -> web.StreamResponse:
        arrived = HttpRequest(
            request.method,
            request.path,
            request.query,
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
            request.remote or "",
        )
        fault = self.discord.fault_for(arrived)
        if fault:
            await asyncio.sleep(fault.seconds_before)
        answer, entry = self.discord.answer(arrived, present_moment(), fault)
        if entry.recorded and self._journal is not None:
            await self._journal.append(entry.line())
        self._live.notify()
        if fault:
            await asyncio.sleep(fault.seconds_after)
        if answer is None:
            _reset(request)
            return web.Response()
        return web.Response(status=answer.status, headers={"Server": "cloudflare", **answer.headers}, body=answer.body)

    async def _log(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not (since.isascii() and since.isdigit()):
            raise web.HTTPBadRequest(text="since must be the number of the last entry you have, as in /_log?since=0\n")
        lines = b"".join(logged.entry.line() for logged in self.discord.log.since(int(since)))
        return web.Response(body=lines, content_type="application/x-ndjson", charset="utf-8")

    async def _picture(self, request: web.Request) -> web.Response:
        """An attachment for the page, only if it is a picture: nothing else may run there."""
        content = self.discord.guild.file(request.match_info["id"]) or b""
        kind = next((kind for start, kind in _PICTURES.items() if content.startswith(start)), None)
        if kind is None:
            raise web.HTTPNotFound(text="there is no such picture, or it is too old\n")
        return web.Response(body=content, content_type=kind)

    async def _moderate(self, request: web.Request) -> web.Response:
        _require_json(request)
        try:
            entry = self.discord.moderate(action_of(await request.read()), present_moment())
        except InvalidValue as wrong:
            raise web.HTTPBadRequest(text=f"{wrong}\n") from None
        except Refusal as refusal:
            answer = refusal.answer()
            return web.Response(status=answer.status, body=answer.body, content_type="application/json")
        if self._journal is not None:
            await self._journal.append(entry.line())
        self._live.notify()
        return web.Response(body=entry.line(), content_type="application/json")

    async def _plan_faults(self, request: web.Request) -> web.Response:
        _require_json(request)
        try:
            faults = faults_of(await request.read())
        except InvalidValue as wrong:
            raise web.HTTPBadRequest(text=f"{wrong}\n") from None
        for fault in faults:
            self.discord.faults.plan(fault)
        return await self._pending_faults(request)

    async def _pending_faults(self, _: web.Request) -> web.Response:
        pending = [
            {"webhook": each.webhook, "method": each.method, "times": each.times, "cut": each.is_cut}
            | {"status": each.answer.status if each.answer else None}
            for each in self.discord.faults.pending()
        ]
        return web.json_response(pending)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.discord.faults.clear()
        return web.Response(status=204)


def _require_json(request: web.Request) -> None:
    """Accept only JSON, because another site's page cannot send it without a preflight request."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send it as Content-Type: application/json\n")


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reject other Host headers, which blocks DNS rebinding: another site's name that resolves to this machine."""
    if _HOST.fullmatch(request.headers.get("Host", "")) is None:
        raise web.HTTPForbidden(text="the sandbox only answers requests for 127.0.0.1, [::1] or localhost\n")
    return await handler(request)


async def _add_guards(request: web.Request, response: web.StreamResponse) -> None:
    if not request.path.startswith("/api/"):
        response.headers.update(_GUARDS)


async def _file(request: web.Request) -> web.Response:
    file = _PAGE / (request.match_info["name"] or "index.html")
    if not file.is_file():
        raise web.HTTPNotFound(text="not found; the page is at /\n")
    text = file.read_text(encoding="utf-8")
    return web.Response(text=text, content_type=_TYPES[file.name.rpartition(".")[2]])


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()


def _require_loopback(host: str) -> None:
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback:
        raise InvalidConfiguration(
            f"the sandbox cannot listen on {host}: it lets anyone post and read, and other machines could reach it "
            f"there. Use 127.0.0.1, ::1 or localhost",
            code="not-loopback",
            field="host",
            value=host,
            limit="127.0.0.1, ::1, localhost",
        )


class FaultForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request to `/_faults`. `{"status": 503}` alone answers the next request to any webhook with 503."""

    webhook: str = EVERY
    method: str | None = None
    status: int | None = None
    """The status to answer with; if not set, the status of `code`; without a code, the rules decide."""
    code: int | None = None
    """Discord's code in the usual body, as in 10008 and 30046."""
    headers: dict[str, str] | None = None
    body: Any = None
    """JSON or text; if not set, the usual body for the status."""
    retry_after: float = 1.0
    before: float = 0.0
    """Seconds to wait before processing the request."""
    after: float = 0.0
    """Seconds to wait between processing and answering."""
    cut: Literal["before", "after"] | None = None
    """Reset the connection before or after the message is recorded."""
    recorded: bool = False
    """Record the message although `status` reports an error."""
    times: int = 1

    def fault(self) -> Fault:
        """Convert the form to a fault. Raises InvalidValue for a code that implies no status."""
        status = self._status()
        return Fault(
            webhook=self.webhook,
            method=self.method,
            seconds_before=self.before,
            seconds_after=self.after,
            answer=None if status is None else self._answer(status),
            is_cut=self.cut is not None,
            is_processed=self.cut == "after" if self.cut else status is None or self.recorded,
            times=self.times,
        )

    def _status(self) -> int | None:
        if self.status is not None or self.code is None:
            return self.status
        if self.code not in REFUSALS:
            known = ", ".join(map(str, REFUSALS))
            text = f"code {self.code} needs a status: add it, or use one of these codes: {known}"
            raise InvalidValue(text, code="missing", field="status", limit=known)
        return REFUSALS[self.code][0]

    def _answer(self, status: int) -> HttpAnswer:
        usual = usual_answer(status, self.retry_after, self.code)
        body = usual.body
        if self.body is not None:
            body = self.body.encode() if isinstance(self.body, str) else msgspec.json.encode(self.body)
        return HttpAnswer(status, usual.headers if self.headers is None else self.headers, body)


def faults_of(body: bytes) -> list[Fault]:
    """Parse one form or a list of forms. Raises InvalidValue for anything else."""
    forms: FaultForm | list[FaultForm] = _parsed(
        body, FaultForm | list[FaultForm], "fault", '{"webhook": "signals-free", "status": 503}'
    )
    return [form.fault() for form in (forms if isinstance(forms, list) else [forms])]


def action_of(body: bytes) -> Action:
    """Parse a moderator's action. Raises InvalidValue for anything else."""
    action: Action = _parsed(body, Action, "action", '{"action": "delete-message", "message_id": "123"}')
    return action


def _parsed(body: bytes, kind: Any, name: str, sample: str) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise InvalidValue(f"invalid {name} ({wrong}). Send JSON such as {sample}", code="not-readable") from None
