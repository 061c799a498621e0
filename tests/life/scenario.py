"""Plays a scenario of a signal's life: `tests/life/run` describes the file that it reads."""

import asyncio
import json
import re
import shlex
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec

from signalpost import AsyncNotificationService, Config, clock
from signalpost.delivery.outbox.book import BookEntry
from signalpost.sandbox.rules.exchange import Moment
from signalpost.sandbox.rules.limits import REAL
from signalpost.sandbox.rules.log import MODERATOR
from signalpost.sandbox.server import Sandbox
from tests.acceptance.conftest import Environment, environment_of, running_sandbox
from tests.acceptance.serving import PATIENCE, in_process
from tests.life.feeds import Candles, Feed, Row
from tests.unit.service.conftest import run_of

CHANGES = ("update", "fill", "close", "cancel", "correct", "reopen")
DESTINATIONS = (
    *("signals-free", "signals-premium", "alerts-critical", "alerts-general"),
    *("market-analysis", "system-status", "community"),
)
DRAINED_WITHIN = 5
"""Seconds that a command waits for its deliveries."""
SOON = 4
"""Seconds within which a service sends what is due. What is due later stays for the next one."""
_SECONDS_BY_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME = re.compile(r"(\d+) ?([smhd])")
_NUMBER = re.compile(r"#(\d+)")
_PRECISION = 10**18
"""Derived numbers are rounded to 18 decimals in JSON."""

Table = dict[str, Any]


