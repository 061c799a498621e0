"""Runs one seed, from its plan to its record."""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import blake2s
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

from signalpost import clock
from signalpost.delivery.outbox.book import BookEntry
from signalpost.sandbox.rules.discord import LocalDiscord
from signalpost.sandbox.rules.moderator import DeleteMessage, MoveWebhook
from signalpost.testing.virtual_loop import VirtualLoop
from simulation.candles import Series, drawn_series
from simulation.clocks import Clocks
from simulation.disk import Disk
from simulation.faults import FaultSchedule
from simulation.life import note_life
from simulation.machine import Machine, Process
from simulation.network import Network
from simulation.plan import PLACES, Action, Plan, plan, plan_of_strategies
from simulation.reader import card_in
from simulation.recorder import OPEN, Recorder, Saved
from simulation.strategies import Market

LONGEST_CALM = 3 * 3600.0
"""Seconds after the last disturbance by which every deliverable message must be delivered."""
_LOOK_EVERY = 60.0
_HEALTH_EVERY = 10.0
_OF_THE_WORLD = frozenset(
    {"step", "suspend", "suspend, counted", "delete", "rotate", "restore", "delete a card", "move"}
)
_FAST = Path("/dev/shm")  # a file system in memory, with free syncs


class Run(NamedTuple):
    """A finished run."""

    plan: Plan
    recorder: Recorder
    discord: LocalDiscord
    series: tuple[Series, ...] = ()
    """The candles of strategies."""
    trades: tuple[BookEntry, ...] = ()
    """The book at the end of a run of strategies, the newest trade first."""
    seen: Mapping[str, int] = MappingProxyType({})
    """What happened to the strategies, and how often."""

    @property
    def digest(self) -> str:
        """A hash over requests, commits, answers to callers and all events in order; equal for equal runs."""
        recorder = self.recorder
        lists: tuple[Sequence[object], ...] = (
            *(recorder.requests, recorder.commits, recorder.submitted, recorder.opened, recorder.asked),
            *(recorder.amended, recorder.of_streams),
        )
        lines = [str(each) for entries in lists for each in entries]
        return blake2s("\n".join([*lines, recorder.order.hexdigest()]).encode()).hexdigest()


def simulate(
    seed: int, hours: float, *, is_calm: bool = False, has_trades: bool = True, has_strategies: bool = False
) -> Run:
    """Run a seed for `hours`, reproducibly.

    A calm run has no faults, and one without trades no changes. Strategies make all signals of a run, or none.
    """
    if has_strategies:
        made = plan_of_strategies(seed, hours)
    else:
        made = plan(seed, hours, is_calm=is_calm, has_trades=has_trades)
    with TemporaryDirectory(prefix="signalpost-simulation-", dir=_FAST if _FAST.is_dir() else None) as folder:
        disk = Disk(Path(folder) / "outbox.db")
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, VirtualLoop)
            loop.set_task_factory(note_life)
            clocks = Clocks(loop, made.dawn)
            before = clock.install(clocks)
            try:
                return runner.run(_World(made, clocks, disk).run())
            finally:
                clock.install(before)
                disk.crash()


