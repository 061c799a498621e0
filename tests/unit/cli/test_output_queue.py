import json
import logging
import os
import pty
import re
import sys
import threading
from pathlib import Path
from typing import TextIO

import pytest

from signalpost.cli.logs import write_logs
from signalpost.cli.standard_streams import never_block_on_output
from signalpost.telemetry.log_queue import logger
from signalpost.testing.log_lines import flush_log

TOKEN = "/webhooks/1/token-to-hide"


def _queued(monkeypatch: pytest.MonkeyPatch, stream: TextIO) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    never_block_on_output()


def test_printed_and_logged_lines_are_complete_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    with out.open("w", encoding="ascii") as stream:
        _queued(monkeypatch, stream)
        write_logs()
        sys.stderr.write("first: ż\n")
        logger.warning("second")
        sys.stdout.write("third")
        assert sys.stdout.write("") == 0
        flush_log()
        assert (sys.stderr.isatty(), sys.stderr.writable(), sys.stderr.encoding) == (False, True, "ascii")
        assert os.fstat(sys.stderr.fileno()).st_ino == out.stat().st_ino
    first, second, third = out.read_text(encoding="ascii").splitlines()
    assert (first, third) == ("first: \\u017c", "third")
    assert '"event": "second"' in second


def test_a_line_that_cannot_be_written_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        _queued(monkeypatch, stream)
        write_logs()
        os.close(reader)
        dropped = logger.dropped
        sys.stderr.write("nobody is there")
        logger.error("nor here")
        flush_log()
        assert logger.dropped == dropped + 2


def test_a_pipe_that_another_has_set_not_to_block_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(writer, "w") as stream:
        _queued(monkeypatch, stream)
        sys.stderr.write("x" * 1_000_000)
        seen = bytearray()
        reading = threading.Thread(target=lambda: _read_all(reader, seen))
        reading.start()
        flush_log()
    reading.join(10)
    os.close(reader)
    assert len(seen) == 1_000_000


def _read_all(reader: int, seen: bytearray) -> None:
    while read := os.read(reader, 65_536):
        seen += read


def test_the_handler_has_no_lock_that_a_hanging_write_would_hold() -> None:
    write_logs()
    (handler,) = logging.getLogger("signalpost").handlers
    assert handler.lock is None


def _log_one_line() -> None:
    """Log a token, a control character and an exception."""
    try:
        int(TOKEN)
    except ValueError:
        logging.getLogger("signalpost").exception("%s \x07 ż", TOKEN)


def test_a_line_for_a_file_is_json_with_its_time_level_and_traceback_and_shows_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with out.open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        write_logs()
        _log_one_line()
    (line,) = map(json.loads, out.read_text(encoding="ascii").splitlines())
    assert list(line) == ["event", "level", "timestamp", "exception"]
    assert (line["event"], line["level"]) == ("/webhooks/1/*** \x07 ż", "error")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["timestamp"])
    assert line["exception"].splitlines()[-1] == "ValueError: invalid literal for int() with base 10: '/webhooks/1/***'"


def _shown_in_a_terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in {"NO_COLOR": "", "TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        write_logs()
        _log_one_line()
        shown = os.read(ours, 65_536).decode()
    os.close(ours)
    return shown


def test_a_line_for_a_terminal_has_colours_unless_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[3" in _shown_in_a_terminal(monkeypatch)
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in _shown_in_a_terminal(monkeypatch, **environment)


def test_a_line_for_a_terminal_is_text_whose_control_characters_are_escaped_and_shows_no_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = _shown_in_a_terminal(monkeypatch)
    first, *_, last = shown.splitlines()
    assert all(fact in first for fact in ("/webhooks/1/***", "\\x07 ż", "error"))
    assert "/webhooks/1/***" in last
    assert "to-hide" not in shown
