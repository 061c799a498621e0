import logging
import os
import threading
from collections.abc import Iterator

import pytest

from signalpost.telemetry import log_queue
from signalpost.telemetry.log_queue import LogQueue, logger
from signalpost.testing.log_lines import flush_log


class Pipe(logging.Handler):
    """A handler that blocks until it is opened, like a full pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = threading.Event()
        self.is_entered = threading.Event()
        self.lines: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.is_entered.set()
        assert self.is_open.wait(30)
        self.lines.append(record)


class Broken(logging.Handler):
    """A handler that raises the given exception."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__()
        self.fault = fault

    def emit(self, record: logging.LogRecord) -> None:
        raise self.fault


@pytest.fixture
def host() -> Iterator[logging.Logger]:
    """A logger used only by the test."""
    logger = logging.getLogger("signalpost-test")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger
    logger.handlers.clear()


def test_a_blocking_handler_delays_no_caller_and_each_line_is_written_or_counted(host: logging.Logger) -> None:
    pipe = Pipe()
    host.addHandler(pipe)
    log = LogQueue(host.name, most=100)
    log.info("line %d", 0)
    assert pipe.is_entered.wait(10)
    for number in range(1, 151):
        log.info("line %d", number)
    assert (log.dropped, log.waiting, log.flush(0)) == (50, 100, False)
    pipe.is_open.set()
    assert log.flush(10)
    assert [record.getMessage() for record in pipe.lines] == [f"line {number}" for number in range(101)]
    assert len(pipe.lines) + log.dropped == 151


@pytest.mark.parametrize("fault", [ValueError(), SystemExit(), KeyboardInterrupt()])
def test_an_error_of_a_handler_is_counted_and_the_next_line_is_written(
    host: logging.Logger, fault: BaseException
) -> None:
    log, broken, pipe = LogQueue(host.name), Broken(fault), Pipe()
    pipe.is_open.set()
    host.addHandler(broken)
    log.warning("lost")
    assert log.flush(10)
    host.handlers = [pipe]
    log.error("written")
    assert log.flush(10)
    assert ([record.msg for record in pipe.lines], log.dropped) == (["written"], 1)


def test_a_record_has_its_place_and_thread(host: logging.Logger) -> None:
    log, pipe = LogQueue(host.name), Pipe()
    pipe.is_open.set()
    host.addHandler(pipe)
    log.log(logging.WARNING, "%s", "here")
    assert log.flush(10)
    (record,) = pipe.lines
    assert (record.name, record.levelname, record.filename) == (host.name, "WARNING", "test_log_queue.py")
    assert record.funcName == "test_a_record_has_its_place_and_thread"
    assert record.threadName == threading.current_thread().name


def test_a_disabled_level_makes_no_record(host: logging.Logger) -> None:
    log, before = LogQueue(host.name), threading.enumerate()
    log.debug("nothing")
    assert (log.waiting, log.flush(0), threading.enumerate()) == (0, True, before)


