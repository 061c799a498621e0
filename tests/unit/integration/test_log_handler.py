import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from signalpost import Alert, AlertLogHandler, AlertSeverity, NotificationIntegration
from signalpost.integration import log_handler
from signalpost.secret import Secret
from signalpost.testing.manual_clock import ManualClock


class Repeated:
    """Equals the title of an alert about `count` repeats of `title`, in any words."""

    def __init__(self, count: int, title: str) -> None:
        self._count, self._title = count, title

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, str)
            and other != self._title
            and self._title in other
            and str(self._count) in other.replace(self._title, "").split()
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self._count} repeats of {self._title!r}>"


class SentAlerts:
    """The alerts that reach the integration's fallback, because no service runs."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.integration = NotificationIntegration(fallback=self.alerts.append)

    @property
    def titles(self) -> list[str]:
        """The titles so far, without repeats that are still being counted."""
        handlers = list(self.integration.flushed_first)
        self.integration.flushed_first.clear()
        self.integration.flush(10)
        self.integration.flushed_first.update(handlers)
        return [alert.title for alert in self.alerts]


@pytest.fixture
def sent() -> Iterator[SentAlerts]:
    made = SentAlerts()
    yield made
    made.integration.stop()


@pytest.fixture
def logger(sent: SentAlerts) -> Iterator[logging.Logger]:
    """A strategy's logger with the handler."""
    logger = logging.getLogger("strategy.of.a.test")
    logger.setLevel(logging.DEBUG)
    handler = AlertLogHandler(sent.integration, logging.DEBUG)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_a_record_becomes_an_alert_of_its_level(sent: SentAlerts, logger: logging.Logger) -> None:
    for level in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG):
        logger.log(level, "something at %s", level)
    sent.integration.flush()
    assert [alert.severity for alert in sent.alerts] == [
        AlertSeverity.CRITICAL,
        AlertSeverity.HIGH,
        AlertSeverity.MEDIUM,
        AlertSeverity.LOW,
        AlertSeverity.INFO,
    ]
    first = sent.alerts[0]
    assert (first.alert_type, first.title, first.message) == ("strategy.of.a.test", "something at 50", "")
    assert (first.source or "").startswith("test_log_handler.py:")


def test_by_default_it_takes_warnings_of_the_process(sent: SentAlerts) -> None:
    assert AlertLogHandler().level == logging.WARNING
    assert AlertLogHandler(level="ERROR").level == logging.ERROR


def test_an_exception_becomes_one_line_with_its_place(sent: SentAlerts, logger: logging.Logger) -> None:
    def look_up() -> None:
        {}["missing"]

    try:
        look_up()
    except KeyError:
        logger.exception("No candle\nof today")
    logger.error("Bare", exc_info=(LookupError, LookupError(), None))
    logger.error("Nothing was wrong", exc_info=True)
    sent.integration.flush()
    keyed, bare, nothing = sent.alerts
    assert keyed.title == "No candle"
    text, _, exception = keyed.message.partition("\n")
    assert text == "of today"
    assert exception.startswith("KeyError: 'missing' (test_log_handler.py:")
    assert exception.endswith(", in look_up)")
    assert bare.message == "LookupError"
    assert nothing.message == ""


@pytest.mark.parametrize("name", ["signalpost", "signalpost.sandbox", "aiohttp", "aiohttp.client"])
def test_its_own_and_aiohttps_records_are_ignored(sent: SentAlerts, name: str) -> None:
    handler = AlertLogHandler(sent.integration)
    handler.handle(logging.LogRecord(name, logging.ERROR, "x.py", 1, "broken", None, None))
    handler.handle(logging.LogRecord(f"{name}_of_another", logging.ERROR, "x.py", 1, "sent", None, None))
    assert "broken" not in sent.titles


