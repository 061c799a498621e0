"""Logging of unexpected exceptions: type, text, frames and causes, but no secrets or variables."""

import logging

import pytest

from signalpost.secret import Secret, described
from signalpost.telemetry.log_queue import log_failure


def _innermost(text: str) -> None:
    not_logged = "variable-value"
    if not_logged:
        raise LookupError(text)


def _raised(text: str = "missing-thing") -> Exception:
    try:
        try:
            _innermost(text)
        except LookupError as fault:
            raise ValueError("outer") from fault
    except ValueError as fault:
        return fault
    raise AssertionError


def test_kind_text_frames_and_causes_are_logged_innermost_last() -> None:
    line = described(_raised())
    outer, inner = line[: line.index("LookupError")], line[line.index("LookupError") :]
    assert all(fact in outer for fact in ("ValueError", "outer", "telemetry/test_failures.py:"))
    assert all(fact in inner for fact in ("LookupError", "missing-thing", "telemetry/test_failures.py:"))
    assert inner.endswith(" _innermost]")
    assert "variable-value" not in line
    assert "\n" not in line


def test_the_text_is_masked_shortened_and_on_one_line() -> None:
    secret = Secret("correct horse battery staple")
    text = f"https://discord.com/api/webhooks/1/token {secret.reveal()}\n\x1b[2J" + "x" * 2_000
    line = described(_raised(text))
    assert "token" not in line
    assert secret.reveal() not in line
    assert "\\x0a\\x1b[2J" in line
    assert len(line) < 1_000


def test_without_text_type_and_frames_remain() -> None:
    line = described(_raised(), with_text=False)
    assert "missing-thing" not in line
    assert line.startswith("ValueError [")


def test_a_suppressed_cause_is_omitted_and_an_endless_chain_is_cut() -> None:
    quiet = ValueError("outer")
    quiet.__context__, quiet.__suppress_context__ = LookupError("hidden"), True
    assert described(quiet) == "ValueError: outer"
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert described(first).count("ValueError") == 3


def test_an_exception_whose_text_raises_is_still_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    log_failure("a test failed", Mute(), level=logging.WARNING)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert all(fact in record.getMessage() for fact in ("a test failed", "Mute"))
