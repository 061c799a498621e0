"""Kills `signalpost serve` again and again while it runs strategies on candles of 5 seconds, and compares what it made.

    python -m tests.faults.strategy_rounds --rounds 200 [--seed S] [--valkey] [--oanda]

A round starts `serve`, waits for the next close of a candle, and kills the process within 3 seconds after it, or while
it starts. A thread writes the candles into the folder that the feed watches, some of them late; or a server that speaks
as OANDA does has them, each incomplete until 2 seconds after its close. At the end, the signals of the book are those
of a batch computation that shares no code with signalpost, and the channel shows each once.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from signalpost import Candle, MAUnifiedConfig
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.outbox.commands import LoadState
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.sandbox.server import Sandbox
from tests.acceptance.conftest import Environment, environment_of, running_sandbox
from tests.acceptance.serving import READY
from tests.channel import is_marked
from tests.contracts.exact_batch import crosses
from tests.faults.valkey_server import PrivateValkey
from tests.oanda_server import TOKEN, OandaServer

SLOT = timedelta(seconds=5)
HISTORY = 40
CONFIGS = (
    MAUnifiedConfig(pair="EUR_USD", timeframe="S5", fast=1, slow=3, atr_period=3),
    MAUnifiedConfig(pair="GBP_USD", timeframe="S5", fast=2, slow=3, atr_period=2),
    MAUnifiedConfig(pair="USD_JPY", timeframe="S5", fast=1, slow=2, atr_period=4),
)
_PATIENCE = 600.0


Made = tuple[str, str, datetime, Decimal, Decimal]
"""Pair, side and candle of a signal, with its stop and its target."""


class Found(NamedTuple):
    """The remains of a run."""

    expected: set[Made]
    in_book: list[Made]
    shown: Counter[int]
    """Cards of each number in the channel, without those that say that they may be repeats."""
    marked: set[int]
    """The numbers of the cards that say so."""
    numbers: set[int]
    """The numbers in the book."""
    states_from: Counter[str]
    """Where the state of each stream came from at the starts that were seen."""
    kills: int


def candle_at(opened: datetime, pair: str, price: int) -> Candle:
    """A candle that closes at a price in ticks."""
    places = 3 if pair.endswith("JPY") else 5
    close, tick = Decimal(price).scaleb(-places), Decimal(3).scaleb(-places)
    return Candle(time=opened, open=close, high=close + tick, low=close - tick, close=close)


class Broker:
    """A server that speaks as OANDA does, with candles for the next minutes."""

    def __init__(self, random: Random, slots: int) -> None:
        first = slot_of(datetime.now(UTC)) - HISTORY * SLOT
        self.candles: dict[str, list[Candle]] = {}
        for config in CONFIGS:
            price = 10_000
            series = self.candles[config.pair] = []
            for place in range(HISTORY + slots):
                price = max(9_000, price + random.choice([-9, -5, 0, 4, 8]))
                series.append(candle_at(first + place * SLOT, config.pair, price))
        self.server = OandaServer({(pair, "S5"): series for pair, series in self.candles.items()})
        self.server.__enter__()

    def stop(self) -> None:
        """It goes on, so that the last start gets its candles."""


class Writer:
    """Writes a candle of each pair at the close of each slot, sometimes late, until it is stopped."""

    def __init__(self, folder: Path, random: Random) -> None:
        self._folder = folder
        self._random = random
        self.candles: dict[str, list[Candle]] = {config.pair: [] for config in CONFIGS}
        self._price = dict.fromkeys(self.candles, 10_000)
        now = slot_of(datetime.now(UTC))
        for place in range(HISTORY, 0, -1):
            self._append(now - place * SLOT)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(now,))
        self._thread.start()

    def stop(self) -> None:
        """Write no more."""
        self._stopped.set()
        self._thread.join()

    def _run(self, opened: datetime) -> None:
        while True:
            late = self._random.choice([0.0, 0.0, 0.3, 1.5])
            wait = (opened + SLOT - datetime.now(UTC)).total_seconds() + late
            if self._stopped.wait(max(0.0, wait)):
                return
            self._append(opened)
            opened += SLOT

    def _append(self, opened: datetime) -> None:
        for pair, candles in self.candles.items():
            self._price[pair] = max(9_000, self._price[pair] + self._random.choice([-9, -5, 0, 4, 8]))
            made = candle_at(opened, pair, self._price[pair])
            candles.append(made)
            path = self._folder / f"{pair}_S5.csv"
            is_new = not path.exists()
            with path.open("a", encoding="utf-8") as file:
                if is_new:
                    file.write("time,open,high,low,close\n")
                prices = f"{made.open},{made.high},{made.low},{made.close}"
                file.write(f"{opened:%Y-%m-%dT%H:%M:%SZ},{prices}\n")


def slot_of(at: datetime) -> datetime:
    """The open of the slot at an instant."""
    return at - timedelta(microseconds=at.microsecond, seconds=at.second % 5)


def settings(url: str = "") -> str:
    """The settings file; with the address of a broker, if any."""
    tables = [
        f'[[strategy]]\npair = "{each.pair}"\ntimeframe = "S5"\nfast = {each.fast}\nslow = {each.slow}\n'
        f'atr_period = {each.atr_period}\nfeed = "files"\nfollow = false\n'
        for each in CONFIGS
    ]
    kind = f'kind = "oanda"\nurl = "{url}"' if url else 'kind = "folder"\npath = "candles"'
    return "\n".join([f'[feeds.files]\n{kind}\ncalendar = "always"\n', *tables])


class Serve:
    """A `serve` that can be killed."""

    def __init__(self, environment: Environment) -> None:
        command = [sys.executable, "-m", "signalpost", "serve", "--http", "off"]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        self._ready = threading.Event()
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self.lines.append(line)
            if READY in line:
                self._ready.set()
        self._ready.set()

    def wait_until_ready(self) -> None:
        """Wait until it runs."""
        assert self._ready.wait(_PATIENCE), self.lines
        assert self.process.poll() is None, self.lines

    def end(self, *, kill: bool) -> None:
        """Kill it, or stop it."""
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(_PATIENCE)
        self._reading.join()
        if self.process.stderr is not None:
            self.process.stderr.close()


class Rounds:
    """A run in a folder."""

    def __init__(self, folder: Path, sandbox: Sandbox, seed: str, redis: PrivateValkey | None, slots: int) -> None:
        """With `slots`, so many candles come from a server; else they come from a folder."""
        self._random = Random(seed)
        self._home = folder / "home"
        self._sandbox = sandbox
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
        self._kills = 0

    def run(self, rounds: int) -> Found:
        """Kill it so often, and return what is left after it ran to the end."""
        try:
            first = self._first_start()
            for _ in range(rounds):
                self._round()
        finally:
            self._writer.stop()
        serve = Serve(self._environment)
        serve.wait_until_ready()
        newest = slot_of(datetime.now(UTC)) - SLOT
        last = {pair: min(newest, candles[-1].time) for pair, candles in self._writer.candles.items()}
        _until(lambda: all(self._watermarks()[pair] >= at for pair, at in last.items()))
        time.sleep(1.0)
        serve.end(kill=False)
        return self._found(first, self._watermarks())

    def _first_start(self) -> dict[str, datetime]:
        """The first candles that it takes are history. Returns the last of each stream."""
        time.sleep(max(0.0, 1.7 - (time.time() % 5)) % 5)
        serve = Serve(self._environment)
        serve.wait_until_ready()
        _until(lambda: len(self._watermarks()) == len(CONFIGS))
        marks = self._watermarks()
        serve.end(kill=True)
        return marks

    def _round(self) -> None:
        serve = Serve(self._environment)
        if self._random.random() < 0.15:
            time.sleep(self._random.uniform(0, 1.2))
        else:
            serve.wait_until_ready()
            time.sleep(5 - time.time() % 5 + self._random.uniform(0, 3))
            self._note_states()
        serve.end(kill=True)
        self._kills += 1

    def _note_states(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            report = json.loads((self._home / "outbox.health").read_bytes())
            self._states_from.update(each["state_from"] for each in report["strategies"] if each["state_from"])

    def _watermarks(self) -> dict[str, datetime]:
        if not (self._home / "outbox.db").exists():
            return {}
        with contextlib.closing(SqliteReader(self._home / "outbox.db")) as reader:
            states = reader.apply([LoadState(config.stream) for config in CONFIGS])
        return {config.pair: each.watermark for config, each in zip(CONFIGS, states, strict=True) if each is not None}

    def _found(self, first: dict[str, datetime], last: dict[str, datetime]) -> Found:
        with contextlib.closing(SqliteReader(self._home / "outbox.db")) as reader:
            (entries,) = reader.apply([FindTrades(limit=1_000_000)])
        book: Sequence[BookEntry] = entries
        signals = [each.trade.signal for each in book]
        made = [
            (
                str(each.pair),
                str(each.signal_type),
                each.timestamp,
                each.stop_loss or Decimal(0),
                each.take_profit or Decimal(0),
            )
            for each in signals
        ]
        shown = list(self._shown())
        return Found(
            set(self._expected(first, last)),
            made,
            Counter(number for number, is_repeat in shown if not is_repeat),
            {number for number, is_repeat in shown if is_repeat},
            {each.trade.number for each in book},
            self._states_from,
            self._kills,
        )

    def _expected(self, first: dict[str, datetime], last: dict[str, datetime]) -> Iterator[Made]:
        for config in CONFIGS:
            candles = self._writer.candles[config.pair]
            for cross in crosses(candles, config):
                at = candles[cross.index].time
                if first[config.pair] < at <= last[config.pair] and not cross.filters:
                    prices = {name: _decimal(price) for name, price in cross.prices.items()}
                    yield str(config.pair), cross.side, at, prices["stop_loss"], prices["take_profit"]

    def _shown(self) -> Iterator[tuple[int, bool]]:
        for message in self._sandbox.discord.guild.messages("signals-free"):
            if message["embeds"]:
                # The edit that adds a chart renews the footer, and leaves the first line as it was posted.
                is_repeat = is_marked(message) or "MAY REPEAT" in message["content"]
                yield int(message["embeds"][0]["footer"]["text"].partition("#")[2].split(" ")[0]), is_repeat


def _decimal(price: Fraction) -> Decimal:
    return Decimal(price.numerator) / Decimal(price.denominator)


def _until(is_done: Any) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def play(rounds: int, seed: str, *, with_valkey: bool = False, with_oanda: bool = False) -> Found:
    """Play so many rounds in a folder of their own."""
    with TemporaryDirectory() as folder, running_sandbox() as sandbox, contextlib.ExitStack() as rest:
        redis = None
        if with_valkey:
            redis = PrivateValkey(Path(folder))
            redis.start()
            rest.callback(redis.kill)
        return Rounds(Path(folder), sandbox, seed, redis, (rounds + 10) * 6 if with_oanda else 0).run(rounds)


def problems(found: Found) -> list[str]:
    """The faults of a run."""
    book = set(found.in_book)
    wrong = [f"not made: {each}" for each in sorted(found.expected - book)]
    wrong += [f"made without a reason: {each}" for each in sorted(book - found.expected)]
    wrong += [f"made twice: {each}" for each, count in Counter(found.in_book).items() if count > 1]
    wrong += [f"#{number} is not shown" for number in sorted(found.numbers - found.shown.keys() - found.marked)]
    return wrong + [f"#{number} is shown {count} times" for number, count in found.shown.items() if count > 1]


def main() -> int:
    """Play the rounds that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", default=os.environ.get("FAULTS_SEED") or str(SystemRandom().randrange(10**6)))
    parser.add_argument("--valkey", action="store_true", help="cache the states in a private Valkey")
    parser.add_argument(
        "--oanda", action="store_true", help="fetch the candles from a server that speaks as OANDA does"
    )
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)  # noqa: T201
    found = play(options.rounds, options.seed, with_valkey=options.valkey, with_oanda=options.oanda)
    wrong = problems(found)
    print(f"{found.kills} kills, {len(found.expected)} signals, states from {dict(found.states_from)}")  # noqa: T201
    print(f"shown again, and marked: {sorted(found.marked)}")  # noqa: T201
    print("\n".join(wrong) or "all signals are those of the batch computation, each shown once")  # noqa: T201
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
