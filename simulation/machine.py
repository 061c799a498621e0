"""The machine under test: starts processes, lets them crash, stop and freeze, and restarts or replaces them."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from random import Random
from typing import Any, NamedTuple

from signalpost.domain.notification import Payload
from signalpost.domain.priority import NotificationPriority
from simulation.disk import Disk, Mood, MortalOutbox
from simulation.life import Life, never
from simulation.network import Network
from simulation.plan import Plan
from simulation.process import Process
from simulation.recorder import Asked, Recorder, Submitted
from simulation.strategies import Market
from simulation.trades import Change
from simulation.workload import Submission, change_of, payload_of

_TAKEN_OVER_AFTER = 30.0
"""Seconds for which an owner is frozen before another process takes over."""
_HEARD_WITHIN = 0.1
"""Seconds until a process learns what another has written, at most."""
_REMAINS = 600.0
"""Seconds for which a replaced process goes on."""


class _Unanswered(NamedTuple):
    """A submission without an answer, and the process that has it."""

    submitted: Submitted
    submission: Submission
    payload: Payload
    process: Process


class Machine:
    """Runs one process after another on one disk."""

    def __init__(
        self,
        plan: Plan,
        disk: Disk,
        network: Network,
        recorder: Recorder,
        random: Random,
        producer: Random,
        market: Market,
    ) -> None:
        self._plan = plan
        self._market = market
        self._disk = disk
        self._network = network
        self._recorder = recorder
        self._random = random
        self._number = 0
        self._process: Process | None = None
        self._beside: Process | None = None
        """A process that queues while another one delivers. It takes over if that one does not respond."""
        self._chores: set[asyncio.Task[None]] = set()
        self._payloads: dict[str, Payload] = {}
        self._unanswered: list[_Unanswered] = []
        self._sides: dict[str, str] = {}
        self._versions: dict[str, int] = {}
        """The version of each trade that its producer knows."""
        self._unanswered_changes: list[tuple[Asked, Process]] = []
        self._producer = producer

    @property
    def process(self) -> Process | None:
        """The process that delivers; None between two processes."""
        return self._process if self._process is not None and not self._process.life.is_dead else None

    @property
    def _producer_of_next(self) -> Process | None:
        """A process that can submit something now."""
        owner = None if self.process is None or self.process.life.is_frozen else self.process
        if self._beside is None:
            return owner
        return self._beside if owner is None or self._producer.random() < 0.5 else owner

    async def run(self, is_over: asyncio.Event) -> None:
        """Keep a process running until the run ends."""
        while not is_over.is_set():
            await self._live(is_over)
        for chore in self._chores:
            chore.cancel()
        if self._beside is not None:
            await self._end(self._beside)

    async def _live(self, is_over: asyncio.Event) -> None:
        recorder = self._recorder
        process = self._process = self._heir() or self._new(owns=True)
        began, life = recorder.clocks.seconds(), process.life
        life.spawn(process.begin())
        waiting = [asyncio.get_running_loop().create_task(event.wait()) for event in (life.is_over, is_over)]
        for each in self._retried():
            self.submit(each.submission, each.payload, each.submitted)
        for asked in self._retried_changes():
            self.change(asked.change, asked)
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if not life.is_deposed:
            life.die("the end")
            await self._clear_away(process)
        recorder.lives.append((life.number, began, recorder.clocks.seconds(), life.end))
        if not is_over.is_set() and not life.is_deposed:
            down = self._random.choice(self._plan.pauses) if self._beside is None else _HEARD_WITHIN
            recorder.trouble("down", down)
            await asyncio.sleep(down)

    def _new(self, *, owns: bool) -> Process:
        self._number += 1
        recorder = self._recorder
        life = Life(self._number, recorder.clocks.seconds())
        mood = Mood(self._plan.slowest_commit, self._plan.store_down, self._plan.share_of_failed_signals)
        outbox = MortalOutbox(self._disk, life, mood, recorder, self._random, owns=owns)
        process = Process(self._plan, life, outbox, self._network, recorder, self._random, self._market)
        outbox.on_commit = partial(self._tell_others, process)
        return process

    def _tell_others(self, writer: Process) -> None:
        for other in (self.process, self._beside):
            if other is not None and other is not writer:
                other.life.soon(other.outbox.hear, self._random.random() * _HEARD_WITHIN)

    def _heir(self) -> Process | None:
        """The process beside the last owner, which takes over."""
        heir, self._beside = self._beside, None
        if heir is not None:
            heir.outbox.core.own(over_a_live_one=True)
            self._recorder.trouble("taken over")
        return heir

    def join(self, seconds: float) -> None:
        """Start a process that queues beside the one that delivers, for some time."""
        if self._beside is None and self.process is not None and self.process.ready.is_set():
            self._beside = self._new(owns=False)
            self._beside.ready.set()
            self._recorder.trouble("beside")
            self._do(self._leave(self._beside, seconds))

    def freeze(self, seconds: float) -> None:
        """Freeze the process that delivers, for some time."""
        if self.process is not None and self.process.ready.is_set() and not self.process.life.is_frozen:
            self._do(self._frozen(self.process, seconds))

    def _do(self, chore: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _leave(self, process: Process, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self._beside is process:
            await self._end(process)

    async def _frozen(self, process: Process, seconds: float) -> None:
        life = process.life
        process.freeze(seconds)
        self._recorder.trouble("frozen", seconds)
        self._recorder.trouble("suspend", seconds)
        await asyncio.sleep(min(seconds, _TAKEN_OVER_AFTER))
        if seconds > _TAKEN_OVER_AFTER and self._beside is not None and not life.is_dead:
            life.depose()
            await asyncio.sleep(seconds - _TAKEN_OVER_AFTER)
        process.thaw()
        if life.is_deposed:
            await asyncio.sleep(_REMAINS)
            await self._end(process)

    async def _end(self, process: Process) -> None:
        if self._beside is process:
            self._beside = None
        process.life.die("left")
        await self._clear_away(process)
        self._recorder.beside[process.life.number] = process.life.end

    async def _clear_away(self, process: Process) -> None:
        """Cancel every task of a process; none has a visible effect any more."""
        process.retire()
        while gone := [task for task in process.life.tasks if not task.done()]:  # some start another task as they end
            for task in gone:
                task.cancel()
            await asyncio.gather(*gone, return_exceptions=True)
        self._disk.crash(process.outbox.core)

    def submit(
        self, submission: Submission, payload: Payload | None = None, submitted: Submitted | None = None
    ) -> None:
        """Submit a notification within the running process and record its ticket; do nothing between processes."""
        process = self._producer_of_next
        if process is None:
            return
        made = payload or self._payloads.get(submission.ref) or payload_of(submission)
        self._payloads[submission.ref] = made
        if submitted is None:
            clocks, it = self._recorder.clocks, submission
            submitted = Submitted(
                it.ref, it.sequence, it.order, it.kind, it.event, it.tier, it.priority, it.places,
                made.valid_until, clocks.seconds(), clocks.now(), process.life.number,
            )  # fmt: skip
            (self._recorder.opened if it.kind == "trade" else self._recorder.submitted).append(submitted)
        if submission.kind == "trade":
            self._sides[submission.ref] = submission.side
        asking = _Unanswered(submitted, submission, made, process)
        self._unanswered.append(asking)
        process.life.spawn(self._submit(asking))

    def _retried(self) -> list[_Unanswered]:
        """Take the unanswered submissions of dead processes; about half of them are submitted again."""
        lost = [each for each in self._unanswered if each.process.life.is_dead]
        self._unanswered = [each for each in self._unanswered if not each.process.life.is_dead]
        return [each for each in lost if self._random.random() < 0.5]

    def change(self, change: Change, asked: Asked | None = None) -> None:
        """Change a trade within the running process and record the ticket; do nothing between processes."""
        process = self._producer_of_next
        if process is None or change.trade not in self._sides:
            return
        if asked is None:
            asked = Asked(change, self._recorder.clocks.seconds(), process.life.number)
            self._recorder.asked.append(asked)
        self._unanswered_changes.append((asked, process))
        process.life.spawn(self._change(process, asked))

    def _retried_changes(self) -> list[Asked]:
        lost = [asked for asked, process in self._unanswered_changes if process.life.is_dead]
        self._unanswered_changes = [each for each in self._unanswered_changes if not each[1].life.is_dead]
        return [each for each in lost if self._producer.random() < 0.5]

    async def _change(self, process: Process, asked: Asked) -> None:
        await process.ready.wait()
        change = asked.change
        known = self._versions.get(change.trade, 1)
        try:
            ticket = await process.engine.intake.amend(
                change.trade,
                change_of(change, self._sides[change.trade]),
                if_version=None if change.behind is None else max(1, known - change.behind),
                context={"ref": change.trade, "change": change.ref},
            )
        except Exception as fault:  # noqa: BLE001  # the promise under test is that nothing is raised
            self._recorder.raised.append(f"{change.ref}: {type(fault).__name__}: {fault}")
            return
        if process.life.is_dead:
            await never()
        self._unanswered_changes.remove((asked, process))
        if ticket.version is not None:
            self._versions[change.trade] = max(known, ticket.version)
        asked.answers.append((ticket.outcome.value, ticket.id, ticket.version, process.life.number))

    async def _submit(self, asking: _Unanswered) -> None:
        submitted, submission, payload, process = asking
        await process.ready.wait()
        try:
            ticket = await process.engine.intake.accept(
                payload,
                event=submission.event,
                priority=NotificationPriority(submission.priority) if submission.has_priority else None,
                user_tier=submission.tier,
                context={"ref": submission.ref},
            )
        except Exception as fault:  # noqa: BLE001  # the promise under test is that nothing is raised
            self._recorder.raised.append(f"{submission.ref}: {type(fault).__name__}: {fault}")
            return
        if process.life.is_dead:
            await never()
        self._unanswered.remove(asking)
        now = self._recorder.clocks.seconds()
        submitted.answers.append((ticket.outcome.value, ticket.id, now, process.life.number))
