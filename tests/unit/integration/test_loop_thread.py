import asyncio
import os
import socket
import sys
from concurrent.futures import CancelledError, wait
from functools import partial
from threading import Thread, current_thread

import pytest
import uvloop

from signalpost.integration.futures import AwaitableFuture
from signalpost.integration.loop_thread import LoopThread, new_loop


async def forever() -> None:
    await asyncio.Event().wait()


def test_work_runs_on_the_loop_of_the_thread_and_returns_or_raises() -> None:
    thread = LoopThread("of a test")

    async def name() -> str:
        return current_thread().name

    fault = LookupError("gone")

    async def fail() -> None:
        raise fault

    assert thread.begin(name).result(10) == "signalpost of a test"
    with pytest.raises(LookupError) as raised:
        thread.begin(fail).result(10)
    assert raised.value is fault
    assert thread.unfinished == set()
    thread.end(10)
    assert not thread.is_alive


def test_work_that_runs_at_the_end_or_comes_later_is_cancelled() -> None:
    thread = LoopThread("of a test")
    never_begun: AwaitableFuture[None] = AwaitableFuture()
    thread.unfinished.add(never_begun)  # as where the loop ends between the call and its turn
    running = thread.begin(forever)
    thread.end(10)
    thread.end(10)
    late = thread.begin(forever)
    for future in (running, never_begun, late):
        assert wait([future], 10).done
        with pytest.raises(CancelledError):
            future.result()


def test_the_loop_continues_after_foreign_code_stopped_it() -> None:
    thread = LoopThread("of a test")

    async def stop_the_loop() -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return "still runs"

    assert thread.begin(stop_the_loop).result(10) == "still runs"
    assert thread.begin(stop_the_loop).result(10) == "still runs"
    thread.end(10)
    assert not thread.is_alive


def test_blocking_calls_run_in_their_own_threads_and_their_errors_are_raised() -> None:
    thread = LoopThread("of a test")

    async def call() -> tuple[str, type[BaseException]]:
        name = await asyncio.to_thread(lambda: current_thread().name)
        try:
            await asyncio.to_thread(lambda: {}["missing"])
        except KeyError as fault:
            return name, type(fault)
        raise AssertionError

    assert thread.begin(call).result(10) == ("signalpost call", KeyError)
    thread.end(10)


def test_names_are_looked_up_as_by_the_socket_module() -> None:
    thread = LoopThread("of a test")
    port = {"port": 80, "family": socket.AF_INET, "type": socket.SOCK_STREAM}
    for host in ("localhost", "127.0.0.1"):
        found = thread.begin(partial(thread.loop.getaddrinfo, host, **port)).result(10)
        assert found == socket.getaddrinfo(host, **port)
    with pytest.raises(socket.gaierror):
        thread.begin(partial(thread.loop.getaddrinfo, "no-such-host.invalid", **port)).result(30)
    thread.end(10)


def test_without_uvloop_the_loop_is_asyncios(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = new_loop()
    assert isinstance(loop, uvloop.Loop)
    loop.close()
    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.delitem(sys.modules, "signalpost.integration.forkable_loop")
    loop = new_loop()
    assert type(loop).__module__.startswith("asyncio")
    loop.close()


def test_the_loop_is_asyncios_if_a_standard_stream_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvloop aborts the process when it closes a socket that got the number of one of them."""
    monkeypatch.setattr("os.fstat", lambda number: os.stat_result(range(10)) if number != 1 else os.close(-1))
    loop = new_loop()
    assert type(loop).__module__.startswith("asyncio")
    loop.close()


def test_a_thread_can_end_itself() -> None:
    thread = LoopThread("of a test")

    async def end() -> Thread:
        thread.end(10)
        return current_thread()

    thread.begin(end).result(10).join(10)
    assert not thread.is_alive


def test_everything_is_closed_on_the_loop_at_its_end_even_if_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    thread = LoopThread("of a test")
    closed: list[bool] = []

    async def fails() -> None:
        raise LookupError

    async def close() -> None:
        closed.append(asyncio.get_running_loop() is thread.loop)

    thread.closing += [fails, close]
    thread.end(10)
    assert closed == [True]
    assert "LookupError" in caplog.text
