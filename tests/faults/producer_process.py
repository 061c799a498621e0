"""A process that submits notifications and records the answers, through any number of kills.

    python producer_process.py NAME SEED [SOCKET]

It writes to the unix socket SOCKET, by default `intake`, in the current folder. A notification without an answer is
submitted again, to the process that listens then. Each answer is appended to `answers-NAME.jsonl` and synced before the
next submission. SIGTERM ends it once everything is answered.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from signalpost.cli.loop import StopSignal, run
from signalpost.domain.reports import Alert, AlertSeverity
from signalpost.domain.signal import Signal

SOCKET = "intake"
WRITERS = 4
"""Notifications that a process submits at once."""
ENOUGH = 200
"""With this many open deliveries, it submits slowly."""
_MARKETS = [("EURUSD", "H1"), ("GBPUSD", "M15"), ("USDJPY", "H4"), ("EURUSD", "M5"), ("XAUUSD", "D")]
_PRIORITIES = [None, None, "LOW", "NORMAL", "HIGH", "URGENT"]
_URGENT_ALERTS = {AlertSeverity.CRITICAL, AlertSeverity.HIGH}
_VALID_FOR = timedelta(days=2)


class Line(NamedTuple):
    """A notification to submit, with the facts that the oracle needs."""

    name: str
    sequence: str
    number: int
    """Its place in its sequence."""
    destination: str
    body: bytes


class Author:
    """Makes random notifications: signals with all their events in order, and alerts of all severities."""

    def __init__(self, name: str, random: Random) -> None:
        self._name, self._random = name, random
        self._count = 0
        self._running: list[Iterator[Line]] = []
        self._earlier: list[Line] = []

    def next(self) -> Line:
        """The next line; sometimes an earlier one again."""
        roll = self._random.random()
        if roll < 0.05 and self._earlier:
            return self._random.choice(self._earlier)
        line = self.alert() if roll < 0.25 else self._of_a_signal()
        self._earlier.append(line)
        return line

    def alert(self) -> Line:
        """An alert, which is its own sequence."""
        name = self._new_name("a")
        severity = self._random.choice(list(AlertSeverity))
        alert = Alert(
            alert_type="feed", severity=severity, title=name, alert_id=name, valid_until=datetime.now(UTC) + _VALID_FOR
        )
        destination = "alerts-critical" if severity in _URGENT_ALERTS else "alerts-general"
        return _line(f"{name}e0", name, 0, destination, alert, "new", None, None)

    def signal(self) -> Iterator[Line]:
        """A signal, and messages about it, each an event of its own. A later one may be more urgent."""
        name, random = self._new_name("s"), self._random
        (pair, timeframe), tier = random.choice(_MARKETS), random.choice(["free", "premium"])
        now = datetime.now(UTC)
        signal = Signal(
            pair=pair,
            timeframe=timeframe,
            signal_type=random.choice(["BUY", "SELL"]),
            entry_price="1.1",
            timestamp=now,
            signal_id=name,
            confidence_score=random.choice(["0.5", "0.85", "0.95"]),
            valid_until=now + _VALID_FOR,
        )
        events = ["new", *(f"message {n}" for n in range(1, random.randint(3, 8)))]
        for number, event in enumerate(events):
            updated = signal.at_price(f"1.1{number}")
            priority = random.choice(_PRIORITIES)
            yield _line(f"{name}e{number}", name, number, f"signals-{tier}", updated, event, priority, tier)

    def _of_a_signal(self) -> Line:
        while True:
            if len(self._running) < 4:
                self._running.append(self.signal())
            events = self._random.choice(self._running)
            if (line := next(events, None)) is not None:
                return line
            self._running.remove(events)

    def _new_name(self, kind: str) -> str:
        self._count += 1
        return f"{self._name}{kind}{self._count}"


def _line(
    name: str,
    sequence: str,
    number: int,
    destination: str,
    payload: Signal | Alert,
    event: str,
    priority: str | None,
    tier: str | None,
) -> Line:
    body = {"name": name, "payload": payload.to_dict(), "event": event, "priority": priority, "tier": tier}
    return Line(name, sequence, number, destination, json.dumps(body).encode() + b"\n")


class Answers:
    """The list of answers, synced line by line."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, line: Line, answer: dict[str, Any], tries: int) -> None:
        """Record the answer to a line that was submitted `tries` times."""
        record = {"name": line.name, "sequence": line.sequence, "number": line.number, "destination": line.destination}
        record |= {"outcome": answer["outcome"], "id": answer["id"], "tries": tries}
        os.write(self._file, json.dumps(record).encode() + b"\n")
        os.fsync(self._file)

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)


async def _submit_forever(author: Author, random: Random, answers: Answers, stopped: asyncio.Event, name: str) -> None:
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while not stopped.is_set():
        line, tries = author.next(), 0
        while True:
            with suppress(OSError):
                streams = streams or await asyncio.open_unix_connection(name)
                tries += 1
                streams[1].write(line.body)
                answer = await streams[0].readline()
                if answer.endswith(b"\n"):
                    break
            if streams is not None:
                streams[1].close()
                streams = None
            await asyncio.sleep(0.02)
        decoded = json.loads(answer)
        answers.add(line, decoded, tries)
        await asyncio.sleep(random.uniform(0, 0.03) if decoded.get("open", 0) < ENOUGH else random.uniform(0.1, 0.5))


async def main(name: str, seed: str, intake: str = SOCKET) -> None:
    answers = Answers(f"answers-{name}.jsonl")
    async with StopSignal() as stopped, asyncio.TaskGroup() as writers:
        for number in range(WRITERS):
            random = Random(f"{seed} {name} {number}")
            author = Author(f"{name}{number}", random)
            writers.create_task(_submit_forever(author, random, answers, stopped, intake))


if __name__ == "__main__":
    run(main(*sys.argv[1:]))