class Expected(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The state after a step; None or empty: not compared."""

    exit: int = 0
    outcome: str | None = None
    messages: dict[str, list[str | Table]] = {}
    companions: int | None = None
    signals: dict[str, Table] = {}
    requests: list[str] | None = None


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """One of a command, a fault, and time that passes; then what must be true."""

    command: str | None = None
    fault: Table | None = None
    wait: float | None = None
    later: str | None = None
    candles: list[str] | None = None
    expect: Expected = Expected()

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.command, self.fault, self.wait, self.later, self.candles)) != 1:
            raise ValueError("a step has one of command, fault, wait, later and candles")
        if self.later is not None and _TIME.fullmatch(self.later) is None:
            raise ValueError(f"later = {self.later!r} is not a time such as 10s, 5m, 2h or 1d")


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    """A file."""

    title: str
    step: list[Step]
    thread: str | None = None
    settings: str | None = None
    start: datetime | None = None
    feed: Feed | None = None
    expect: Expected = Expected()

    def __post_init__(self) -> None:
        if self.feed is None and any(step.candles is not None for step in self.step):
            raise ValueError("a scenario with candles has a [feed]")


class Message(NamedTuple):
    """A message as a channel shows it."""

    line: str
    title: str
    number: int | None
    edited: bool
    replaces: bool
    text: str

    @property
    def is_companion(self) -> bool:
        """Whether it is the short message beside a card."""
        return not self.title and self.number is not None


class Shifted:
    """The real time, and how much of it was skipped."""

    def __init__(self, start: datetime | None = None) -> None:
        self.skipped = timedelta(0) if start is None else start - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skipped

    def moment(self) -> Moment:
        return Moment(time.monotonic() + self.skipped.total_seconds(), self.now())


def load(path: Path) -> Scenario:
    """Read a scenario. Raises OSError, or ValueError if it is not one."""
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Scenario)


def play(scenario: Scenario) -> list[str]:
    """Play it, and return what differed: up to the first step after which something did."""
    shifted = Shifted(scenario.start)
    before = clock.install(shifted)
    try:
        with ExitStack() as undo:
            undo.enter_context(patch("signalpost.sandbox.server.present_moment", shifted.moment))
            sandbox = undo.enter_context(running_sandbox(REAL))
            folder = Path(undo.enter_context(TemporaryDirectory(prefix="signalpost-life-")))
            return _Play(sandbox, folder, scenario, shifted, undo).all_of(scenario)
    finally:
        clock.install(before)


class _Play:
    def __init__(self, sandbox: Sandbox, folder: Path, scenario: Scenario, shifted: Shifted, undo: ExitStack) -> None:
        self._sandbox = sandbox
        self._shifted = shifted
        self._environment: Environment = environment_of(sandbox.url, folder / "home")
        for name in DESTINATIONS:
            variable = f"DISCORD_WEBHOOK_{name.upper().replace('-', '_')}"
            self._environment[variable] = f"{sandbox.url}/api/v10/webhooks/{name}/some-token"
        if (thread := scenario.thread) is not None:
            self._environment["DISCORD_WEBHOOK_SIGNALS_FREE"] += f"?thread_id={thread}"
            self._control("_moderate", {"action": "set-thread", "thread_id": thread})
        self._feed, text = scenario.feed, scenario.settings or ""
        if self._feed is not None:
            self._shown = Candles(self._feed, folder, shifted.now, undo)
            self._environment |= self._shown.environment
            text += self._shown.settings
            if "[cards]" not in text:  # a chart may be added to a card at any time
                text += '\n[cards]\nchart = "off"\n'
        if text:
            settings = folder / "signalpost.toml"
            settings.write_text(text, encoding="utf-8")
            self._environment["SIGNALPOST_CONFIG"] = str(settings)
        self._seen = 0
        self._exit, self._outcome = 0, ""

    def all_of(self, scenario: Scenario) -> list[str]:
        for number, step in enumerate(scenario.step, start=1):
            self._exit, self._outcome = 0, ""
            self._seen = self._sandbox.discord.log.count
            self._do(step)
            if differences := [f"step {number} ({_name(step)}): {each}" for each in self._differences(step.expect)]:
                return differences
        self._seen, self._exit = 0, scenario.expect.exit
        return [f"at the end: {each}" for each in self._differences(scenario.expect)]

    def _do(self, step: Step) -> None:
        if step.command is not None:
            self._run(step.command)
        elif step.fault is not None:
            self._fail(step.fault)
        elif step.wait is not None:
            with _environment(self._environment):
                asyncio.run(_serve(step.wait))
        elif step.later is not None and (found := _TIME.fullmatch(step.later)):
            self._shifted.skipped += timedelta(seconds=int(found[1]) * _SECONDS_BY_UNIT[found[2]])
            with _environment(self._environment):
                asyncio.run(_serve())
        elif step.candles is not None and self._feed is not None:
            rows = list(map(Row.of, step.candles))
            self._shown.add(rows)
            opened = max(row.candle.time for row in rows)
            at = self._feed.closes_at(opened) + self._shown.first_look
            self._shifted.skipped += max(timedelta(0), at - self._shifted.now())
            with _environment(self._environment):
                asyncio.run(_take(opened))

    def _run(self, command: str) -> None:
        words = shlex.split(command)
        submits = words[0] == "publish" or (words[0] == "signals" and words[1] in CHANGES)
        added = ["--timeout", str(DRAINED_WITHIN)] if submits and "--timeout" not in words else []
        ended = in_process(self._environment, *words, *added, "--json")
        self._exit, outcomes = ended.returncode, []
        for plain in map(json.loads, ended.stdout.splitlines()):
            outcomes += [each["code"] for each in plain.get("errors", ())]
            outcomes += [plain.get("code") or plain["outcome"]] if "outcome" in plain else []
        self._outcome = " ".join(outcomes) or ended.stderr

    def _fail(self, fault: Table) -> None:
        if "action" not in fault:
            self._control("_faults", fault)
            return
        if (number := fault.get("card")) is not None:
            (*_, card) = (each for each, message in self._cards() if message.number == number)
            fault = {name: value for name, value in fault.items() if name != "card"} | {"message_id": card}
        self._control("_moderate", fault)

    def _control(self, path: str, body: Table) -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._sandbox.url}/{path}", json.dumps(body).encode(), headers)
        urllib.request.urlopen(request, timeout=PATIENCE).close()

    def _differences(self, expected: Expected) -> Iterator[str]:
        if self._exit != expected.exit:
            yield f"exit code {self._exit}, not {expected.exit}: {self._outcome}"
        if expected.outcome not in {None, self._outcome}:
            yield f"outcome {self._outcome!r}, not {expected.outcome!r}"
        for channel, wanted in expected.messages.items():
            yield from _messages_differ(channel, wanted, self._messages(channel))
        if expected.companions is not None:
            everywhere = [each for channel in self._channels() for each in self._messages(channel)]
            found = [each.line for each in everywhere if each.is_companion]
            if len(found) != expected.companions:
                yield f"{len(found)} companions, not {expected.companions}: {found}"
        for name, wanted_signal in expected.signals.items():
            shown = in_process(self._environment, "signals", "show", name, "--json")
            yield from _values_differ(f"signal {name}", wanted_signal, json.loads(shown.stdout))
        if expected.requests is not None:
            yield from _requests_differ(expected.requests, self._requests())

    def _channels(self) -> list[str]:
        return self._sandbox.discord.guild.channels()

    def _messages(self, channel: str) -> list[Message]:
        return [_message(each) for each in self._sandbox.discord.guild.messages(channel)]

    def _cards(self) -> list[tuple[str, Message]]:
        """The ids of the messages that are cards, and what they show."""
        guild = self._sandbox.discord.guild
        found = [(each["id"], _message(each)) for name in self._channels() for each in guild.messages(name)]
        return [card for card in found if card[1].title]

    def _requests(self) -> list[str]:
        """The requests since the step began, without GET: method, status, edited, the signal's number, channel."""
        log = self._sandbox.discord.log.since(0)
        numbers = {each.entry.message_id: number for each in log if (number := _message(each.message or {}).number)}
        lines = []
        for entry in (each.entry for each in log if each.entry.n > self._seen):
            if entry.method in {"GET", MODERATOR}:
                continue
            number = numbers.get(entry.message_id)
            facts = (entry.method, entry.status or "cut", "edited" if entry.edited else "", f"#{number}", entry.channel)
            lines.append(" ".join(str(each) for each in facts if each and each != "#None"))
        return lines


async def _serve(seconds: float | None = None) -> None:
    """Run a service for some seconds, or until it has delivered what is due."""
    service = AsyncNotificationService(Config.from_environment())
    await service.start()
    try:
        if seconds is None:
            await service.drain(timeout=SOON)
        else:
            await asyncio.sleep(seconds)
    finally:
        await service.stop(timeout=0)


async def _take(opened: datetime) -> None:
    """Run a service until strategies and live trades have the candle that opened then, and what is due is sent."""
    service = AsyncNotificationService(Config.from_environment())
    await service.start()
    try:
        async with asyncio.timeout(PATIENCE):
            while not _has_taken(opened, service, await service.signals(only_live=True)):
                await asyncio.sleep(0.02)
        await service.drain(timeout=SOON)
    finally:
        await service.stop(timeout=0)


def _has_taken(opened: datetime, service: AsyncNotificationService, live: Sequence[BookEntry]) -> bool:
    market = run_of(service).market
    assert market is not None
    watermarks = [each.last and each.last.watermark for each in market.streams.values()]
    trades = [each.trade for each in live if each.trade.signal.known_at <= opened]
    return all(each is not None and each >= opened for each in watermarks) and all(
        each.followed is not None and each.followed.since > opened for each in trades if market.is_followed(each.signal)
    )


@contextmanager
def _environment(environment: Environment) -> Iterator[None]:
    with patch.dict("os.environ", environment, clear=True):
        yield


def _name(step: Step) -> str:
    if step.candles is not None:
        return f"candles up to {step.candles[-1]}"
    return step.command or (f"fault {step.fault}" if step.fault else f"{step.wait or step.later} passed")


def _message(shown: Mapping[str, Any]) -> Message:
    content, embeds = shown.get("content", ""), shown.get("embeds") or [{}]
    card = embeds[0]
    line, _, _ = content.partition("\n")
    text = "\n".join([content, *(str(card.get(name, "")) for name in ("title", "description"))])
    footer = card.get("footer", {}).get("text", "")
    number = _NUMBER.search(footer if "title" in card else line)
    return Message(
        line,
        card.get("title", ""),
        int(number[1]) if number else None,
        shown.get("edited_timestamp") is not None,
        "Replaces a deleted message" in text,
        text,
    )


def _messages_differ(channel: str, wanted: Sequence[str | Table], found: Sequence[Message]) -> Iterator[str]:
    if len(wanted) != len(found):
        yield f"#{channel} has {len(found)} messages, not {len(wanted)}: {[each.line or each.title for each in found]}"
        return
    for position, (each, message) in enumerate(zip(wanted, found, strict=True), start=1):
        where = f"#{channel}, message {position}"
        facts: Table = {"line": each} if isinstance(each, str) else dict(each)
        for key, is_wanted in (("has", True), ("lacks", False)):
            texts = facts.pop(key, [])
            for text in [texts] if isinstance(texts, str) else texts:
                if (text in message.text) is not is_wanted:
                    yield f"{where} {key} {text!r}: not so in\n{message.text}"
        yield from _values_differ(where, facts, message._asdict())


def _requests_differ(wanted: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    fits = [set(some.split()) <= set(each.split()) for some, each in zip(wanted, found, strict=False)]
    if len(wanted) != len(found) or not all(fits):
        yield f"the requests were {found}, not {wanted}"


def _values_differ(where: str, wanted: object, found: object) -> Iterator[str]:
    """Tables must have at least what is wanted, lists must be whole, and numbers may be given as fractions."""
    match wanted, found:
        case dict(), dict():
            for name, value in wanted.items():
                yield from _values_differ(f"{where}, {name}", value, found.get(name))
        case list(), list() if len(wanted) == len(found):
            for position, (value, other) in enumerate(zip(wanted, found, strict=True), start=1):
                yield from _values_differ(f"{where}, {position}", value, other)
        case "none", None:
            pass
        case str(), str() if "/" in wanted and re.fullmatch(r"-?\d+/\d+", wanted):
            if round(Fraction(wanted) * _PRECISION) != Fraction(found) * _PRECISION:
                yield f"{where}: {found}, not {wanted}"
        case _ if wanted != found:
            yield f"{where}: {found!r}, not {wanted!r}"