def test_records_of_its_own_threads_are_ignored_so_that_no_alert_causes_another(logger: logging.Logger) -> None:
    calls = []

    def old_sender(_: Alert) -> None:
        calls.append(threading.current_thread().name)
        logging.getLogger("old sender").error("cannot send either")

    integration = NotificationIntegration(fallback=old_sender)
    root, handler = logging.getLogger(), AlertLogHandler(integration)
    root.addHandler(handler)
    logging.getLogger("asyncio").error("a task of the host's was lost")
    assert integration.flush() == 0
    assert integration.flush() == 0
    root.removeHandler(handler)
    integration.stop()
    assert calls == ["signalpost fallback"]


def test_repeats_are_counted_and_sent_once(sent: SentAlerts, logger: logging.Logger) -> None:
    with ManualClock("2025-08-20T10:00:00Z") as clock:
        for number in range(5):
            logger.error("Order %d failed", number)
            logger.error(f"Retry {number} failed")  # noqa: G004  # as people write it
        logger.warning("Order %d failed", 9)
        assert sent.titles == ["Order 0 failed", "Retry 0 failed", "Order 9 failed"]
        clock.advance(timedelta(seconds=61))
        logger.error("Order %d failed", 5)
        assert sent.titles[3:] == [Repeated(4, "Order 4 failed"), "Order 5 failed"]
        sent.alerts.clear()
        logger.handlers[0].flush()
        assert sent.titles == [Repeated(4, "Retry 4 failed")]


def test_repeats_are_sent_when_their_time_is_over(logger: logging.Logger, sent: SentAlerts) -> None:
    is_sent_again = threading.Event()
    seen: list[str] = []

    def sender(alert: Alert) -> None:
        seen.append(alert.title)
        if alert.title == Repeated(2, "slow"):
            is_sent_again.set()

    integration = NotificationIntegration(fallback=sender)
    handler = AlertLogHandler(integration, repeats_within=timedelta(milliseconds=50))
    for text in ("slow", "slow", "slow", "once"):
        handler.handle(logging.LogRecord("host", logging.ERROR, "x.py", 1, text, None, None))
    assert is_sent_again.wait(30)
    integration.stop()
    assert seen.count("slow") == 1
    assert seen.count("once") == 1


def test_a_stop_sends_the_counted_repeats(sent: SentAlerts, logger: logging.Logger) -> None:
    for _ in range(3):
        logger.error("broken")
    sent.integration.stop()
    assert sent.titles == ["broken", Repeated(2, "broken")]


class ScriptedTimer:
    """A timer that fires when the test calls `fire`."""

    started: ClassVar[list["ScriptedTimer"]] = []

    def __init__(self, seconds: float, fire: Callable[[], None]) -> None:
        self.seconds, self.fire = seconds, fire

    def start(self) -> None:
        self.started.append(self)


def test_another_timer_follows_for_later_repeats(sent: SentAlerts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_handler.threading, "Timer", ScriptedTimer)
    monkeypatch.setattr(ScriptedTimer, "started", timers := [])
    with ManualClock("2025-08-20T10:00:00Z") as clock:
        handler = AlertLogHandler(sent.integration)

        def log_twice(text: str) -> None:
            for _ in range(2):
                handler.handle(logging.LogRecord("host", logging.ERROR, "x.py", 1, text, None, None))

        log_twice("early")
        clock.advance(timedelta(seconds=30))
        log_twice("late")
        clock.advance(timedelta(seconds=31))
        assert [timer.seconds for timer in timers] == [60]
        timers[0].fire()
        assert sent.titles == ["early", "late", Repeated(1, "early")]
        assert [timer.seconds for timer in timers] == [60, 29]
        handler.forget_parent()
        handler.flush()
        assert len(sent.titles) == 3, "after a fork the parent sends what was counted"
        log_twice("of the child")
        assert len(timers) == 3, "the parent's timer does not run here"


def test_a_limited_number_of_kinds_is_counted_and_the_oldest_is_sent(
    sent: SentAlerts, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_handler, "MOST_GROUPS", 2)
    for text in ("aa", "aa", "bb", "cc"):
        logger.error(text)
    assert sent.titles == ["aa", "bb", Repeated(1, "aa"), "cc"]


