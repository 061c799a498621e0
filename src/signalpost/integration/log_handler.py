"""Sends a program's log records as alerts: a handler for Python's logging."""

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import PurePath
from types import TracebackType

from signalpost import clock
from signalpost.domain.reports import Alert, AlertSeverity
from signalpost.domain.text import LONGEST_ID
from signalpost.errors import as_text
from signalpost.integration.functions import process_wide
from signalpost.integration.integration import NotificationIntegration
from signalpost.integration.loop_thread import THREADS
from signalpost.integration.process_end import this_process
from signalpost.own_threads import start_thread
from signalpost.secret import redacted
from signalpost.telemetry.log_queue import log_failure

REPEATS_WITHIN = timedelta(seconds=60)
MOST_GROUPS = 1_000
_LONGEST_TITLE = 200
_LONGEST_TEXT = 1_500
_IGNORED = ("signalpost", "aiohttp")
_NUMBERS = re.compile(r"\d+")
_UNPRINTABLE = re.compile(r"[^ -~]+")
_SEVERITIES = (
    (logging.CRITICAL, AlertSeverity.CRITICAL),
    (logging.ERROR, AlertSeverity.HIGH),
    (logging.WARNING, AlertSeverity.MEDIUM),
    (logging.INFO, AlertSeverity.LOW),
)

_Key = tuple[str, int, str]


class _Group:
    """Records of one kind: the first was sent, and these are the repeats since."""

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.repeats = 0
        self.last: logging.LogRecord | None = None


class AlertLogHandler(logging.Handler):
    """Sends log records to an integration, as alerts: CRITICAL is critical, ERROR high, WARNING medium, INFO low.

        logging.getLogger().addHandler(AlertLogHandler())

    The first record of a kind (one logger, level and message template; numbers do not count) is sent at once. Repeats
    within `repeats_within` are counted, and sent as one alert after that time. Records of the loggers `signalpost` and
    `aiohttp`, and records from signalpost's own threads, are ignored, so that no alert causes another one. Secrets are
    masked, and an exception becomes one line. Logging never waits for it, and never raises because of it.
    """

    def __init__(
        self,
        integration: NotificationIntegration | None = None,
        level: int | str = logging.WARNING,
        *,
        repeats_within: timedelta = REPEATS_WITHIN,
    ) -> None:
        super().__init__(level)
        self._integration = process_wide if integration is None else integration
        self._within = repeats_within.total_seconds()
        self._groups: OrderedDict[_Key, _Group] = OrderedDict()
        self._timer: threading.Timer | None = None
        self._integration.flushed_first.add(self)
        this_process.watch_forks(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, or count it."""
        with _never_raising():
            if not _is_ignored(record) and self._is_first(record):
                self._integration.send_alert(_alert(record))

    def flush(self) -> None:
        """Send the repeats that are counted so far."""
        self._send_repeats(everything=True)

    def forget_parent(self) -> None:
        """After a fork: the parent sends the counted records."""
        self._groups = OrderedDict()
        self._timer = None

    def _is_first(self, record: logging.LogRecord) -> bool:
        """True if no record of its kind was sent recently; else count it. The caller holds the handler's lock."""
        now = clock.now().timestamp()
        key = record.name, record.levelno, _NUMBERS.sub("#", as_text(record.msg))
        group = self._groups.get(key)
        if group is not None and now < group.ends_at:
            group.repeats += 1
            group.last = record
            if self._timer is None:
                self._start_timer(group.ends_at - now)
            return False
        if group is not None and group.repeats:
            self._end(group)
        self._groups[key] = _Group(now + self._within)
        self._groups.move_to_end(key)
        if len(self._groups) > MOST_GROUPS:
            _, oldest = self._groups.popitem(last=False)
            self._end(oldest)
        return True

    def _start_timer(self, seconds: float) -> None:
        timer = threading.Timer(max(0.0, seconds), self._send_repeats)
        timer.name, timer.daemon = f"{THREADS} log", True
        start_thread(timer)
        self._timer = timer

    def _send_repeats(self, *, everything: bool = False) -> None:
        """Send the repeats of the groups that are over, or of all, and start a timer for the rest."""
        with self.lock or threading.RLock():
            if not everything:
                self._timer = None
            now = clock.now().timestamp()
            for key, group in list(self._groups.items()):
                if everything or group.ends_at <= now:
                    if not everything:
                        del self._groups[key]
                    self._end(group)
            ends = [group.ends_at for group in self._groups.values() if group.repeats]
            if ends and self._timer is None:
                self._start_timer(min(ends) - now)

    def _end(self, group: _Group) -> None:
        last, repeats = group.last, group.repeats
        group.repeats, group.last = 0, None  # first, so that a record that cannot be sent is not tried for ever
        if last is not None:
            with _never_raising():
                self._integration.send_alert(_alert(last, repeats))


@contextmanager
def _never_raising() -> Iterator[None]:
    """Log an exception instead: a record can hold anything, and must not break the code that logs, flushes or stops."""
    try:
        yield
    except Exception as fault:  # noqa: BLE001
        log_failure("a log record could not be sent as an alert", fault, with_text=False)


def _is_ignored(record: logging.LogRecord) -> bool:
    return (record.name or "").partition(".")[0] in _IGNORED or (record.threadName or "").startswith(f"{THREADS} ")


def _alert(record: logging.LogRecord, repeats: int = 0) -> Alert:
    text = redacted(_message(record))
    title, _, rest = text.partition("\n")
    lines = [rest.strip(), _exception(record)]
    if len(title) > _LONGEST_TITLE:
        title, lines = f"{title[: _LONGEST_TITLE - 3]}...", [text, *lines[1:]]
    return Alert(
        alert_type=_UNPRINTABLE.sub("?", record.name or "")[:LONGEST_ID].strip() or "log",
        severity=next((each for least, each in _SEVERITIES if record.levelno >= least), AlertSeverity.INFO),
        title=(f"{repeats} more times: " if repeats else "") + (title.strip() or "(an empty message)"),
        message="\n".join(line for line in lines if line)[:_LONGEST_TEXT],
        source=f"{PurePath(record.pathname).name}:{record.lineno}" if record.pathname else None,
    )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # arguments that do not fit or cannot be printed: use the template
        return as_text(record.msg)


def _exception(record: logging.LogRecord) -> str:
    """The exception in one line: its type, text and place."""
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    fault, trace = record.exc_info[1], record.exc_info[2]
    text = redacted(as_text(fault)).strip().partition("\n")[0]
    return type(fault).__name__ + (f": {text}" if text else "") + _place(trace)


def _place(trace: TracebackType | None) -> str:
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f" ({PurePath(code.co_filename).name}:{trace.tb_lineno}, in {code.co_name})"
