"""The start and stop contract of the runtime, point by point, as its docstring states it."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from signalpost import Config, HealthStatus, Outcome, Refusal, Role, StoreFailed
from signalpost.config import STORE_FILE, DestinationConfig
from signalpost.delivery.dispatch.dispatcher import Dispatcher
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.lock import is_held
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.delivery.wake_socket import Waker, WakeSocket
from signalpost.errors import StoreClosed
from signalpost.secret import Secret
from signalpost.service import once, run
from signalpost.service.health_report import Reporter
from signalpost.service.operator_alerts import OperatorAlerts
from signalpost.service.owner import OwnerWatch
from signalpost.service.runtime import Runtime
from signalpost.sinks.discord.service import DiscordService
from tests.unit.service.conftest import codes, signal
from tests.until import until

NOBODY_LISTENS = "http://127.0.0.1:9/api/v10/webhooks/1/token-to-hide"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A folder of its own, and a webhook that nobody answers."""
    destination = DestinationConfig("signals-free", Secret(NOBODY_LISTENS), NOTHING_ASSUMED)
    return Config(home=tmp_path / "home", destinations=(destination,), host_rate=None)


class Leftovers:
    """The threads, locks, sockets, tasks and timers that did not exist before."""

    def __init__(self, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lock = config.home / f"{STORE_FILE}.lock"
        self._sockets = _sockets()
        self._threads = {*threading.enumerate()}
        self._timers: list[asyncio.TimerHandle] = []
        loop = asyncio.get_running_loop()
        call_at = loop.call_at

        def noted(*arguments: Any, **named: Any) -> asyncio.TimerHandle:
            timer = call_at(*arguments, **named)
            self._timers.append(timer)
            return timer

        monkeypatch.setattr(loop, "call_at", noted)

    @property
    def found(self) -> list[str]:
        """Everything that is left."""
        now = asyncio.get_running_loop().time()
        return [
            *(each.name for each in {*threading.enumerate()} - self._threads if each.name == "signalpost outbox"),
            *(["lock"] if is_held(self._lock) else []),
            *(_sockets() - self._sockets),
            *(task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("signalpost")),
            *(str(timer) for timer in self._timers if not timer.cancelled() and timer.when() > now),
        ]

    async def gone(self) -> None:
        """Wait until nothing is left, without a timer."""
        now = asyncio.get_running_loop().time
        deadline = now() + 10
        while found := self.found:
            assert now() < deadline, found
            await asyncio.sleep(0)


def _sockets() -> set[str]:
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of this folder itself
            found.add(str(each.readlink()))
    return {target for target in found if target.startswith("socket:")}


class SlowDisk:
    """A disk on which a store opens only once `goes_on` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opens, self.goes_on = threading.Event(), threading.Event()
        self._core = once.SqliteCore
        monkeypatch.setattr(once, "SqliteCore", self._open)

    def _open(self, path: Path, *, owns: bool | None) -> Any:
        self.opens.set()
        assert self.goes_on.wait(10)
        return self._core(path, owns=owns)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    disk = SlowDisk(monkeypatch)
    yield disk
    disk.goes_on.set()


async def test_1_concurrent_starts_are_one_start_and_one_error(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(config)
    await asyncio.gather(*(runtime.start() for _ in range(3)))
    first = runtime.run
    await runtime.start()
    assert runtime.run is first
    await runtime.stop(0)
    (config.home / STORE_FILE).write_bytes(b"damaged " * 1_000)
    faults = await asyncio.gather(*(runtime.start() for _ in range(3)), return_exceptions=True)
    assert isinstance(faults[0], Exception)
    assert all(fault is faults[0] for fault in faults)


async def test_1_a_start_during_a_stop_waits_and_begins_anew(config: Config) -> None:
    runtime = Runtime(config)
    await runtime.start()
    first = runtime.run
    stopping = asyncio.create_task(runtime.stop(0))
    await asyncio.sleep(0)
    await runtime.start()
    assert stopping.done()
    assert runtime.run not in {first, None}
    assert runtime.role is Role.OWNER
    await runtime.stop(0)


@pytest.mark.parametrize("rounds", [0, 1, 2, 5, 13, 40, 100])
async def test_2_cancelled_starts_leave_nothing(config: Config, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    leftovers = Leftovers(config, monkeypatch)
    runtime = Runtime(config)
    starts = [asyncio.create_task(runtime.start()) for _ in range(3)]
    for _ in range(rounds):
        await asyncio.sleep(0)
    for start in starts:
        start.cancel()
    await asyncio.wait(starts)
    await runtime.stop(0)  # joins the end of a start that was cut short
    await leftovers.gone()
    assert runtime.role is None


async def test_2_a_start_that_is_cancelled_while_the_store_opens_leaves_nothing(
    config: Config, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    leftovers = Leftovers(config, monkeypatch)
    runtime = Runtime(config)
    start = asyncio.create_task(runtime.start())
    await asyncio.to_thread(disk.opens.wait, 10)
    start.cancel()
    await asyncio.wait([start])
    disk.goes_on.set()
    await leftovers.gone()


async def test_3_a_stop_before_a_start_returns_an_empty_list(config: Config) -> None:
    assert await Runtime(config).stop(0) == []
    assert not config.home.exists()


async def test_3_a_stop_cuts_a_start_short(config: Config, disk: SlowDisk) -> None:
    runtime = Runtime(config)
    start = asyncio.create_task(runtime.start())
    await asyncio.to_thread(disk.opens.wait, 10)
    assert await runtime.stop(0) == []
    disk.goes_on.set()
    with pytest.raises(StoreClosed):
        await start
    assert runtime.role is None


async def test_3_a_second_stop_joins_the_first_and_shortens_it(config: Config) -> None:
    runtime = Runtime(config)
    await runtime.start()
    assert runtime.run is not None
    ticket = await runtime.run.engine.intake.accept(signal())
    first = asyncio.create_task(runtime.stop(3_600))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        left = await runtime.stop(0)
    assert [each.id.notification_id for each in left] == [ticket.id]
    assert await first == left
    assert await runtime.stop(0) == []


async def test_3_a_second_stop_gives_up_a_store_that_hangs_by_its_own_timeout(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_STORE_CLOSES_WITHIN", 0.05)
    runtime, goes_on, apply = Runtime(config), threading.Event(), SqliteCore.apply
    await runtime.start()

    def hang(core: SqliteCore, batch: Any) -> Any:
        goes_on.wait(60)
        return apply(core, batch)

    monkeypatch.setattr(SqliteCore, "apply", hang)
    first = asyncio.create_task(runtime.stop(3_600))
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(10):
            for stop in (runtime.stop(0), first):
                with pytest.raises(StoreFailed):
                    await stop
    finally:
        goes_on.set()


STEPS: dict[str, tuple[type, str]] = {
    "save what is held": (Intake, "close"),
    "stop watching": (OwnerWatch, "end"),
    "drain": (Dispatcher, "finish"),
    "cut off": (Dispatcher, "stop"),
    "wake socket": (WakeSocket, "close"),
    "connections": (DiscordService, "close"),
    "alerts": (OperatorAlerts, "close"),
    "waker": (Waker, "close"),
    "report": (Reporter, "end"),
    "store": (ThreadedOutbox, "close"),
}
"""The steps of a stop in their order."""


def _noted(monkeypatch: pytest.MonkeyPatch, seen: list[str], raising: str | None = None) -> None:
    def wrapped(step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            if step not in seen:
                seen.append(step)
            result = call(*arguments)
            return failing(result) if step == raising else result

        async def failing(work: Any) -> None:
            if work is not None:
                await work
            raise OSError(step)

        return noted

    for step, (owner, method) in STEPS.items():
        monkeypatch.setattr(owner, method, wrapped(step, getattr(owner, method)))


async def test_4_the_steps_of_a_stop_have_a_fixed_order(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    _noted(monkeypatch, seen)
    runtime = Runtime(config)
    await runtime.start()
    seen.clear()
    await runtime.stop(0.01)
    assert seen == list(STEPS)


async def test_4_the_heartbeat_goes_on_during_a_drain(config: Config) -> None:
    runtime = Runtime(config)
    await runtime.start()
    assert runtime.run is not None
    assert await runtime.run.engine.intake.accept(signal())
    stopping = asyncio.create_task(runtime.stop(3_600))
    async with asyncio.timeout(10):
        for _ in range(3):
            await asyncio.sleep(0)
        assert runtime.run is None
        assert is_held(config.home / f"{STORE_FILE}.lock")
        await runtime.stop(0)
        await stopping


@pytest.mark.parametrize("raising", [step for step in STEPS if step not in {"waker", "drain"}])
async def test_4_each_step_runs_even_if_another_raises(
    config: Config, monkeypatch: pytest.MonkeyPatch, raising: str
) -> None:
    leftovers = Leftovers(config, monkeypatch)
    seen: list[str] = []
    _noted(monkeypatch, seen, raising)
    runtime = Runtime(config)
    await runtime.start()
    seen.clear()
    with pytest.raises(OSError, match=raising):
        await runtime.stop(0.01)
    assert seen == list(STEPS)
    await leftovers.gone()


async def test_5_a_stop_ends_in_time_even_if_the_store_hangs(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run._STORE_CLOSES_WITHIN == 3.0, "seconds beyond the timeout"
    monkeypatch.setattr(run, "_STORE_CLOSES_WITHIN", 0.05)
    runtime = Runtime(config)
    await runtime.start()
    assert runtime.run is not None
    goes_on = threading.Event()
    hanging = asyncio.ensure_future(runtime.run.outbox.call(lambda: goes_on.wait(60)))
    try:
        async with asyncio.timeout(10):
            with pytest.raises(StoreFailed) as raised:
                await runtime.stop(0)
    finally:
        goes_on.set()
    assert raised.value.code == "timeout"
    with pytest.raises(StoreClosed):
        await hanging
    await until(lambda: not is_held(config.home / f"{STORE_FILE}.lock"))


async def test_6_nothing_runs_in_a_forked_child_and_the_parent_keeps_its_folder(config: Config) -> None:
    runtime = Runtime(config)
    await runtime.start()
    assert runtime.run is not None
    of_parent = runtime.run
    of_parent.process += 1  # as a child sees it
    assert (runtime.run, runtime.role, await runtime.drain(1), await runtime.deliveries("1")) == (None, None, [], [])
    assert runtime.health().status is HealthStatus.UNHEALTHY
    assert str(of_parent.process) in runtime.why_not_running
    with pytest.raises(StoreClosed):
        _ = runtime.started
    assert await runtime.stop(0) == []
    assert is_held(config.home / f"{STORE_FILE}.lock")
    of_parent.process -= 1
    await of_parent.end(0)


def test_6_nothing_runs_once_the_loop_is_closed(config: Config) -> None:
    others, runtime = threading.enumerate(), Runtime(config)
    asyncio.run(runtime.start())
    assert (runtime.run, runtime.role) == (None, None)
    for thread in set(threading.enumerate()).difference(others):
        thread.join(10)
    assert not is_held(config.home / f"{STORE_FILE}.lock"), "another run can own the folder"
    assert codes(runtime.health().reasons) == ["not-running"]
    assert runtime.why_not_running != Runtime(config).why_not_running
    del runtime, thread
    with pytest.warns(ResourceWarning, match="socket"):  # only these are left to Python
        gc.collect()


async def test_7_a_producer_never_owns_the_folder(config: Config) -> None:
    producer = Runtime(config, is_producer=True)
    await producer.start()
    assert (producer.role, producer.lane("signals-free")) == (Role.PRODUCER, None)
    assert not is_held(config.home / f"{STORE_FILE}.lock")
    ticket = await producer.started.engine.intake.accept(signal())
    assert ticket.outcome is Outcome.ACCEPTED, "by its own routes, because no owner is alive"
    assert [each.state for each in await producer.deliveries(ticket.id)] == ["pending"]
    assert codes(producer.health().reasons) == ["not-delivering"]
    owner = Runtime(config)
    await owner.start()
    assert (owner.role, producer.role) == (Role.OWNER, Role.PRODUCER)
    assert owner.lane("signals-free") is not None
    await owner.stop(0)
    await producer.stop(0)


async def test_7_a_producer_routes_as_a_living_owner_does_and_else_by_itself(config: Config) -> None:
    owner = Runtime(config)
    await owner.start()
    elsewhere = Config(home=config.home)
    beside = Runtime(elsewhere, is_producer=True)
    await beside.start()
    assert (await beside.started.engine.intake.accept(signal())).outcome is Outcome.ACCEPTED
    await beside.stop(0)
    await owner.stop(0)
    alone = Runtime(elsewhere, is_producer=True)
    await alone.start()
    assert (await alone.started.engine.intake.accept(signal(pair="GBPUSD"))).cause is Refusal.NO_DESTINATION
    await alone.stop(0)