class Unprintable:
    def __str__(self) -> str:
        raise LookupError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("message", "arguments", "title"),
    [
        ("%d candles", ("no number",), "%d candles"),
        ("", (), None),
        ("\n", (), None),
        (Unprintable(), (), "<unprintable Unprintable>"),
        ("x" * 300, (), "x" * 197 + "..."),
    ],
)
def test_no_record_can_break_its_caller(
    message: Any, arguments: tuple[object, ...], title: str | None, sent: SentAlerts
) -> None:
    handler = AlertLogHandler(sent.integration)  # called directly, because pytest's handler breaks on these
    handler.handle(logging.LogRecord("host", logging.ERROR, "x.py", 1, message, arguments, None))
    (found,) = sent.titles
    assert found.strip()
    if title is not None:
        assert found == title
    assert len(sent.alerts[0].message) in {0, 300}


@pytest.mark.parametrize("missing", ["name", "pathname", "msg", "threadName"])
def test_an_incomplete_record_and_its_repeats_are_sent(missing: str, sent: SentAlerts) -> None:
    handler = AlertLogHandler(sent.integration)
    facts = {"name": "host", "levelno": logging.ERROR, "pathname": "x.py", "lineno": 1, "msg": "broken"}
    for _ in range(3):
        handler.handle(logging.makeLogRecord(facts | {missing: None}))
    sent.integration.flush()
    title = "None" if missing == "msg" else "broken"
    assert [alert.title for alert in sent.alerts] == [title, Repeated(2, title)]
    assert sent.alerts[0].alert_type == ("log" if missing == "name" else "host")
    assert sent.alerts[0].source == (None if missing == "pathname" else "x.py:1")


def test_an_empty_log_record_breaks_nothing(sent: SentAlerts, caplog: pytest.LogCaptureFixture) -> None:
    handler = AlertLogHandler(sent.integration)
    for _ in range(2):
        handler.handle(logging.makeLogRecord({}))
    handler.handle(logging.makeLogRecord({"name": []}))
    sent.integration.flush()
    sent.integration.stop()
    assert "TypeError" in caplog.text


def test_repeats_that_cannot_be_sent_are_given_up_once_and_break_neither_flush_nor_stop(
    sent: SentAlerts, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Alert) -> None:
        raise LookupError

    logger.error("broken")
    logger.error("broken")
    monkeypatch.setattr(sent.integration, "send_alert", refuse)
    logger.handlers[0].flush()
    assert sum("LookupError" in line for line in caplog.messages) == 1
    sent.integration.stop()
    assert sum("LookupError" in line for line in caplog.messages) == 1


def test_any_logger_name_becomes_a_valid_type(sent: SentAlerts) -> None:
    handler = AlertLogHandler(sent.integration)
    for name in ("", "größe\n" * 100):
        handler.handle(logging.LogRecord(name, logging.ERROR, "x.py", 1, f"of {name[:1]!r}", None, None))
    sent.integration.flush()
    assert [alert.alert_type[:8] for alert in sent.alerts] == ["log", "gr?e?gr?"]


def test_secrets_are_masked_even_in_an_exception(sent: SentAlerts, logger: logging.Logger) -> None:
    secret = Secret("correct-horse-battery")
    try:
        raise LookupError(  # noqa: TRY301
            f"https://discord.com/api/webhooks/1/token-of-1 and {secret.reveal()}"
        )
    except LookupError:
        logger.exception("at https://discord.com/api/webhooks/2/token-of-2 with %s", secret.reveal())
    sent.integration.flush()
    for part in ("token-of", "horse"):
        assert part not in str(sent.alerts)
    assert "***" in sent.alerts[0].title


def test_a_failure_to_send_is_logged_by_its_kind_and_nothing_is_raised(
    logger: logging.Logger, sent: SentAlerts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Alert) -> None:
        raise LookupError("https://discord.com/api/webhooks/1/token")

    monkeypatch.setattr(sent.integration, "send_alert", refuse)
    logger.error("broken")
    assert "LookupError" in caplog.text
    assert "webhooks" not in caplog.text
