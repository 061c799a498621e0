"""The owner's own view of its health, in a small file beside the store, for the command `signalpost health`.

The store thread writes it every 5 seconds. So it grows old when the process is frozen, its event loop is blocked or the
disk hangs, and whoever reads it sees that from its age: the monotonic clock is the same for all processes of a boot.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
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
"""Seconds; the process that wrote an older report does not respond as it should."""
SILENT_AFTER = USUAL.take_over_after
"""Seconds; the process that wrote an older report delivers nothing."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class HealthReport(msgspec.Struct, frozen=True):
    """What the file holds."""

    boot: str
    at: float
    """Seconds of the monotonic clock."""
    process: int
    status: str
    reasons: tuple[tuple[str, str], ...]
    """Of each its code and its text."""
    oldest_command_s: float
    log_lines_dropped: int
    rows_damaged: int
    takeovers: int

    @classmethod
    def of(cls, status: str, reasons: tuple[str, ...], oldest_command: float, counts: dict[str, int]) -> "HealthReport":
        """A report of this process, made now."""
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
        )

    @property
    def age(self) -> float | None:
        """Seconds since it was made; None if the machine was started again since."""
        return max(0.0, monotonic() - self.at) if self.boot == _boot() else None


def report_of(store: Path) -> Path:
    """Where the report of a store is: beside its real place, if `store` is a link."""
    return Path(os.path.realpath(store)).with_suffix(".health")


def read_report(path: Path) -> HealthReport | None:
    """The last report; None if there is none, or it cannot be read."""
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(read_regular(path), type=HealthReport)
    return None


def write_report(path: Path, report: HealthReport) -> None:
    """Write a report over the last one; a folder that takes no file lets the last one grow old."""
    draft = path.with_suffix(".health-draft")
    with suppress(OSError):
        file = open_regular(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with os.fdopen(file, "wb") as opened:
            opened.write(msgspec.json.encode(report))
        draft.replace(path)


class Reporter:
    """Writes what `make` returns to `path`, every 5 seconds; nothing while that is None. Ended by `end`."""

    def __init__(
        self, outbox: ThreadedOutbox, path: Path, make: Callable[[], HealthReport | None], emit: Listener
    ) -> None:
        self._outbox = outbox
        self._path = path
        self._make = make
        self._task = KeptTask("health report", self._report, emit)

    async def end(self) -> None:
        """Write no more."""
        await self._task.end()

    async def _report(self) -> None:
        while True:
            if (report := self._make()) is not None:
                await self._outbox.call(partial(write_report, self._path, report))
            await asyncio.sleep(EVERY)


def _boot() -> str:
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""
