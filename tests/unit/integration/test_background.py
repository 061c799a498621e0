import gc
import threading

import pytest

from signalpost.integration.background import BackgroundWork, Turns


def test_work_runs_in_the_order_in_which_it_was_begun() -> None:
    turns, done = Turns(), []
    is_let_go = threading.Event()
    assert turns.is_idle
    first = turns.begin("first", lambda: (is_let_go.wait(30), done.append(1)))
    second = turns.begin("second", lambda: done.append(2))
    assert not turns.is_idle
    is_let_go.set()
    second.result(30)
    first.result(30)
    assert done == [1, 2]
    assert turns.is_idle


def test_work_runs_at_once_if_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", cannot)
    assert Turns().begin("work", lambda: 7).result(0) == 7


def test_a_failure_that_came_after_the_timeout_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    begun: BackgroundWork[int] = BackgroundWork("work")
    for look in (begun.result, begun.exception):
        with pytest.raises(TimeoutError):
            look(0)
    begun.set_exception(LookupError("gone"))
    del begun, look
    gc.collect()
    (line,) = [each for each in caplog.messages if each.startswith("work ")]  # other tests leave garbage, too
    assert "LookupError" in line


@pytest.mark.parametrize("look", ["result", "exception"])
def test_a_failure_that_was_retrieved_is_not_logged(caplog: pytest.LogCaptureFixture, look: str) -> None:
    begun: BackgroundWork[int] = BackgroundWork("work")
    begun.set_exception(LookupError("gone"))
    if look == "exception":
        assert isinstance(begun.exception(), LookupError)
    else:
        with pytest.raises(LookupError):
            begun.result(0)
    del begun
    gc.collect()
    assert not [each for each in caplog.messages if each.startswith("work ")]
