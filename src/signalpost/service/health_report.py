"""The owner's health in a small file next to the store, for the command `signalpost health`.

The store thread writes it every 5 seconds. If the process is frozen, its event loop is blocked or the disk hangs, the
file grows old. A reader can tell its age, because all processes of one boot share the monotonic clock.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

import msgspec

from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.files import open_regular, read_regular
from signalpost.delivery.outbox.heartbeat import USUAL
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.domain.events import Listener
from signalpost.domain.reason import Reason

EVERY = USUAL.every
"""Seconds between two reports."""
DOUBT_AFTER = USUAL.doubt_after
"""Seconds; if the report is older, its process may not respond."""
SILENT_AFTER = USUAL.take_over_after
"""Seconds; if the report is older, its process delivers nothing."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class StreamReport(msgspec.Struct, frozen=True):
    """The owner's report on one strategy's stream."""

    key: str
    warm: bool
    """True if its next cycle reads no state."""
    state_from: str | None
    """Where its state came from when it was read last: `cache`, `store` or `origin`."""
    candles_read: int
    """In the last cycle."""
    hits: int
    """How often its state was read from the cache."""
    misses: int
    rebuilt: int
    """How often its saved state could not be used."""
    needed_since: datetime | None = None
    """When the owner began to need its candles."""
    forming: datetime | None = None
    """The open of the candle that is still forming, if the feed shows it."""


class HealthReport(msgspec.Struct, frozen=True):
    """The content of the file."""

    boot: str
    at: float
    """Seconds of the monotonic clock."""
    process: int
    status: str
    reasons: tuple[tuple[str, str], ...]
    """Code and text of each."""
    oldest_command_s: float
    log_lines_dropped: int
    rows_damaged: int
    takeovers: int
    strategies: tuple[StreamReport, ...] = ()

    @classmethod
    def of(
        cls,
        status: str,
        reasons: tuple[str, ...],
        oldest_command: float,
        counts: dict[str, int],
        strategies: tuple[StreamReport, ...] = (),
    ) -> "HealthReport":
        """A report of this process, as of now."""
        return cls(
            boot=_boot(),
            at=monotonic(),
            process=os.getpid(),
            status=status,
            reasons=tuple((each.code if isinstance(each, Reason) else "", str(each)) for each in reasons),
            oldest_command_s=round(oldest_command, 1),
            log_lines_dropped=counts.get("log_lines_dropped", 0),
            rows_damaged=counts.get("rows_damaged", 0),
            takeovers=counts.get("takeovers", 0),
            strategies=strategies,
        )

    @property
    def age(self) -> float | None:
        """Seconds since it was made; None if the machine has been restarted since."""
        return max(0.0, monotonic() - self.at) if self.boot == _boot() else None


def report_of(store: Path) -> Path:
    """The path of a store's report. If `store` is a link, it is next to the target."""
    return Path(os.path.realpath(store)).with_suffix(".health")


def read_report(path: Path) -> HealthReport | None:
    """The last report; None if there is none or it cannot be read."""
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(read_regular(path), type=HealthReport)
    return None


def written_at(path: Path) -> datetime | None:
    """When the last report was written; None if there is none."""
    with suppress(OSError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return None


def write_report(path: Path, report: HealthReport) -> None:
    """Replace the last report. If the folder cannot be written, the last report stays and grows old.

    If the disk is full, the report is written over the last one, which already has space on the disk.
    """
    draft, text = path.with_suffix(".health-draft"), msgspec.json.encode(report)
    try:
        _write(draft, os.O_CREAT | os.O_TRUNC, text)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            _write(path, 0, text)


class Reporter:
    """Every 5 seconds, writes the report from `make` into `path`, unless it is None. Call `end` at the end."""

    def __init__(
        self, outbox: ThreadedOutbox, path: Path, make: Callable[[], HealthReport | None], emit: Listener
    ) -> None:
        self._outbox = outbox
        self._path = path
        self._make = make
        self._task = KeptTask("health report", self._report, emit)

    async def end(self) -> None:
        """Stop writing."""
        await self._task.end()

    async def _report(self) -> None:
        while True:
            if (report := self._make()) is not None:
                await self._outbox.call(partial(write_report, self._path, report))
            await asyncio.sleep(EVERY)


def _write(path: Path, flags: int, text: bytes) -> None:
    with os.fdopen(open_regular(path, os.O_WRONLY | flags), "wb") as file:
        file.write(text)
        file.truncate()


def _boot() -> str:
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""
