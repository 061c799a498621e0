import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from signalpost import AsyncNotificationService
from signalpost.cli import health as command
from signalpost.cli.health import _of_process, _plain, _report, _show
from signalpost.config import STORE_FILE
from signalpost.domain.reason import Reason
from signalpost.service import health_report
from signalpost.service.health_report import HealthReport, read_report, report_of, write_report
from tests.unit.service.conftest import ConfigFor


def _of(status: str = "healthy", *reasons: str, age: float = 0.0) -> HealthReport:
    report = HealthReport.of(status, reasons, 0.25, {"takeovers": 2, "rows_damaged": 1, "log_lines_dropped": 3})
    return msgspec.structs.replace(report, at=report.at - age)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = report_of(tmp_path / STORE_FILE)
    assert read_report(path) is None
    report = _of("degraded", Reason("late", "is-late"), "a plain string")
    write_report(path, report)
    assert read_report(path) == report
    assert report.reasons == (("is-late", "late"), ("", "a plain string"))
    path.write_text("{}", encoding="utf-8")
    assert read_report(path) is None


def test_a_folder_that_takes_no_file_lets_the_last_report_grow_old(tmp_path: Path) -> None:
    write_report(tmp_path / "missing" / "outbox.health", _of())


@pytest.mark.parametrize("length", [1, 300])
def test_a_report_that_finds_no_room_for_a_new_file_overwrites_the_last_one(tmp_path: Path, length: int) -> None:
    path = report_of(tmp_path / STORE_FILE)
    write_report(path, _of("healthy", "x" * 100))
    path.with_suffix(".health-draft").mkdir()
    report = _of("unhealthy", "x" * length)
    write_report(path, report)
    assert read_report(path) == report


def test_pipes_in_place_of_the_report_and_its_draft_are_never_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "outbox.health"
    os.mkfifo(path)
    os.mkfifo(path.with_suffix(".health-draft"))
    write_report(path, _of())
    assert read_report(path) is None


def test_a_report_of_before_the_machine_started_has_no_age(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = _of()
    assert report.age is not None
    assert report.age < 5
    monkeypatch.setattr(health_report, "_BOOT", tmp_path / "none")
    assert report.age is None


@pytest.mark.parametrize(
    ("reported", "age", "status", "codes"),
    [
        (None, 0, "unhealthy", ["no-report"]),
        ("healthy", 0, "healthy", []),
        ("healthy", 16, "degraded", ["owner-silent"]),
        ("healthy", 31, "unhealthy", ["owner-silent"]),
        ("unhealthy", 16, "unhealthy", ["owner-silent", "held"]),
    ],
)
def test_an_old_report_says_that_the_process_does_not_respond(
    reported: str | None, age: float, status: str, codes: list[str]
) -> None:
    reasons = (Reason("some are held", "held"),) if reported == "unhealthy" else ()
    report = None if reported is None else _of(reported, *reasons, age=age)
    seen = _of_process(7, report)
    plain: dict[str, Any] = _plain(seen)
    assert (seen.status, [each["code"] for each in plain["reasons"]], plain["pid"]) == (status, codes, 7)
    _show(seen)


async def test_the_owner_reports_and_a_producer_does_not(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as owner:
        store = owner.config.home / STORE_FILE
        await owner.deliveries("none")
        report = read_report(report_of(store))
        assert report is not None
        assert (report.status, report.reasons, report.takeovers) == ("healthy", (), 0)
        written = report_of(store).stat().st_mtime_ns
        async with AsyncNotificationService(config_for()) as producer:
            assert producer.role == "producer"
            await producer.deliveries("none")
        assert report_of(store).stat().st_mtime_ns == written


def test_the_report_of_another_process_is_not_taken_for_its(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_PAUSE", 0)
    store = tmp_path / STORE_FILE
    write_report(report_of(store), _of())
    assert _report(store, 1) is None
    report = read_report(report_of(store))
    assert report is not None
    assert _report(store, report.process) == report
    assert report.at <= time.monotonic()


def test_the_command_says_that_there_is_no_store(tmp_path: Path) -> None:
    from signalpost.cli import main

    result = CliRunner().invoke(main, ["health", "--home", str(tmp_path / "none")])
    assert result.exit_code == 3
