"""Discord's rules behind a simulated network that loses, delays and cuts requests."""

import asyncio
import re
from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple

import msgspec
from aiohttp import ClientPayloadError
from multidict import CIMultiDict
from yarl import URL

from signalpost.sandbox.rules.discord import LocalDiscord
from signalpost.sandbox.rules.exchange import HttpAnswer, HttpRequest
from signalpost.sandbox.rules.faults import Fault as Planned
from signalpost.sinks.discord.service import USER_AGENT
from simulation.clocks import Clocks
from simulation.faults import FAULTS, GONE, NEVER, OF_EDITS, OLD_EDITS, OWN_LIMIT, Fault, FaultSchedule, Proof, proof_of
from simulation.life import Life
from simulation.reader import Card, Companion, card_in, companions_in
from simulation.reader_of_recaps import recap_in
from simulation.recorder import Part, Recorder, Request

_HEADERS = {"content-type": "application/json", "user-agent": USER_AGENT}
_REF = re.compile(r"^-# .*\bref (\S+)", re.MULTILINE)
_OLD_EDITS = 30046
_USUAL = Fault(Proof.SHOWN, is_processed=True)


class Place(NamedTuple):
    """A destination and its webhook at Discord."""

    name: str
    webhook: str
    token: str
    channel: str
    messages_a_minute: int

    @property
    def url(self) -> str:
        """The webhook's URL, as a person copies it."""
        return f"https://discord.com/api/webhooks/{self.webhook}/{self.token}"


class Head(NamedTuple):
    """An answer's head and the way its body arrives."""

    answer: HttpAnswer
    headers: CIMultiDict[str]
    body: str
    deadline: float


class Network:
    """Carries requests to Discord and records each of them."""

    def __init__(
        self,
        discord: LocalDiscord,
        places: Mapping[str, Place],
        faults: FaultSchedule,
        clocks: Clocks,
        recorder: Recorder,
        random: Random,
    ) -> None:
        self.discord = discord
        self._names = {place.webhook: place for place in places.values()}
        self._faults = faults
        self._clocks = clocks
        self._recorder = recorder
        self._random = random

    async def send(self, life: Life, method: str, url: URL, data: bytes | None, seconds: float) -> tuple[Request, Head]:
        """Send a request and wait for the head of its answer. Raises the same errors as aiohttp."""
        await life.step("before a request")
        loop, now = asyncio.get_running_loop(), self._clocks.seconds()
        webhook, edits = _target(url)
        place, body = self._names[webhook], {} if data is None else msgspec.json.decode(data)
        request = Request(
            len(self._recorder.requests), life.number, place.name, method, _parts(body, place.name), now,
            self._clocks.now(), self._clocks.elapsed(), trade=_trade_in(body), edits=edits,
        )  # fmt: skip
        self._recorder.requests.append(request)
        name = self._faults.fault(place.name, method, self._clocks.elapsed())
        fault = _USUAL if name is None else FAULTS[name]
        request.fault, request.is_connected, request.wait = name, fault.is_connected, fault.wait
        request.holds_edits = method == "PATCH" and name in OF_EDITS
        reply: asyncio.Future[HttpAnswer] = loop.create_future()
        there, back = (0.02 + 0.1 * self._random.random() for _ in range(2))
        sent = HttpRequest(method, url.path, dict(url.query), _HEADERS, data or b"")
        timers = [loop.call_later(seconds, _fail, reply, TimeoutError())]
        if fault.error is not None:
            timers.append(loop.call_later(there + back + fault.late, _fail, reply, fault.error()))
        # Never cancelled: a request that was sent arrives even if nobody waits for the answer.
        loop.call_later(there + fault.processed_late, self._arrive, request, sent, fault, reply, back + fault.late)
        try:
            answer = await reply
            await life.step("after an answer")
        except BaseException as error:
            self._end(life, request, _proof_of_error(error, fault))
            raise
        finally:
            for timer in timers:
                timer.cancel()
        request.status = answer.status
        if fault.proves is Proof.SHOWN and answer is not fault.answer:  # it is Discord's own
            self._learn(request, answer)
        elif fault.answer is None:
            self._learn_of_late(request, answer, fault)
        else:
            request.scope = answer.headers.get("X-RateLimit-Scope")
            request.proof = fault.proves
        return request, Head(answer, CIMultiDict(answer.headers), fault.body, now + seconds)

    async def body(self, head: Head) -> bytes:
        """Read the answer's body. Raises the same errors as aiohttp."""
        if head.body == "slow":
            await asyncio.sleep(max(0.0, head.deadline - self._clocks.seconds()))
            raise TimeoutError
        if head.body == "cut":
            raise ClientPayloadError("Response payload is not completed")
        return b"" if head.body == "none" else head.answer.body

    def end(self, life: Life, request: Request, error: BaseException | None) -> None:
        """Record that the sender has read the answer or given up."""
        proof = request.proof or Proof.SILENCE
        if isinstance(error, asyncio.CancelledError):
            proof = Proof.CUT
        self._end(life, request, proof)

    def _end(self, life: Life, request: Request, proof: Proof) -> None:
        request.proof = Proof.LOST if life.is_dead or life.is_deposed else proof
        request.ended = self._clocks.seconds()

    def _arrive(
        self, request: Request, sent: HttpRequest, fault: Fault, reply: asyncio.Future[HttpAnswer], back: float
    ) -> None:
        planned = None
        is_success = fault.proves is Proof.SHOWN  # Discord sends such an answer only if it accepts the request
        if not is_success:
            planned = Planned(is_processed=fault.is_processed, answer=fault.answer, is_cut=fault.error is not None)
        if fault.is_connected:
            outcome = self.discord.answer(sent, self._clocks.moment(), planned)
            if fault.is_processed:
                request.processed = self._clocks.elapsed()
            request.message_id = outcome.entry.message_id if outcome.entry.recorded else None
            request.channel = outcome.entry.channel
            answer = outcome.answer
            if is_success and answer is not None and answer.status < 300:
                answer = fault.answer or answer
            if fault.error is None and back < NEVER and answer is not None:
                asyncio.get_running_loop().call_later(back, _answer, reply, answer)

    def _learn(self, request: Request, answer: HttpAnswer) -> None:
        code = _code(answer)
        request.proof = proof_of(answer, code)
        request.scope = answer.headers.get("X-RateLimit-Scope")
        if request.proof is Proof.WAIT:
            request.holds_edits = code == _OLD_EDITS
            request.fault = OLD_EDITS if request.holds_edits else OWN_LIMIT
            request.wait = float(answer.headers.get("Retry-After", 0))
        elif request.proof is Proof.GONE:
            request.fault = GONE[answer.status, code or 0]

    def _learn_of_late(self, request: Request, answer: HttpAnswer, fault: Fault) -> None:
        """Interpret Discord's own answer that arrived late or with an unreadable body."""
        natural = proof_of(answer, _code(answer))
        if natural is Proof.SHOWN:
            request.proof = fault.proves
        else:
            self._learn(request, answer)
            if fault.body != "whole":  # the code that shows what is gone, or has to wait, was in the lost body
                request.holds_edits = False
                request.proof = Proof.REFUSED if natural is Proof.GONE else request.proof