class _World:
    """All parts of a run."""

    def __init__(self, plan: Plan, clocks: Clocks, disk: Disk) -> None:
        self._plan = plan
        self._clocks = clocks
        self._recorder = Recorder(clocks)
        self._faults = FaultSchedule(
            Random(f"weather {plan.seed}"), plan.fault_share, plan.outages
        )  # the kept seeds need this name
        self._discord = LocalDiscord()
        for place in PLACES.values():
            self._register(place.name)
        network = Network(self._discord, PLACES, self._faults, clocks, self._recorder, Random(f"network {plan.seed}"))
        self._disk = disk
        candles = Random(f"candles {plan.seed}")
        self._series = drawn_series(candles, plan.dawn, plan.hours) if plan.has_strategies else ()
        self._market = Market(self._series, self._recorder, Random(f"feed {plan.seed}"))
        self._machine = Machine(
            plan,
            disk,
            network,
            self._recorder,
            Random(f"machine {plan.seed}"),
            Random(f"producer {plan.seed}"),
            self._market,
        )
        self._moderator = Random(f"moderator's choice {plan.seed}")

    async def run(self) -> Run:
        """Execute the plan, wait until everything settles, and return the record."""
        is_over = asyncio.Event()
        running = asyncio.get_running_loop().create_task(self._machine.run(is_over))
        watching = asyncio.get_running_loop().create_task(self._watch_health()) if self._plan.is_calm else None
        await asyncio.sleep(0)
        began = self._clocks.seconds()
        for action in self._plan.actions:
            await asyncio.sleep(max(0.0, began + action.at - self._clocks.seconds()))
            self._act(action)
        await asyncio.sleep(max(0.0, began + self._plan.hours * 3600 - self._clocks.seconds()))
        self._faults.is_over = self._market.is_over = True
        await self._calm_down()
        is_over.set()
        if watching is not None and not watching.cancel():
            watching.result()  # it failed
        await running
        self._recorder.book = self._disk.book()
        trades = self._disk.trades() if self._series else ()
        seen = self._market.seen
        for each in self._market.runners:
            seen.update({f"{rule}": count for rule, count in each.counts.items()})
            seen.update({f"state from {source}": count for source, count in each.states_from.items()})
        return Run(self._plan, self._recorder, self._discord, self._series, trades, seen)

    async def _watch_health(self) -> None:
        """Record every problem that health reports in a calm run."""
        while True:
            await asyncio.sleep(_HEALTH_EVERY)
            if self._machine.process is not None:
                self._recorder.health_reports.update(self._machine.process.health())

    def _act(self, action: Action) -> None:
        if action.submission is not None:
            submission = action.submission
            if action.kind == "conflict":
                submission = submission._replace(ref=f"{submission.ref}c", variant=1)
            self._machine.submit(submission)
        elif action.change is not None:
            self._machine.change(action.change)
        elif action.kind == "join":
            self._machine.join(action.number)
        elif action.kind == "freeze":
            self._machine.freeze(action.number)
        elif action.kind in _OF_THE_WORLD:
            self._change_the_world(action)
        elif self._machine.process is not None:
            self._change_the_process(action, self._machine.process)

    def _change_the_world(self, action: Action) -> None:
        clocks, recorder = self._clocks, self._recorder
        match action.kind:
            case "step":
                recorder.trouble("step")
                if action.number < 0:
                    recorder.put_back.append((clocks.seconds(), -action.number))
                clocks.step(action.number)
            case "delete":
                recorder.trouble("gone", place=action.place)
                self._discord.guild.delete(PLACES[action.place].webhook)
            case "rotate":
                recorder.trouble("gone", place=action.place)
                self._register(action.place, token="x" * 68)
            case "delete a card":
                self._delete_a_card()
            case "move":
                self._move(action.place)
            case "restore":
                self._register(action.place)
                if self._machine.process is not None:
                    self._machine.process.life.spawn(self._machine.process.enable(action.place))
            case kind:
                counts = kind == "suspend, counted"
                recorder.trouble("suspend", action.number if counts else 0.0)
                clocks.suspend(action.number, counts=counts)

    def _delete_a_card(self) -> None:
        """Delete a message that shows a trade that changes, if there is one; again if it was replaced."""
        recorder, guild = self._recorder, self._discord.guild
        numbers = set(recorder.numbers.values())
        shown = {
            message["id"]: card
            for channel in guild.channels()
            for message in guild.messages(channel)
            if message["embeds"] and (card := card_in(message["embeds"][0])) is not None and card.number in numbers
        }
        if shown:
            live = [id for id, card in shown.items() if not card.is_ended]
            replaced = [id for id in live if shown[id].replaces]
            id = self._moderator.choice(replaced or self._moderator.choice((live, list(shown))) or list(shown))
            self._discord.moderate(DeleteMessage(id), self._clocks.moment())
            recorder.deleted[id] = self._clocks.seconds()

    def _move(self, name: str) -> None:
        """Move a webhook to its other channel."""
        webhook, channel = PLACES[name].webhook, PLACES[name].channel
        now = self._discord.guild.channel_of(webhook)
        if now is not None:
            self._recorder.trouble("moved", place=name)
            other = f"{channel}-2" if now == channel else channel
            self._discord.moderate(MoveWebhook(webhook, other), self._clocks.moment())

    def _change_the_process(self, action: Action, process: Process) -> None:
        match action.kind:
            case "doom":
                process.life.doom(action.place, int(action.number))
            case "kill":
                process.life.die("killed")
            case "stop":
                process.life.spawn(process.stop(action.number))
            case "cancel":
                process.life.spawn(process.cancel_one())
            case _:
                process.life.spawn(process.revive_one())

    def _register(self, name: str, token: str | None = None) -> None:
        place = PLACES[name]
        self._discord.guild.register(place.webhook, token or place.token, channel=place.channel)

    async def _calm_down(self) -> None:
        """Wait until no delivery is open and no stream is behind, for at most LONGEST_CALM while a process runs."""
        deadline = self._clocks.seconds() + LONGEST_CALM + max(self._plan.pauses)
        while self._clocks.seconds() < deadline:
            await asyncio.sleep(_LOOK_EVERY)
            if not self._open() and not self._holds() and not self._are_behind():
                return
        self._recorder.left_open = self._open()

    def _holds(self) -> bool:
        """True if the machine still holds notifications in memory."""
        lives = len(self._recorder.lives)
        recorder = self._recorder
        answers = [answer for submitted in (*recorder.submitted, *recorder.opened) for answer in submitted.answers]
        answers += [answer for asked in recorder.asked for answer in asked.answers]
        known = {*recorder.refs, *(each.id for each in recorder.amended)}
        return any(outcome == "held" and id not in known and life > lives for outcome, id, _, life in answers)

    def _are_behind(self) -> bool:
        """True if a stream has not taken its last candle yet, or a digest may be missing."""
        recorder = self._recorder
        saved = {each.stream: each for each in recorder.of_streams if isinstance(each, Saved)}
        last = {each.config.stream: each.candles[-1].candle.time for each in self._series}
        quiet = self._clocks.seconds() - 60
        settled = {str(each.config.pair): each.settled[-1].candle.time for each in self._series}
        if any(since <= settled[recorder.pairs[name]] for name, since in recorder.following.items()):
            return True
        return any(name not in saved or saved[name].watermark < at for name, at in last.items()) or any(
            each.at > quiet for each in saved.values()
        )

    def _open(self) -> list[tuple[str, int, str]]:
        state: dict[tuple[str, int, str], str] = {}
        for commit in self._recorder.commits:
            state[commit.id, commit.turn, commit.place] = commit.state
        return [name for name, each in state.items() if each in OPEN]