def test_a_record_that_cannot_be_made_is_counted(host: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    log, fault = LogQueue(host.name), SystemExit()

    def broken(*_: object) -> logging.LogRecord:
        raise fault

    monkeypatch.setattr(host, "makeRecord", broken)
    log.info("lost")
    assert log.dropped == 1
    monkeypatch.setattr(host, "makeRecord", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        log.info("Ctrl-C is not the log's")


def _interrupted(*_: object) -> logging.LogRecord:
    raise KeyboardInterrupt


def test_a_handler_that_flushes_does_not_wait_for_itself(host: logging.Logger) -> None:
    log = LogQueue(host.name)
    flushed: list[bool] = []
    handler = logging.Handler()
    handler.emit = lambda _: flushed.append(log.flush(10))  # type: ignore[method-assign]
    host.addHandler(handler)
    log.info("a line")
    assert log.flush(10)
    assert flushed == [False]


def test_a_line_waits_if_no_thread_can_be_started(host: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    log, pipe = LogQueue(host.name), Pipe()
    pipe.is_open.set()
    host.addHandler(pipe)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _no_thread)
        log.info("first")
        assert (log.waiting, log.flush(10)) == (1, False)
    log.info("second")
    assert log.flush(10)
    assert [record.msg for record in pipe.lines] == ["first", "second"]


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_lines_of_many_threads_start_one_thread(host: logging.Logger) -> None:
    log, pipe, ready = LogQueue(host.name), Pipe(), threading.Barrier(8)
    pipe.is_open.set()
    host.addHandler(pipe)

    def write() -> None:
        ready.wait()
        for _ in range(100):
            log.info("a line")

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert log.flush(10)
    assert (len(pipe.lines), log.dropped) == (800, 0)


def test_a_line_waits_while_another_thread_starts_the_writer(
    host: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, pipe, other = LogQueue(host.name), Pipe(), threading.Thread(target=lambda: log.info("first"))
    pipe.is_open.set()
    host.addHandler(pipe)
    is_starting, may_start, start = threading.Event(), threading.Event(), threading.Thread.start

    def start_slowly(thread: threading.Thread) -> None:
        if thread is not other:
            is_starting.set()
            assert may_start.wait(10)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_slowly)
    other.start()
    assert is_starting.wait(10)
    log.info("second")
    assert (log.waiting, pipe.lines) == (2, [])
    may_start.set()
    other.join(10)
    assert log.flush(10)
    assert [record.msg for record in pipe.lines] == ["first", "second"]


def test_a_child_writes_its_own_lines_and_none_of_its_parent(host: logging.Logger) -> None:
    log, pipe = LogQueue(host.name), Pipe()
    host.addHandler(pipe)
    log.info("the parent's")
    assert pipe.is_entered.wait(10)
    log.info("waits in the parent")
    child = os.fork()
    if child == 0:  # pragma: no cover  # coverage of the child is lost
        try:
            child_pipe = Pipe()
            child_pipe.is_open.set()
            host.handlers = [child_pipe]
            log.info("the child's")
            is_well = log.flush(10) and [record.msg for record in child_pipe.lines] == ["the child's"]
        finally:
            os._exit(0 if is_well else 1)
    _, status = os.waitpid(child, 0)
    pipe.is_open.set()
    assert log.flush(10)
    assert (os.waitstatus_to_exitcode(status), len(pipe.lines)) == (0, 2)


@pytest.mark.parametrize("is_open", [True, False], ids=["the line ends", "the line never ends"])
def test_a_fork_waits_for_the_line_that_is_being_written_but_not_for_ever(host: logging.Logger, is_open: bool) -> None:
    """Otherwise the child inherits the handler's locks, and hangs when it ends or logs."""
    log, pipe, writing = LogQueue(host.name), Pipe(), threading.Lock()
    host.addHandler(pipe)
    log.put(lambda: _write_locked(writing, pipe))
    assert pipe.is_entered.wait(10)
    opening = threading.Timer(0.05, pipe.is_open.set)
    if is_open:
        opening.start()
    child = os.fork()
    if child == 0:  # pragma: no cover  # coverage of the child is lost
        os._exit(0 if writing.acquire(blocking=False) else 1)
    _, status = os.waitpid(child, 0)
    pipe.is_open.set()
    assert log.flush(10)
    assert (os.waitstatus_to_exitcode(status) == 0) is is_open


def test_a_fork_that_waited_too_long_does_not_release_the_pause_of_another_thread(
    host: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, pipe = LogQueue(host.name), Pipe()
    host.addHandler(pipe)
    pipe.is_open.set()
    monkeypatch.setattr(log_queue, "PAUSES_WITHIN", 0.01)
    log._pause()
    other = threading.Thread(target=lambda: (log._pause(), log._resume()))
    other.start()
    other.join(10)
    log._resume()
    log.warning("a line")
    assert log.flush(10)
    assert len(pipe.lines) == 1


def _write_locked(writing: threading.Lock, pipe: Pipe) -> None:
    with writing:
        pipe.handle(logging.makeLogRecord({}))


def test_flush_log_waits_for_the_lines(caplog: pytest.LogCaptureFixture) -> None:
    logger.error("a line")
    flush_log()
    assert [record.msg for record in caplog.records] == ["a line"]


def test_waiting_for_the_lines_fails_if_a_handler_blocks() -> None:
    pipe = Pipe()
    logging.getLogger("signalpost").addHandler(pipe)
    logger.error("a line")
    with pytest.raises(AssertionError):
        flush_log(0)
    pipe.is_open.set()
    flush_log()
    assert len(pipe.lines) == 1


class Late:
    """A lock that becomes free only after another thread has started the writer."""

    def __init__(self) -> None:
        self.log: LogQueue | None = None

    def acquire(self, *, blocking: bool) -> bool:
        assert not blocking
        log, self.log = self.log, None
        if log is not None:
            log.info("the other thread's line")
        return True

    def release(self) -> None: ...


def test_a_thread_that_was_started_meanwhile_is_not_started_again(
    host: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, pipe = Late(), Pipe()
    pipe.is_open.set()
    host.addHandler(pipe)
    with monkeypatch.context() as patched:
        patched.setattr(threading, "Lock", lambda: late)
        log = LogQueue(host.name)
    late.log, before = log, threading.active_count()
    log.info("a line")
    assert log.flush(10)
    assert (len(pipe.lines), threading.active_count()) == (2, before + 1)
