"""The benchmarks run, and give each figure with its ratio, on a few messages: their floors repeat rows of the store."""

import json
from importlib import import_module

import pytest

from benchmarks import overhead
from benchmarks.__main__ import NAMES, main

pytestmark = pytest.mark.unmeasured


@pytest.mark.filterwarnings("ignore:'audioop' is deprecated:DeprecationWarning")  # by discord.py
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("outbox", {"CROWD": 200, "LONE": 10, "LANES": 10, "QUEUED": 100}),
        ("intake", {"CROWD": 200, "LONE": 10}),
        ("delivery", {"MANY": 200, "LONE": 5}),
        ("edit", {"MANY": 50}),
    ],
)
def test_a_benchmark_measures_us_beside_something_else(
    name: str, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(f"benchmarks.{name}")
    for constant, size in sizes.items():
        monkeypatch.setattr(module, constant, size)
    rows = list(module.rows())
    assert all(row.ours > 0 for row in rows)
    assert any(row.beside and row.ratio for row in rows)
    if name == "edit":
        assert all(row.cpu_us > 0 for row in rows if row.beside)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "DELIVERIES", 200)


@pytest.mark.usefixtures("few")
def test_json_has_a_line_for_each_figure(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "overhead"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all({"bench", "ours", "beside", "ratio", "cpu_us"} <= row.keys() for row in rows)
    assert all(row["cpu_us"] > 0 for row in rows)


@pytest.mark.usefixtures("few")
def test_the_table_shows_whether_a_target_is_met(capsys: pytest.CaptureFixture[str]) -> None:
    main(["overhead"])
    shown = capsys.readouterr().out
    assert "µs" in shown
    assert "pass" in shown or "short" in shown


def test_an_unknown_benchmark_is_an_error_that_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["speed"])
    error = capsys.readouterr().err
    assert "speed" in error
    assert "delivery" in error


def test_its_help_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out.split()
    assert {*NAMES} <= {word.strip(",;") for word in shown}
