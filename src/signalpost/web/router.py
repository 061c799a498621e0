"""Routes requests to their handlers."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import unquote
from weakref import WeakValueDictionary

import msgspec
from aiohttp import web

from signalpost import clock
from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.instant import iso, utc
from signalpost.domain.ledger import StreamState
from signalpost.domain.ticket import Refusal, Ticket
from signalpost.ingest.changes import VERBS
from signalpost.ingest.kinds import KIND_BY_PATH, SIGNAL, Kind
from signalpost.ingest.send_options import SendOptions
from signalpost.secret import redacted
from signalpost.telemetry.log_queue import logger
from signalpost.web import api, freqtrade, tradingview
from signalpost.web.answers import (
    SIGNALS,
    TICKETS,
    of_deliveries,
    of_health,
    of_ignored,
    of_metrics,
    of_readiness,
    of_signal,
    of_signals,
    of_ticket,
    plain,
)
from signalpost.web.auth import TokenAuth
from signalpost.web.body import json_object
from signalpost.web.hook_signals import HookSignals
from signalpost.web.problem import Problem
from signalpost.web.requests import bearer, body_of, check_json, foreign_name, is_local_name, is_on_this_machine
from signalpost.web.scrapes import Scrapes
from signalpost.web.service_api import ServiceApi
from signalpost.web.timeouts import SAFE, UNSAFE, Timeouts
from signalpost.web.tokens import Scope, Token

ALWAYS_ANSWERED = frozenset({"/health", "/-/healthy", "/-/ready"})
"""These paths are served even while there are too many requests."""
_API = "/api/v1/"
_IS_NO_NEWS = frozenset({Refusal.CONFLICT, Refusal.UNKNOWN_SIGNAL, Refusal.NOT_POSSIBLE})
"""Refusals by the signal book after which a request of freqtrade is ignored: it has nothing new to show."""

Read = TypeVar("Read")
Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]


class Router:
    """The handlers of all paths, which use the service."""

    def __init__(self, service: ServiceApi, token_auth: TokenAuth, timeouts: Timeouts, host: str) -> None:
        self._service = service
        self._auth = token_auth
        self._timeouts = timeouts
        self._host = host
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="signalpost reading")
        """One thread, so that at most one body at a time competes with the event loop for the processor."""
        self._first_times = FirstTimes(service)
        self._signals_of_hooks = HookSignals(service)
        self._scrapes = Scrapes(service.metrics, self._read)
        self._monitoring: dict[str, Handler] = {
            "/health": self._health,
            "/-/healthy": self._alive,
            "/-/ready": self._ready,
            "/metrics": self._metrics,
        }

    def close(self) -> None:
        """Stop reading bodies."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    def handler_of(self, request: web.BaseRequest) -> Handler:
        """Find the handler of `request`. Raises Problem 404 or 405."""
        methods, handler = self._route([unquote(part) for part in request.rel_url.raw_path.split("/")])
        if handler is None:
            names = ", ".join(f"{_API}{name}" for name in KIND_BY_PATH)
            detail = (
                f"Unknown path. The paths are {names}, {SIGNALS}/ID, {SIGNALS}/ID/{'|'.join(VERBS)}, {TICKETS}ID, "
                "/hooks/KIND/TOKEN, /health, /-/healthy, /-/ready and /metrics."
            )
            raise Problem(HTTPStatus.NOT_FOUND, detail)
        if request.method not in methods:
            allowed = ", ".join(methods)
            raise Problem(
                HTTPStatus.METHOD_NOT_ALLOWED, f"This path only accepts {allowed}.", headers={"Allow": allowed}
            )
        return handler

    def _route(self, path: Sequence[str]) -> tuple[Sequence[str], Handler | None]:
        match path:
            case ["", *_] if (handler := self._monitoring.get("/".join(path))) is not None:
                return ("GET", "HEAD"), handler
            case ["", "api", "v1", "tickets", id] if id:
                return ("GET", "HEAD"), lambda request: self._ticket(request, id)
            case ["", "api", "v1", "signals"]:
                return ("POST", "GET", "HEAD"), self._signals
            case ["", "api", "v1", "signals", id] if id:
                return ("GET", "HEAD"), lambda request: self._signal(request, id)
            case ["", "api", "v1", "signals", id, verb] if id and verb in VERBS:
                return ("POST",), lambda request: self._amend(request, id, verb)
            case ["", "api", "v1", name] if name in KIND_BY_PATH:
                return ("POST",), lambda request: self._send(request, KIND_BY_PATH[name])
            case ["", "hooks", Scope.TRADINGVIEW, token] if token:
                return ("POST",), lambda request: self._hook(request, token, Scope.TRADINGVIEW, self._tradingview)
            case ["", "hooks", Scope.FREQTRADE, token] if token:
                return ("POST",), lambda request: self._hook(request, token, Scope.FREQTRADE, self._freqtrade)
        return (), None

    async def _health(self, request: web.BaseRequest) -> web.Response:
        self._check_name(request)
        return of_health(*self._service.health())

    async def _alive(self, request: web.BaseRequest) -> web.Response:
        self._check_name(request)
        return plain(HTTPStatus.OK, {"healthy": True})

    async def _ready(self, request: web.BaseRequest) -> web.Response:
        self._check_name(request)
        return of_readiness(*self._service.health())

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        """Answer a scrape. It needs a token, unless it comes from this machine. A token that is sent must be valid."""
        is_local = is_on_this_machine(request) and is_local_name(request.headers.get("Host"), self._host)
        if "Authorization" in request.headers or not is_local:
            self._admitted(request, bearer(request), Scope.METRICS)
        return of_metrics(*await self._scrapes.text(request.headers.get("Accept", "")))

    def _check_name(self, request: web.BaseRequest) -> None:
        """Raise Problem if a page of another site may have sent the request."""
        if not is_local_name(request.headers.get("Host"), self._host):
            if (token := bearer(request)) is None:
                raise foreign_name(request.headers["Host"])
            self._admitted(request, token, Scope.API)  # with a token any host name is fine, such as a proxy's

    async def _read(self, work: Callable[[], Read]) -> Read:
        """Run `work`, which may take a few tenths of a second, outside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    async def _ticket(self, request: web.BaseRequest, id: str) -> web.Response:
        token = self._sender(request)
        found = self._service.deliveries(id, self._auth.tiers_of(token))
        return of_deliveries(id, await self._timeouts.wait(found))

    async def _send(self, request: web.BaseRequest, kind: Kind) -> web.Response:
        token = self._sender(request)
        check_json(request)
        raw, key = await body_of(request), request.headers.get("Idempotency-Key")
        parsed = await self._read(lambda: api.read(kind, json_object(raw), token, key))
        self._auth.check_tiers(token, parsed.options)
        then = SAFE if parsed.is_repeatable else UNSAFE
        return of_ticket(await self._timeouts.wait(self._take(token, parsed, kind), then))

    async def _signals(self, request: web.BaseRequest) -> web.Response:
        if request.method == "POST":
            return await self._send(request, SIGNAL)
        token = self._sender(request)
        find = api.read_query(request.query.items(), self._auth.tiers_of(token))
        entries = await self._timeouts.wait(self._service.trades(find))
        return await self._read(lambda: of_signals(entries))

    async def _signal(self, request: web.BaseRequest, id: str) -> web.Response:
        token = self._sender(request)
        find = FindTrades(name=id, exact=True, tiers=self._auth.tiers_of(token))
        return of_signal(await self._timeouts.wait(self._service.trades(find)))

    async def _amend(self, request: web.BaseRequest, id: str, verb: str) -> web.Response:
        token = self._sender(request)
        check_json(request)
        raw = await body_of(request)
        key = api.change_key(token, request.headers.get("Idempotency-Key"))
        read = await self._read(lambda: api.read_change(verb, json_object(raw)))
        same = None if key is None else api.request_of(id, verb, read)
        amended = self._service.amend(id, read.change, read.if_version, self._auth.tiers_of(token), key, same)
        return of_ticket(await self._timeouts.wait(amended))

    async def _take(self, token: Token, parsed: api.ApiRequest, kind: Kind) -> Ticket:
        payload = parsed.payload
        if parsed.needs_first_time:
            name = getattr(payload, kind.id_field)
            first = await self._first_times.of(token, name, clock.now())
            payload = payload.but(timestamp=first)
        return await self._service.take(payload, parsed.options, self._auth.tiers_of(token))

    async def _hook(
        self,
        request: web.BaseRequest,
        text: str,
        scope: Scope,
        answered: Callable[[bytes, Token], Awaitable[web.Response]],
    ) -> web.Response:
        """Answer a hook. A rejected body is logged, because the products that call hooks do not show the answer."""
        token = self._admitted(request, text, scope)
        try:
            return await answered(await body_of(request), token)
        except Problem as problem:
            logger.warning(
                "Rejected a %s request sent with token %s: %s", scope, token.name, redacted(problem.in_full())
            )
            raise

    async def _tradingview(self, raw: bytes, token: Token) -> web.Response:
        parsed, options = await self._read(lambda: tradingview.read(raw, token))
        self._auth.check_tiers(token, options)
        if isinstance(parsed, tradingview.Ignored):
            return of_ignored(parsed.reason)
        tiers = self._auth.tiers_of(token)
        if isinstance(parsed, tradingview.Exit):
            change = tradingview.hook_change(token, parsed)
            return of_ticket(await self._timeouts.wait(self._signals_of_hooks.change(change, tiers)))
        is_own = tradingview.is_own(token, parsed.signal)
        opening = self._signals_of_hooks.open(parsed.signal, options, is_own, tiers)
        ticket = await self._timeouts.wait(opening)
        if ticket.cause is Refusal.CONFLICT and parsed.id_name is not None:
            advice = f"Send a different {parsed.id_name} with each signal, or omit it"
            ticket = ticket._replace(reason=f"{ticket.reason}. The id comes from {parsed.id_name}. {advice}")
        return of_ticket(ticket)

    async def _freqtrade(self, raw: bytes, token: Token) -> web.Response:
        parsed, options = await self._read(lambda: freqtrade.read(raw, token))
        self._auth.check_tiers(token, options)
        if isinstance(parsed, freqtrade.UndatedMessage):
            return of_ticket(await self._timeouts.wait(self._take_undated(token, parsed, options)))
        tiers = self._auth.tiers_of(token)
        taken = self._signals_of_hooks.take(parsed.change, parsed.signal, options, tiers)
        ticket = await self._timeouts.wait(taken)
        if ticket is None:
            return of_ignored(parsed.reason)
        if parsed.reason and ticket.cause in _IS_NO_NEWS:
            is_news = self._signals_of_hooks.is_not_open(parsed.change, tiers)
            if not await self._timeouts.wait(is_news):
                return of_ignored(parsed.reason)
        return of_ticket(ticket)

    async def _take_undated(self, token: Token, parsed: freqtrade.UndatedMessage, options: SendOptions) -> Ticket:
        first = await self._first_times.of(token, parsed.name, clock.now(), freqtrade.REPEATED_WITHIN)
        return await self._service.take(parsed.payload_at(first), options, self._auth.tiers_of(token))

    def _sender(self, request: web.BaseRequest) -> Token:
        return self._admitted(request, bearer(request), Scope.API)

    def _admitted(self, request: web.BaseRequest, presented: str | None, scope: Scope) -> Token:
        return self._auth.admit(presented, scope, request.remote or "", asyncio.get_running_loop().time())


_FINGERPRINT = "web 1"
FIRST_TIME_STATES = 256
"""Per token. With the keys per state, this bounds how many first times are kept."""
KEYS_PER_STATE = 32


class FirstTimes:
    """When each id was first sent, also across restarts. A bounded number of ids is kept for each token."""

    def __init__(self, service: ServiceApi) -> None:
        self._service = service
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def of(self, token: Token, id: str, now: datetime, lasts: timedelta = timedelta.max) -> datetime:
        """The time at which `id` was sent first: the remembered one, or else `now`, which is then remembered.

        A remembered time counts as long as `lasts`; after that, the same id is new again. Raises StoreFailed.
        """
        number = int.from_bytes(hashlib.blake2s(id.encode(), digest_size=2).digest()) % FIRST_TIME_STATES
        stream = f"first-times/{token.name}/{number}"
        lock = self._locks.setdefault(stream, asyncio.Lock())
        async with lock:
            state = await self._service.load_state(stream)
            known = {} if state is None or state.fingerprint != _FINGERPRINT else msgspec.json.decode(state.state)
            # abs: if the clock was set back since, an id that was seen within `lasts` is still a repeat
            if id in known and abs(now - (first := utc(known[id], "first time"))) < lasts:
                return first
            others = [each for each in known.items() if each[0] != id]
            newest = dict(others[-(KEYS_PER_STATE - 1) :]) | {id: iso(now)}
            await self._service.commit(StreamState(stream, _FINGERPRINT, now, msgspec.json.encode(newest)))
            return now
