"""The local Discord: its answer to each request, and the planned faults."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from signalpost.sandbox.rules.exchange import (
    Address,
    HttpAnswer,
    HttpRequest,
    Moment,
    Refusal,
    address_of,
    refuse_unknown_route,
)
from signalpost.sandbox.rules.faults import Fault, FaultPlan
from signalpost.sandbox.rules.form import form_of
from signalpost.sandbox.rules.guild import Effect, Guild, Webhook
from signalpost.sandbox.rules.limits import REAL, Limits, RateRules
from signalpost.sandbox.rules.log import Entry, Log, Logged
from signalpost.sandbox.rules.message import timestamp
from signalpost.sandbox.rules.moderator import Action, entry_of, moderate

_LONGEST_TEXT_LOGGED = 2000
_OLD = timedelta(hours=1)
"""Edits of older messages have a limit of their own."""
_BANNED_AGENT = re.compile(r"(python-urllib|libwww-perl|java)/", re.IGNORECASE)
"""Default names of HTTP libraries, which Cloudflare bans. Discord requires `DiscordBot (url, version)`."""
_REFUSED_AGENT = HttpAnswer(403, {"Content-Type": "text/plain; charset=UTF-8"}, b"error code: 1010")


class Outcome(NamedTuple):
    """The answer to send and the entry to log for a request."""

    answer: HttpAnswer | None
    """None resets the connection."""
    entry: Entry


class LocalDiscord:
    """Discord's webhooks. With `open`, any webhook exists."""

    def __init__(self, limits: Limits = REAL, *, open: bool = False) -> None:
        self.guild = Guild(open=open)
        self.faults = FaultPlan()
        self.log = Log()
        self._rates = RateRules(limits)

    def fault_for(self, request: HttpRequest) -> Fault | None:
        """Take the planned fault for `request`; pass it to `answer` after waiting `seconds_before`."""
        address = address_of(request.path)
        return self.faults.take(address.webhook if address else "", request)

    def answer(self, request: HttpRequest, now: Moment, fault: Fault | None = None) -> Outcome:
        """Process `request` at `now`."""
        effect, answer = Effect(), None
        if fault is None or fault.is_processed:
            effect, answer = self._processed(request, now)
        if fault is not None:
            answer = None if fault.is_cut else fault.answer or answer or HttpAnswer(500)
        entry = self._entry(request, now, effect, answer, is_fault=fault is not None)
        self.log.append(Logged(entry, effect.shown.message if effect.shown else None))
        return Outcome(answer, entry)

    def moderate(self, action: Action, now: Moment) -> Entry:
        """Do what a moderator can, and log it. Raises Refusal for an unknown message or webhook."""
        entry = entry_of(action, moderate(self.guild, action, now), self.log.count + 1, now)
        self.log.append(Logged(entry, None))
        return entry

    def _processed(self, request: HttpRequest, now: Moment) -> tuple[Effect, HttpAnswer]:
        refusal = self._rates.at_the_edge(request.ip, now) or _refused_agent(request)
        effect, answer = (Effect(), refusal) if refusal else self._let_through(request, now)
        self._rates.note(request.ip, answer, now)
        return effect, answer

    def _let_through(self, request: HttpRequest, now: Moment) -> tuple[Effect, HttpAnswer]:
        address = address_of(request.path)
        headers: Mapping[str, str] = {}
        effect = Effect()
        try:
            refuse_unknown_route(request.method, request.path)
            assert address is not None  # noqa: S101  # an unknown route is refused
            headers, limited = self._rates.of_the_bucket(address, request.method, now)
            if limited:
                return effect, limited
            webhook = self.guild.webhook(address)
            if limited := self._limited_in_channel(webhook, address, request, now, headers):
                return effect, limited
            effect, answer = self.guild.do(webhook, address, request, now)
        except Refusal as refusal:
            answer = refusal.answer()
        return effect, answer._replace(headers={**answer.headers, **headers})

    def _limited_in_channel(
        self, webhook: Webhook, address: Address, request: HttpRequest, now: Moment, headers: Mapping[str, str]
    ) -> HttpAnswer | None:
        if request.method == "POST":
            return self._rates.of_the_channel(webhook.channel, now, headers)
        if request.method != "PATCH" or address.message is None:
            return None
        message = self.guild.message(webhook, address.message, request.query.get("thread_id"))
        if now.at - datetime.fromisoformat(message["timestamp"]) <= _OLD:
            return None
        return self._rates.of_old_edits(message["channel_id"], now, headers)

    def _entry(
        self, request: HttpRequest, now: Moment, effect: Effect, answer: HttpAnswer | None, *, is_fault: bool
    ) -> Entry:
        address = address_of(request.path)
        channel = self.guild.channel_of(address.webhook) if address else None
        return Entry(
            n=self.log.count + 1,
            time=timestamp(now.at),
            webhook=address.webhook if address else "",
            channel=channel,
            channel_id=self.guild.channel_id(channel, request.query.get("thread_id")) if channel else None,
            method=request.method,
            status=answer.status if answer else None,
            code=_code_of(answer),
            scope=answer.headers.get("X-RateLimit-Scope") if answer else None,
            message_id=effect.message_id or (address.message if address else None),
            recorded=effect.recorded,
            edited=effect.edited,
            pings=effect.pings.names(),
            silent=effect.silent,
            notification=effect.notification,
            fault=is_fault,
            body=_logged_body(request),
        )


def _refused_agent(request: HttpRequest) -> HttpAnswer | None:
    """The answer to a missing or banned User-Agent, else None."""
    agent = request.headers.get("user-agent", "").strip()
    return _REFUSED_AGENT if not agent or _BANNED_AGENT.match(agent) else None


def _code_of(answer: HttpAnswer | None) -> int | None:
    if answer is None or answer.status < 400:
        return None
    try:
        code = msgspec.json.decode(answer.body, type=dict[str, Any]).get("code")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # a test may plan any answer
        return None
    return code if isinstance(code, int) else None


def _logged_body(request: HttpRequest) -> Any:
    """The body as JSON, without its files, or else the start of its text."""
    if not request.body:
        return None
    try:
        return form_of(request).fields if _has_files(request) else msgspec.json.decode(request.body)
    except (Refusal, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return request.body[:_LONGEST_TEXT_LOGGED].decode(errors="replace")


def _has_files(request: HttpRequest) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/")