def _proof_of_error(error: BaseException, fault: Fault) -> Proof:
    if isinstance(error, asyncio.CancelledError):
        return Proof.CUT
    return fault.proves if fault.error is not None else Proof.SILENCE


def _answer(reply: asyncio.Future[HttpAnswer], answer: HttpAnswer) -> None:
    if not reply.done():
        reply.set_result(answer)


def _fail(reply: asyncio.Future[HttpAnswer], error: Exception) -> None:
    if not reply.done():
        reply.set_exception(error)


def _code(answer: HttpAnswer) -> int | None:
    if "json" not in answer.headers.get("Content-Type", "") or answer.status < 400:
        return None
    code = msgspec.json.decode(answer.body, type=dict[str, Any]).get("code")
    return code if isinstance(code, int) else None


def _target(url: URL) -> tuple[str, str | None]:
    """The webhook of a request, and the message it edits."""
    parts = url.path.split("/")
    return (parts[-4], parts[-1]) if parts[-2] == "messages" else (parts[-2], None)


def _parts(body: Mapping[str, Any], place: str) -> tuple[Part, ...]:
    """The notifications in a message, without those of trades that change."""
    if (recap := recap_in(body, place)) is not None:
        return (Part(recap.ref, recap.may_repeat),)
    if _trade_in(body) is not None:
        return ()
    return tuple(part_of(embed) for embed in body.get("embeds", ()))


def _trade_in(body: Mapping[str, Any]) -> Card | tuple[Companion, ...] | None:
    """What a message says about trades that change."""
    if companions := companions_in(body):
        return companions
    for embed in body.get("embeds", ()):
        ref = part_of(embed).ref
        if ref == "?" or ref.startswith("t"):
            return card_in(embed)
    return None


def part_of(embed: Mapping[str, Any]) -> Part:
    """Identify the notification in an embed by its `ref` fact."""
    found = _REF.search(embed.get("description", ""))
    return Part(found[1] if found else "?", "may repeat" in embed["footer"]["text"])
