"""Kills `signalpost serve` again and again while it runs strategies on candles of 5 seconds, and compares what it made.

    python -m tests.faults.strategy_rounds --rounds 200 [--seed S] [--valkey] [--oanda] [--keep FOLDER]

A round starts `serve`, waits for the next close of a candle, and kills the process within 3 seconds after it, or while
it starts. A thread writes the candles into the folder that the feed watches, some of them late; or a server that speaks
as OANDA does has them, each incomplete until 2 seconds after its close. After each round, the signals of the book are
those of a batch computation that shares no code with signalpost, and the channel shows none twice. At the end, it shows
each.

On a busy machine `serve` may not be ready in time. Such a round is reported and played again. The messages, the log and
the data folder of a round with a fault are kept in a folder that is printed.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory, gettempdir
from typing import NamedTuple

from signalpost import Signal
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.outbox.commands import LoadState
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.sandbox.server import Sandbox
from tests import forked
from tests.acceptance.conftest import Environment, environment_of, running_sandbox
from tests.acceptance.serving import READY
from tests.contracts.exact_batch import crosses
from tests.faults.strategy_rounds_candles import CONFIGS, SLOT, Broker, Writer, settings, slot_of
from tests.faults.valkey_server import PrivateValkey
from tests.oanda_server import TOKEN

READY_WITHIN = 300.0
"""Seconds that a start may take."""
_CAUGHT_UP_WITHIN = 600.0
_MOST_STARTS = 5
"""How often a start that must succeed is tried."""
_SLOTS_A_ROUND = 24
_AT_THE_END = "is not shown"


Made = tuple[str, str, datetime, Decimal, Decimal]
"""Pair, side and candle of a signal, with its stop and its target."""


class Round(NamedTuple):
    """A start of `serve` and its end."""

    end: str
    """`killed at the start`, `killed after a close`, `not ready`, or `ended by itself`."""
    ready_after: float | None
    """Seconds; None if it was not ready."""
    lines: Sequence[str]
    """Its log."""


class Found(NamedTuple):
    """The remains of a run."""

    possible: set[Made]
    """The signals of all candles that were taken."""
    expected: set[Made]
    """The same, without those of the candles before the first start, and of its first moments."""
    in_book: list[Made]
    shown: Counter[int]
    """Cards of each number in the channel, without those that say that they may be repeats."""
    marked: set[int]
    """The numbers of the cards that say so."""
    numbers: set[int]
    """The numbers in the book that must be shown: if `serve` was not ready in time, some signals were too old."""
    too_old: int
    states_from: Counter[str]
    """Where the state of each stream came from at the starts that were seen."""
    rounds: Sequence[Round] = ()
    faults: Sequence[str] = ()
    """What rounds did wrong, with the folder that tells more."""


class Serve:
    """A `serve` that can be killed."""

    def __init__(self, environment: Environment) -> None:
        command = [sys.executable, "-m", "signalpost", "serve", "--http", "off"]
        self._began = time.monotonic()
        self.process = forked.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        self._is_decided = threading.Event()
        self.ready_after: float | None = None
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self.lines.append(line)
            if READY in line and self.ready_after is None:
                self.ready_after = time.monotonic() - self._began
                self._is_decided.set()
        self._is_decided.set()

    def is_ready(self) -> bool:
        """Wait until it runs, or until it is certain that it does not."""
        return self._is_decided.wait(READY_WITHIN) and self.ready_after is not None

    def end(self, how: str, *, kill: bool = True) -> Round:
        """Kill it, or stop it. `how` it ended is known to the caller, unless it ended by itself."""
        code = self.process.poll()
        self.process.kill() if kill else self.process.terminate()
        self.process.wait()
        self._reading.join()
        if self.process.stderr is not None:
            self.process.stderr.close()
        return Round(how if code is None else "ended by itself", self.ready_after, self.lines)


class Rounds:
    """A run in a folder. `say` gets a line about each round, and `keep` is the folder for rounds with a fault."""

    def __init__(
        self,
        folder: Path,
        sandbox: Sandbox,
        seed: str,
        redis: PrivateValkey | None,
        slots: int,
        keep: Path,
        say: Callable[[str], None],
    ) -> None:
        """With `slots`, so many candles come from a server; else they come from a folder."""
        self._random = Random(seed)
        self._home = folder / "home"
        self._sandbox = sandbox
        self._keep = keep
        self._say = say
        (folder / "candles").mkdir()
        broker = Broker(self._random, slots) if slots else None
        url = "" if broker is None else broker.server.url
        (folder / "signalpost.toml").write_text(settings(url), encoding="utf-8")
        self._environment = environment_of(sandbox.url, self._home) | {
            "SIGNALPOST_CONFIG": str(folder / "signalpost.toml"),
            "SIGNALPOST_LIMITS": "off",
            "OANDA_TOKEN": TOKEN,
        }
        if redis is not None:
            self._environment["REDIS_URL"] = redis.url.reveal()
        self._writer = broker or Writer(folder / "candles", self._random)
        self._states_from: Counter[str] = Counter()
        self._first: dict[str, datetime] = {}
        """The last candle of each stream that is history for certain."""
        self._rounds: list[Round] = []
        self._reported: set[str] = set()
        self._faults: list[str] = []

    def run(self, rounds: int) -> Found:
        """Kill it so often, and return what is left after it ran to the end."""
        try:
            self._first_start()
            while self._killed() < rounds and len(self._rounds) < 2 * rounds + _MOST_STARTS:
                self._rounds.append(self._round())
                self._judge(f"round {len(self._rounds)} of {rounds}", self._rounds[-1])
        finally:
            self._writer.stop()
        self._last_start()
        return self._found()._replace(rounds=self._rounds, faults=self._faults)

    def _killed(self) -> int:
        return sum(each.end.startswith("killed") for each in self._rounds)

    def _started(self, name: str) -> Serve:
        """A `serve` that is ready. The last of several tries may not be."""
        for _ in range(_MOST_STARTS):
            serve = Serve(self._environment)
            if serve.is_ready():
                break
            self._rounds.append(serve.end("not ready"))
            self._judge(name, self._rounds[-1])
        return serve

    def _first_start(self) -> None:
        """The first candles that it takes are history."""
        time.sleep(max(0.0, 1.7 - (time.time() % 5)) % 5)
        serve = self._started("the first start")
        self._wait_until(lambda: self._watermarks().keys() == self._writer.candles.keys())
        serve.end("killed at the start")

    def _last_start(self) -> None:
        serve = self._started("the last start")
        newest = slot_of(datetime.now(UTC)) - SLOT
        last = {pair: min(newest, candles[-1].time) for pair, candles in self._writer.candles.items()}
        has_caught_up = self._wait_until(lambda: all(self._watermarks()[pair] >= at for pair, at in last.items()))
        time.sleep(1.0)
        wrong = [] if has_caught_up else [f"the streams are at {self._watermarks()}, and the candles at {last}"]
        self._judge("the last start", serve.end("stopped", kill=False), wrong, is_last=True)

    def _wait_until(self, is_done: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + _CAUGHT_UP_WITHIN
        while not is_done():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def _round(self) -> Round:
        serve = Serve(self._environment)
        if self._random.random() < 0.15:
            time.sleep(self._random.uniform(0, 1.2))
            return serve.end("killed at the start")
        if not serve.is_ready():
            return serve.end("not ready")
        time.sleep(5 - time.time() % 5 + self._random.uniform(0, 3))
        self._note_states()
        return serve.end("killed after a close")

    def _judge(self, name: str, played: Round, wrong: Sequence[str] = (), *, is_last: bool = False) -> None:
        """Report a round, and keep everything about it if it has a fault."""
        found = self._found()
        wrong = [*wrong, *(each for each in problems(found) if is_last or not each.endswith(_AT_THE_END))]
        if played.end == "ended by itself":
            wrong.append(f"{name}: `serve` ended by itself")
        new = [each for each in wrong if each not in self._reported]
        self._reported.update(new)
        ready = "" if played.ready_after is None else f", ready after {played.ready_after:.1f} s"
        self._say(f"{name}: {played.end}{ready}; {len(found.in_book)} signals, {len(new)} faults")
        if new or played.end == "not ready":
            where = self._kept(name, played, new)
            self._faults += [f"{each} (since {name}: {where})" for each in new]
            self._say("\n".join([*(f"    {each}" for each in new), f"    kept in {where}"]))

    def _kept(self, name: str, played: Round, wrong: Iterable[str]) -> Path:
        folder = self._keep / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.txt").write_text("".join(played.lines), encoding="utf-8")
        (folder / "faults.txt").write_text("\n".join(wrong), encoding="utf-8")
        messages = list(self._sandbox.discord.guild.messages("signals-free"))
        (folder / "messages.json").write_text(json.dumps(messages, indent=1, default=str), encoding="utf-8")
        if self._home.exists():
            shutil.copytree(self._home, folder / "home", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.bell"))
        return folder

    def _note_states(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            report = json.loads((self._home / "outbox.health").read_bytes())
            self._states_from.update(each["state_from"] for each in report["strategies"] if each["state_from"])

    def _watermarks(self) -> dict[str, datetime]:
        if not (self._home / "outbox.db").exists():
            return {}
        with contextlib.closing(SqliteReader(self._home / "outbox.db")) as reader:
            states = reader.apply([LoadState(config.stream) for config in CONFIGS])
        marks = {config.pair: each.watermark for config, each in zip(CONFIGS, states, strict=True) if each is not None}
        self._first = {**marks, **self._first}
        return marks

    def _found(self) -> Found:
        book = self._book()
        made = [_made(each.trade.signal) for each in book]
        shown = list(self._shown())
        possible = set(self._possible())
        too_old = {each.trade.number for each in book if "unpublished" in each.trade.flags}
        was_late = any(each.end == "not ready" for each in self._rounds)  # for longer than a signal is valid, perhaps
        return Found(
            possible,
            {each for each in possible if each[2] > self._first[each[0]]},
            made,
            Counter(number for number, is_repeat in shown if not is_repeat),
            {number for number, is_repeat in shown if is_repeat},
            {each.trade.number for each in book} - (too_old if was_late else set()),
            len(too_old),
            self._states_from,
        )

    def _book(self) -> Sequence[BookEntry]:
        if not (self._home / "outbox.db").exists():
            return ()
        with contextlib.closing(SqliteReader(self._home / "outbox.db")) as reader:
            (entries,) = reader.apply([FindTrades(limit=1_000_000)])
        return tuple(entries)

    def _possible(self) -> Iterator[Made]:
        last = self._watermarks()
        for config in CONFIGS:
            taken = [
                each for each in self._writer.candles[config.pair] if each.time <= last.get(config.pair, each.time)
            ]
            for cross in crosses(taken, config) if config.pair in last else ():
                if not cross.filters:
                    prices = {name: _decimal(price) for name, price in cross.prices.items()}
                    at = taken[cross.index].time
                    yield str(config.pair), cross.side, at, prices["stop_loss"], prices["take_profit"]

    def _shown(self) -> Iterator[tuple[int, bool]]:
        for message in self._sandbox.discord.guild.messages("signals-free"):
            if message["embeds"]:
                # The edit that adds a chart renews the footer, and leaves the content as it was posted.
                number = int(message["embeds"][0]["footer"]["text"].partition("#")[2].split(" ")[0])
                yield number, "MAY REPEAT" in message["content"]


def _made(signal: Signal) -> Made:
    stop, target = signal.stop_loss or Decimal(0), signal.take_profit or Decimal(0)
    return str(signal.pair), str(signal.signal_type), signal.timestamp, stop, target


def _decimal(price: Fraction) -> Decimal:
    return Decimal(price.numerator) / Decimal(price.denominator)


def play(
    rounds: int,
    seed: str,
    *,
    with_valkey: bool = False,
    with_oanda: bool = False,
    keep: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Found:
    """Play so many rounds in a folder of their own."""
    keep = keep or Path(gettempdir()) / f"signalpost-rounds-{seed}"
    with TemporaryDirectory() as folder, running_sandbox() as sandbox, contextlib.ExitStack() as rest:
        redis = None
        if with_valkey:
            redis = PrivateValkey(Path(folder))
            redis.start()
            rest.callback(redis.kill)
        slots = (rounds + 10) * _SLOTS_A_ROUND if with_oanda else 0
        return Rounds(Path(folder), sandbox, seed, redis, slots, keep, say).run(rounds)


def problems(found: Found) -> list[str]:
    """The faults in what there is at some moment."""
    book = set(found.in_book)
    wrong = [f"not made: {each}" for each in sorted(found.expected - book)]
    wrong += [f"made without a reason: {each}" for each in sorted(book - found.possible)]
    wrong += [f"made twice: {each}" for each, count in Counter(found.in_book).items() if count > 1]
    wrong += [f"#{number} {_AT_THE_END}" for number in sorted(found.numbers - found.shown.keys() - found.marked)]
    return wrong + [f"#{number} is shown {count} times" for number, count in found.shown.items() if count > 1]


def table(found: Found) -> str:
    """A run in a few lines."""
    ends = Counter(each.end for each in found.rounds)
    ready = [each.ready_after for each in found.rounds if each.ready_after is not None] or [0.0]
    rows = [(end, str(count)) for end, count in ends.most_common()]
    rows += [
        ("ready after", f"{statistics.median(ready):.1f} s in the middle, {max(ready):.1f} s at most"),
        ("signals", f"{len(found.in_book)}, of {len(found.expected)} expected; {found.too_old} too old to be posted"),
        ("states from", ", ".join(f"{name} {count}" for name, count in found.states_from.most_common())),
        ("shown again, and marked", ", ".join(f"#{number}" for number in sorted(found.marked)) or "none"),
        ("faults", str(len(found.faults))),
    ]
    return "\n".join(f"{name:<26}{value}" for name, value in rows)


def main() -> int:
    """Play the rounds that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", default=os.environ.get("FAULTS_SEED") or str(SystemRandom().randrange(10**6)))
    parser.add_argument("--valkey", action="store_true", help="cache the states in a private Valkey")
    parser.add_argument("--oanda", action="store_true", help="fetch the candles from a server like OANDA's")
    parser.add_argument("--keep", type=Path, help="folder for rounds with a fault (signalpost-rounds-SEED in TMPDIR)")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)  # noqa: T201
    found = play(
        options.rounds,
        options.seed,
        with_valkey=options.valkey,
        with_oanda=options.oanda,
        keep=options.keep,
        say=partial(print, flush=True),
    )
    print(table(found))  # noqa: T201
    print("\n".join(found.faults) or "all signals are those of the batch computation, each shown once")  # noqa: T201
    return bool(found.faults)


if __name__ == "__main__":
    raise SystemExit(main())
