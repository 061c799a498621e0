"""`signalpost health`: reports the health of the process that delivers, for people, cron and containers."""

from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import click

from signalpost.cli.options import Flags, configured
from signalpost.cli.output import clean, json_option, say_json
from signalpost.config import STORE_FILE
from signalpost.delivery.outbox.commands import Stats
from signalpost.delivery.outbox.lock import holder_of, is_held, is_held_by_older_version, lock_of
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.service.health_report import DOUBT_AFTER, SILENT_AFTER, HealthReport, read_report, report_of

_COLOURS = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}
_PAUSE = 0.1
_MOST_CHECKS = 20
"""How many times to check for the report of a process that has just started."""


class _Health(NamedTuple):
    status: str
    reasons: list[tuple[str, str]]
    role: str | None = None
    pid: int | None = None
    report: HealthReport | None = None


@click.command(
    epilog="""
    \b
    Examples:
      signalpost health
      signalpost health --json | jq -r '.reasons[].code'
      signalpost health || mail -s "signalpost" me@example.com     in a cron job
      signalpost health --live                                     in a container's health check

    \b
    Exit codes: 0 healthy; 1 degraded or unhealthy (with --live only unhealthy); 2 bad input or configuration;
    3 no usable store. Without a running process: 1 if deliveries are waiting, else 0.
    """,
)
@click.option("--live", is_flag=True, help="Exit with 1 only if unhealthy: a restart does not help if degraded.")
@configured
@json_option("Print one line of JSON.")
def health(live: bool, flags: Flags, as_json: bool) -> None:
    """Report the health of the process that delivers from the data folder.

    The process writes its health next to the store every 5 seconds. If the process is frozen, its event loop
    is blocked or its disk hangs, the report becomes old. The status is then degraded after 15 seconds and unhealthy
    after 30.
    """
    found = _find(flags.config().home / STORE_FILE)
    if as_json:
        say_json(_plain(found))
    else:
        _show(found)
    is_bad = found.status == "unhealthy" if live else found.status != "healthy"
    raise SystemExit(1 if is_bad else 0)


def _find(store: Path) -> _Health:
    """Find the health. If no process has the store open, this may raise StoreUnusable or StoreFailed."""
    lock = lock_of(store)
    if not is_held(lock) and not is_held_by_older_version(lock):
        return _without_process(store)
    process = holder_of(lock).partition(" ")[0]
    pid = int(process) if process.isdigit() else None
    return _of_process(pid, _report(store, pid))


def _report(store: Path, pid: int | None) -> HealthReport | None:
    """The report of process `pid`. Waits briefly, because the process may have just started."""
    for _ in range(_MOST_CHECKS):
        report = read_report(report_of(store))
        if report is not None and report.process == pid and report.age is not None:
            return report
        Event().wait(_PAUSE)
    return None


def _of_process(pid: int | None, report: HealthReport | None) -> _Health:
    if report is None or report.age is None:
        text = f"Process {pid} holds the store, but has not reported its health. It may be an older version."
        return _Health("unhealthy", [("no-report", text)], "owner", pid)
    status, reasons, age = report.status, list(report.reasons), report.age
    if age >= DOUBT_AFTER:
        text = f"Process {pid} has not responded for {age:.0f} s: it is frozen, blocked, or its disk hangs."
        reasons.insert(0, ("owner-silent", text))
        status = "unhealthy" if age >= SILENT_AFTER or status == "unhealthy" else "degraded"
    return _Health(status, reasons, "owner", pid, report)


def _without_process(store: Path) -> _Health:
    with closing(SqliteReader(store)) as reader:
        (counts,) = reader.apply([Stats(only_open=True)])
    waiting = sum(counts.values())
    if not waiting:
        return _Health("healthy", [])
    text = f"Deliveries are waiting ({waiting}), but no process is delivering. Start `signalpost serve`."
    return _Health("unhealthy", [("no-process", text)])


def _plain(found: _Health) -> dict[str, Any]:
    report = found.report
    return {
        "status": found.status,
        "reasons": [{"code": code, "text": text} for code, text in found.reasons],
        "role": found.role,
        "pid": found.pid,
        "oldest_command_s": 0.0 if report is None else report.oldest_command_s,
        "log_lines_dropped": 0 if report is None else report.log_lines_dropped,
        "rows_damaged": 0 if report is None else report.rows_damaged,
        "takeovers": 0 if report is None else report.takeovers,
    }


def _show(found: _Health) -> None:
    from rich.text import Text

    from signalpost.cli.tables import console, table

    process = "no process is running" if found.pid is None else f"process {found.pid} ({found.role})"
    console().print(Text.assemble((found.status, f"bold {_COLOURS[found.status]}"), f"  {process}"))
    if found.reasons:
        reasons = table("", "code", "reason", wraps="reason")
        for code, text in found.reasons:
            reasons.add_row(code, text)
        console().print(reasons)
    counts = [f"{name} {value}" for name, value in _plain(found).items() if isinstance(value, int) and name != "pid"]
    if found.report is not None:
        console().print(clean(", ".join(counts)), style="dim")
