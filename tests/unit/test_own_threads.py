import sys
from threading import Thread

import pytest

from signalpost.own_threads import start_thread


def test_no_thread_is_started_once_the_interpreter_has_ended_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    thread = Thread(target=ran.append, args=("ran",))
    with monkeypatch.context() as patched:
        patched.setattr(sys, "is_finalizing", lambda: True)
        with pytest.raises(RuntimeError, match="the interpreter is ending"):
            start_thread(thread)
    start_thread(thread)
    thread.join()
    assert ran == ["ran"]
